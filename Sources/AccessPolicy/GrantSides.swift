package import Domain

/// A request across accounts needs an allow on both sides. Finds the grants of which only one side is there, among
/// policies that are all at hand.
///
/// Source: POLICY 3; docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
package struct GrantSides: Sendable {
    /// A resource with its policy.
    package struct Resource: Sendable {
        package let arn: String
        package let account: AccountID
        package let policy: PolicyDocument

        package init(arn: String, account: AccountID, policy: PolicyDocument) {
            self.arn = arn
            self.account = account
            self.policy = policy
        }
    }

    /// A principal with its identity policies.
    package struct Holder: Sendable {
        package let arn: String
        package let account: AccountID
        package let identity: [PolicyDocument]

        package init(arn: String, account: AccountID, identity: [PolicyDocument]) {
            self.arn = arn
            self.account = account
            self.identity = identity
        }
    }

    private let resources: [Resource]
    private let holders: [AccountID: [Holder]]
    /// What is left; below 0 nothing more is looked at.
    private(set) var steps: Int

    /// Comparisons in all, most of them of two characters: some seconds. Who may write one policy must not make the
    /// look at all of them long.
    package static let mostSteps = 1_000_000_000

    /// Whether there was too much to compare: then findings are missing.
    package var isExhausted: Bool { steps < 0 }

    /// - Parameter accounts: those whose principals are all among `holders`; the own side of others is decided
    ///   elsewhere.
    package init(
        resources: [Resource], holders: [Holder], accounts: Set<AccountID>, steps: Int = GrantSides.mostSteps
    ) {
        self.resources = resources
        self.steps = steps
        let grouped = Dictionary(grouping: holders, by: \.account)
        self.holders = Dictionary(accounts.map { ($0, grouped[$0] ?? []) }, uniquingKeysWith: { first, _ in first })
    }

    /// Statements of a resource's policy that let principals of another account in, which nothing of their own lets
    /// out.
    package mutating func findings(of resource: Resource) -> [PolicyReview.Finding] {
        var findings: [PolicyReview.Finding] = []
        for (index, statement) in resource.policy.statements.enumerated() {
            if isExhausted { return findings }
            guard statement.effect == .allow, let principal = statement.principal, !principal.isNegated
            else { continue }
            for pattern in Set(principal.patterns.compactMap(Subject.init)).sorted(by: { $0.text < $1.text }) {
                guard pattern.account != resource.account, let members = holders[pattern.account] else { continue }
                guard spend(members.count) else { return findings }
                let candidates = members.filter { pattern.arn == nil || $0.arn == pattern.arn }
                let isGranted = candidates.contains { holder in
                    grants(holder.identity, statement.action, resource.arn)
                }
                if isExhausted { return findings }
                if isGranted { continue }
                let subject = "\(statement.action.text) to \(pattern.text), whose own policies do not"
                findings.append(.init(rule: .oneSidedGrant, statement: index, sid: statement.sid, subject: subject))
            }
        }
        return findings
    }

    /// What a principal's policies let it do with a named account's resource whose own policy does not let it in.
    package mutating func findings(of holder: Holder) -> [PolicyReview.Finding] {
        var findings: [PolicyReview.Finding] = []
        for (index, statement) in holder.identity.flatMap(\.statements).enumerated() {
            guard statement.effect == .allow, !statement.action.isNegated, let element = statement.resource,
                !element.isNegated
            else { continue }
            let named = element.patterns.compactMap { text in ARN(parsing: text).map { (text, $0.account) } }
            for resource in resources where resource.account != holder.account {
                guard spend(named.count) else { return findings }
                let account = resource.account.description
                let isMeant = named.contains { $0.1 == account && couldMatch($0.0, resource.arn) }
                let isOneSided = isMeant && !admits(resource.policy, holder, statement.action)
                if isExhausted { return findings }
                guard isOneSided else { continue }
                let subject = "\(statement.action.text) on \(resource.arn), whose policy does not"
                findings.append(.init(rule: .oneSidedGrant, statement: index, sid: statement.sid, subject: subject))
            }
        }
        return findings
    }

    /// Takes `count` steps.
    ///
    /// - Returns: whether they were left. Once they were not, none are taken any more, and whoever loops stops.
    private mutating func spend(_ count: Int) -> Bool {
        if isExhausted { return false }
        steps -= count
        return !isExhausted
    }

    /// Whom a pattern names: an account, or one principal of it.
    private struct Subject: Hashable {
        let account: AccountID
        let arn: String?
        let text: String

        init?(_ pattern: PrincipalElement.Pattern) {
            switch pattern {
            case .account(let account): (self.account, arn) = (account, nil)
            case .arn(let arn):
                guard let account = ARN(parsing: arn).flatMap({ AccountID(parsing: $0.account) }) else { return nil }
                (self.account, self.arn) = (account, arn)
            case .anyone, .service, .federated, .canonicalUser: return nil
            }
            text = "\(pattern)"
        }
    }

    private mutating func grants(_ policies: [PolicyDocument], _ action: ActionElement, _ resource: String) -> Bool {
        for statement in policies.lazy.flatMap(\.statements) where statement.effect == .allow {
            if isExhausted { return false }
            guard overlap(statement.action, action) else { continue }
            guard let element = statement.resource, !element.isNegated else { return true }
            for pattern in element.patterns {
                if couldMatch(pattern, resource) { return true }
                if isExhausted { return false }
            }
        }
        return false
    }

    private mutating func admits(_ policy: PolicyDocument, _ holder: Holder, _ action: ActionElement) -> Bool {
        for statement in policy.statements {
            if isExhausted { return false }
            guard statement.effect == .allow, let principal = statement.principal, overlap(statement.action, action),
                spend(principal.patterns.count)
            else { continue }
            let isAdmitted =
                principal.isNegated
                || principal.patterns.contains { pattern in
                    switch pattern {
                    case .anyone: true
                    case .account(let account): account == holder.account
                    case .arn(let text): text == holder.arn
                    case .service, .federated, .canonicalUser: false
                    }
                }
            if isAdmitted { return true }
        }
        return false
    }

    /// Whether some action may be meant by both; where one says what it does not mean, it is taken to be so.
    private mutating func overlap(_ left: ActionElement, _ right: ActionElement) -> Bool {
        if left.isNegated || right.isNegated { return true }
        for own in left.patterns {
            for other in right.patterns {
                guard spend(own.utf8.count * other.utf8.count) else { return false }
                if ActionElement.overlap(Array(lowercased(own).utf8), Array(lowercased(other).utf8)) { return true }
            }
        }
        return false
    }

    private mutating func couldMatch(_ pattern: String, _ arn: String) -> Bool {
        spend(pattern.utf8.count + arn.utf8.count) && ResourceElement.couldMatch(pattern, arn)
    }
}

