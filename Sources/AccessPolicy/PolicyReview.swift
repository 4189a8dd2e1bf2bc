/// What is wrong with a valid policy before it is saved: what is refused, and what is only worth a look.
///
/// Source: POLICY 3, THREATS 4.1
package struct PolicyReview: Sendable {
    /// Whose rules hold.
    package enum Compatibility: String, Sendable {
        /// What grants more than its writer meant is refused.
        case strict
        /// What AWS saves is saved; only the language itself is checked.
        case aws
    }

    package enum Rule: String, CaseIterable, Sendable {
        // Refused
        case notPrincipalWithAllow, notActionWithAllow, forAllValuesWithAllow, setOperatorOnSingleValue
        case anyoneWithoutAnchor, unknownKey, version, malformedARN, noValues
        // Linted
        case negatedOnAbsentKey, pathWithoutOrganization, unreachableStatement, ifExistsOnCreatorAccount
        case nearSizeLimit, oneSidedGrant

        /// Whether a policy is saved in spite of it.
        package var isWarning: Bool {
            switch self {
            case .notPrincipalWithAllow, .notActionWithAllow, .forAllValuesWithAllow, .setOperatorOnSingleValue,
                .anyoneWithoutAnchor, .unknownKey, .version, .malformedARN, .noValues:
                false
            case .negatedOnAbsentKey, .pathWithoutOrganization, .unreachableStatement, .ifExistsOnCreatorAccount,
                .nearSizeLimit, .oneSidedGrant:
                true
            }
        }
    }

    package struct Finding: Hashable, Sendable, CustomStringConvertible {
        package var rule: Rule
        /// From 0; `nil` for the whole document.
        package var statement: Int?
        package var sid: String?
        /// The value or key it is about.
        package var subject: String

        package var description: String {
            let place = statement.map { "statement \($0)" + (sid.map { " (`\($0)`)" } ?? "") } ?? "the policy"
            return "\(rule.isWarning ? "warning" : "refused"): \(place): \(rule.text(subject))"
        }
    }

    package private(set) var findings: [Finding] = []
    /// A document may hold a hundred thousand values: each is said once, at the same cost.
    private var said: Set<Finding> = []

    package var refusals: [Finding] { findings.filter { !$0.rule.isWarning } }
    package var warnings: [Finding] { findings.filter { $0.rule.isWarning } }

    /// So many refusals are told to whoever wanted to save the document.
    static let toldRefusals = 16

    /// So many bytes of a `Sid` or value are told, in whole characters: the message must fit an answer.
    static let toldBytes = 256

    /// Why the document is refused, for a message; empty when it is not.
    package var reasons: String {
        let refusals = refusals
        let told = refusals.prefix(Self.toldRefusals).map { finding in
            var short = finding
            short.sid = finding.sid.map(Self.cut)
            short.subject = Self.cut(finding.subject)
            return String(short.description.trimmingPrefix("refused: "))
        }
        let more = refusals.count - told.count
        return (told + (more > 0 ? ["and \(more) more"] : [])).joined(separator: "; ")
    }

    /// `text`, or as many of its characters as `toldBytes` hold and a mark that there are more.
    private static func cut(_ text: String) -> String {
        guard text.utf8.count > toldBytes else { return text }
        var bytes = 0
        return text.prefix { character in
            bytes += character.utf8.count
            return bytes <= toldBytes
        } + "…"
    }

    /// A document longer than this share of its limit, in percent, is worth a warning.
    static let nearLimitPercent = 90

    /// Reviews a document. Under `.aws` nothing is refused; the warnings stay.
    package init(
        _ document: PolicyDocument, compatibility: Compatibility = .strict, limits: PolicyLimits = .default
    ) {
        if document.version != .current || !document.namesVersion {
            add(.version, nil, nil, document.namesVersion ? document.version.rawValue : "none")
        }
        if document.characters * 100 > limits.characters * Self.nearLimitPercent {
            add(.nearSizeLimit, nil, nil, "\(document.characters) of \(limits.characters)")
        }
        for (index, statement) in document.statements.enumerated() {
            reviewElements(statement, index, document.kind)
            for condition in statement.conditions { review(condition, of: statement, index) }
            reviewReach(document, index)
        }
        if compatibility == .aws { findings.removeAll { !$0.rule.isWarning } }
    }

    private mutating func add(_ rule: Rule, _ index: Int?, _ sid: String?, _ subject: String) {
        let finding = Finding(rule: rule, statement: index, sid: sid, subject: subject)
        if said.insert(finding).inserted { findings.append(finding) }
    }

    private mutating func reviewElements(_ statement: Statement, _ index: Int, _ kind: PolicyKind) {
        let isAllow = statement.effect == .allow
        if isAllow, statement.principal?.isNegated == true {
            add(.notPrincipalWithAllow, index, statement.sid, "NotPrincipal")
        }
        if isAllow, statement.action.isNegated {
            let isWide = statement.resource.map { $0.isNegated || $0.patterns.contains("*") } ?? true
            if isWide { add(.notActionWithAllow, index, statement.sid, "NotAction") }
        }
        if isAllow, kind.grantsByItself, statement.principal?.isNegated == false,
            statement.principal?.patterns.contains(.anyone) == true,
            !statement.conditions.contains(where: PolicyAnchor.holds)
        {
            add(.anyoneWithoutAnchor, index, statement.sid, "*")
        }
    }

    private mutating func review(_ condition: Condition, of statement: Statement, _ index: Int) {
        let name = ContextKeyName(condition.key)
        let comparison = condition.comparison
        func same(_ other: Condition) -> Bool { ContextKeyName(other.key) == name }
        if !name.isKnown { add(.unknownKey, index, statement.sid, condition.key) }
        if condition.values.isEmpty { add(.noValues, index, statement.sid, condition.key) }
        let isMultivalued = if case .known(let key) = name { key.isMultivalued } else { false }
        if name.isKnown, comparison.quantifier != .single, !isMultivalued {
            add(.setOperatorOnSingleValue, index, statement.sid, condition.key)
        }
        if statement.effect == .allow, comparison.quantifier == .forAllValues {
            let isPinned = statement.conditions.contains {
                same($0) && $0.comparison.comparison == .null && $0.values.allSatisfy { lowercased($0) == "false" }
                    && !$0.values.isEmpty
            }
            if !isPinned { add(.forAllValuesWithAllow, index, statement.sid, condition.key) }
        }
        let isARN = comparison.comparison == .arnEquals || comparison.comparison == .arnLike
        for value in condition.values where isARN && !PolicyAnchor.isARNPattern(value) {
            add(.malformedARN, index, statement.sid, value)
        }
        if comparison.isNegated, comparison.quantifier == .single, !comparison.ifExists, statement.effect == .allow {
            add(.negatedOnAbsentKey, index, statement.sid, condition.key)
        }
        if name == .known(.principalOrgPaths), !comparison.isNegated,
            !condition.values.allSatisfy(PolicyAnchor.beginsWithOrganization)
        {
            add(.pathWithoutOrganization, index, statement.sid, condition.key)
        }
        if name == .known(.eventsCreatorAccount), comparison.comparison == .stringEquals, comparison.ifExists {
            add(.ifExistsOnCreatorAccount, index, statement.sid, condition.key)
        }
    }

    /// A statement that an unconditional deny of the same or everything shadows can never matter.
    private mutating func reviewReach(_ document: PolicyDocument, _ index: Int) {
        let statement = document.statements[index]
        for (other, shadow) in document.statements.enumerated() where other != index {
            guard shadow.conditions.isEmpty else { continue }
            let isSame =
                shadow.principal == statement.principal && shadow.action == statement.action
                && shadow.resource == statement.resource
            let deniesAll =
                shadow.effect == .deny && shadow.action == ActionElement(isNegated: false, patterns: ["*"])
                && shadow.resource?.patterns == ["*"] && shadow.resource?.isNegated == false
                && (shadow.principal.map { !$0.isNegated && $0.patterns == [.anyone] } ?? true)
            let isDuplicate =
                isSame && shadow.effect == statement.effect && (other < index || !statement.conditions.isEmpty)
            if deniesAll || (isSame && shadow.effect == .deny && statement.effect == .allow) || isDuplicate {
                add(.unreachableStatement, index, statement.sid, "\(other)")
                return
            }
        }
    }
}

