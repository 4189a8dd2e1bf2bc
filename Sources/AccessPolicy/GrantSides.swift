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

    /// - Parameter accounts: those whose principals are all among `holders`; the own side of others is decided
    ///   elsewhere.
    package init(resources: [Resource], holders: [Holder], accounts: Set<AccountID>) {
        self.resources = resources
        let grouped = Dictionary(grouping: holders, by: \.account)
        self.holders = Dictionary(accounts.map { ($0, grouped[$0] ?? []) }, uniquingKeysWith: { first, _ in first })
    }

    /// Statements of a resource's policy that let principals of another account in, which nothing of their own lets
    /// out.
    package func findings(of resource: Resource) -> [PolicyReview.Finding] {
        resource.policy.statements.enumerated().flatMap { index, statement -> [PolicyReview.Finding] in
            guard statement.effect == .allow, let principal = statement.principal, !principal.isNegated else {
                return []
            }
            return principal.patterns.compactMap { pattern in
                guard let named = named(by: pattern), named.account != resource.account,
                    let candidates = holders[named.account]?.filter({ named.arn == nil || $0.arn == named.arn }),
                    !candidates.contains(where: { Self.grants($0.identity, statement.action, resource.arn) })
                else { return nil }
                let subject = "\(statement.action.text) to \(pattern), whose own policies do not"
                return .init(rule: .oneSidedGrant, statement: index, sid: statement.sid, subject: subject)
            }
        }
    }

    /// What a principal's policies let it do with a named account's resource whose own policy does not let it in.
    package func findings(of holder: Holder) -> [PolicyReview.Finding] {
        holder.identity.flatMap(\.statements).enumerated().flatMap { index, statement -> [PolicyReview.Finding] in
            guard statement.effect == .allow, !statement.action.isNegated, let element = statement.resource,
                !element.isNegated
            else { return [] }
            return resources.compactMap { resource in
                let isMeant = element.patterns.contains {
                    ARN(parsing: $0)?.account == resource.account.description
                        && ResourceElement.couldMatch($0, resource.arn)
                }
                guard isMeant, resource.account != holder.account,
                    !Self.admits(resource.policy, holder, statement.action)
                else { return nil }
                let subject = "\(statement.action.text) on \(resource.arn), whose policy does not"
                return .init(rule: .oneSidedGrant, statement: index, sid: statement.sid, subject: subject)
            }
        }
    }

    private func named(by pattern: PrincipalElement.Pattern) -> (account: AccountID, arn: String?)? {
        switch pattern {
        case .account(let account): (account, nil)
        case .arn(let text): ARN(parsing: text).flatMap { AccountID(parsing: $0.account) }.map { ($0, text) }
        case .anyone, .service, .federated, .canonicalUser: nil
        }
    }

    private static func grants(_ policies: [PolicyDocument], _ action: ActionElement, _ resource: String) -> Bool {
        policies.flatMap(\.statements).contains { statement in
            statement.effect == .allow && statement.action.overlaps(action)
                && (statement.resource.map { element in
                    element.isNegated || element.patterns.contains { ResourceElement.couldMatch($0, resource) }
                } ?? true)
        }
    }

    private static func admits(_ policy: PolicyDocument, _ holder: Holder, _ action: ActionElement) -> Bool {
        policy.statements.contains { statement in
            guard statement.effect == .allow, statement.action.overlaps(action), let principal = statement.principal
            else { return false }
            return principal.isNegated
                || principal.patterns.contains { pattern in
                    switch pattern {
                    case .anyone: true
                    case .account(let account): account == holder.account
                    case .arn(let text): text == holder.arn
                    case .service, .federated, .canonicalUser: false
                    }
                }
        }
    }
}

extension ActionElement {
    /// As a policy has it.
    fileprivate var text: String { patterns.map { "`\($0)`" }.joined(separator: ", ") }

    /// Whether some action may be meant by both; where one says what it does not mean, it is taken to be so.
    fileprivate func overlaps(_ other: ActionElement) -> Bool {
        if isNegated || other.isNegated { return true }
        return patterns.contains { own in
            other.patterns.contains { Self.overlap(Array(lowercased(own).utf8), Array(lowercased($0).utf8)) }
        }
    }

    /// Whether two texts with wildcards have a text in common.
    private static func overlap(_ left: [UInt8], _ right: [UInt8]) -> Bool {
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