extension ActionElement {
    /// As a policy has it.
    fileprivate var text: String { patterns.map { "`\($0)`" }.joined(separator: ", ") }

    /// Whether two texts with wildcards have a text in common.
    fileprivate static func overlap(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        let run = UInt8(ascii: "*")
        let one = UInt8(ascii: "?")
        // For each beginning of `right`: whether it has a text in common with the beginning of `left` looked at.
        var common = [Bool](repeating: false, count: right.count + 1)
        common[0] = true
        for (place, byte) in right.enumerated() where byte == run { common[place + 1] = common[place] }
        for own in left {
            var next = [Bool](repeating: false, count: right.count + 1)
            next[0] = own == run && common[0]
            for (place, byte) in right.enumerated() {
                if own == run || byte == run {
                    next[place + 1] = next[place] || common[place + 1]
                } else if own == byte || own == one || byte == one {
                    next[place + 1] = common[place]
                }
            }
            common = next
        }
        return common[right.count]
    }
}

extension ResourceElement {
    /// Whether `pattern` could match `arn`: `*` is any run, `?` any character; one with a variable might.
    package static func couldMatch(_ pattern: String, _ arn: String) -> Bool {
        if pattern.contains("${") { return true }
        let compiled = pattern.utf8.map { byte in
            byte == UInt8(ascii: "*") ? Glob.anyRun : byte == UInt8(ascii: "?") ? Glob.anyOne : byte
        }
        var steps = Int.max
        return compiled.withUnsafeBufferPointer { pattern in
            Array(arn.utf8).withUnsafeBufferPointer { Glob.matches(pattern: pattern, text: $0, steps: &steps) }
        }
    }
}