extension PolicyReview.Rule {
    func text(_ subject: String) -> String {
        switch self {
        case .notPrincipalWithAllow:
            "`NotPrincipal` with `Allow` admits everyone else, also the anonymous: name the principals meant"
        case .notActionWithAllow: "`NotAction` with `Allow` on `*` grants whatever is not listed: name the actions"
        case .forAllValuesWithAllow:
            "`ForAllValues` on `\(subject)` holds when the key is absent: add `Null` `false` on the same key"
        case .setOperatorOnSingleValue: "`\(subject)` has one value: a set operator on it grants too much, drop it"
        case .anyoneWithoutAnchor:
            "`Principal` `*` with `Allow` needs a condition with a complete organization or account id, such as "
                + "`StringEquals` on `aws:PrincipalOrgID`"
        case .unknownKey: "the key `\(subject)` is set by no request here: correct its name"
        case .version: "`Version` is `\(subject)`: write `2012-10-17`"
        case .malformedARN: "`\(subject)` has not the six parts of an ARN: it matches nothing"
        case .noValues: "the condition on `\(subject)` names no value"
        case .negatedOnAbsentKey:
            "the negated operator on `\(subject)` holds when the key is absent: add `Null` `false`"
        case .pathWithoutOrganization: "a value of `\(subject)` does not begin with an organization id"
        case .unreachableStatement: "statement \(subject) already decides all that this one could: remove one"
        case .ifExistsOnCreatorAccount: "`StringEqualsIfExists` on `\(subject)` admits rules whose creator is not known"
        case .nearSizeLimit: "it has \(subject) characters: leave room or split it"
        case .oneSidedGrant: "only one side grants \(subject): a request across accounts needs both"
        }
    }
}
