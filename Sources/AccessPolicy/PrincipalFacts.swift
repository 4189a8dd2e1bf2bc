package import Domain

/// Who asks, as decisions see it: prepared once for a caller and used for all its requests.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html, properties of the principal
package final class PrincipalFacts: Sendable {
    package enum Kind: UInt8, Sendable {
        case anonymous
        case user
        case role
        /// The session of a role.
        case session
        case federatedUser
        /// The account itself: no identity policy limits it in its own account.
        case root
        /// `events.amazonaws.com`.
        case service
    }

    package let kind: Kind
    /// Empty for the anonymous and for services.
    package let arn: String
    /// The role behind a session, with its path; empty otherwise.
    package let roleARN: String
    /// The service principal's name; empty otherwise.
    package let service: String
    package let account: AccountID?
    package let facts: ContextFacts

    /// - Parameters:
    ///   - roleARN: the role behind a session; without it the role is taken to have no path.
    ///   - organization: `nil` for an account in no organization; `.unknown` when the manifest has expired.
    ///   - tags: of the principal and its session.
    ///   - more: keys that the caller of this initializer knows, such as `aws:userid`; they come before the derived
    /// ones.
    package init(
        kind: Kind, arn: String, account: AccountID?, roleARN: String? = nil, service: String = "",
        organization: OrganizationFact = .none, tags: [(key: String, value: String)] = [],
        more: ContextFacts = ContextFacts()
    ) {
        self.kind = kind
        self.arn = arn
        self.account = account
        self.service = service
        self.roleARN = kind == .session ? roleARN ?? Self.role(ofSession: arn) : ""
        var facts = more
        let subject = kind == .session ? self.roleARN : arn
        if !subject.isEmpty { facts.set(.principalArn, subject) }
        if let account { facts.set(.principalAccount, account.description) }
        facts.set(.principalType, Self.typeName(kind))
        // Nobody's request does not have it. Source: its description among the IAM User Guide's global condition keys.
        if kind != .anonymous { facts.set(.principalIsAWSService, kind == .service ? "true" : "false") }
        if kind == .service { facts.set(.principalServiceName, service) }
        if kind == .user, let name = arn.split(separator: "/").last { facts.set(.username, String(name)) }
        switch organization {
        case .none: break
        case .unknown:
            facts.setUnknown(.principalOrgID)
            facts.setUnknown(.principalOrgPaths)
        case .member(let id, let paths):
            facts.set(.principalOrgID, id)
            facts.set(.known(.principalOrgPaths), paths)
        }
        for tag in tags { facts.set(.named(.principalTag, lowercased(tag.key)), [tag.value]) }
        self.facts = facts
    }

    /// What the organization manifest says of the principal's account.
    package enum OrganizationFact: Sendable {
        case none
        case unknown
        case member(id: String, paths: [String])
    }

    /// The facts of an authenticated principal.
    package convenience init(
        _ principal: Principal, roleARN: String? = nil, organization: OrganizationFact = .none,
        tags: [(key: String, value: String)] = [], more: ContextFacts = ContextFacts()
    ) {
        let kind: Kind =
            switch principal.kind {
            case .user: .user
            case .role: .role
            case .assumedRole: .session
            case .service: .service
            }
        self.init(
            kind: kind, arn: kind == .service ? "" : principal.arn,
            account: kind == .service ? nil : principal.account, roleARN: roleARN,
            service: kind == .service ? principal.arn : "", organization: organization, tags: tags, more: more)
    }

    /// Nobody: a request without credentials.
    package static let anonymous = PrincipalFacts(kind: .anonymous, arn: "", account: nil)

    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION` comes from `arn:aws:iam::ACCOUNT:role/ROLE`.
    static func role(ofSession arn: String) -> String {
        guard let parsed = ARN(parsing: arn), parsed.service == "sts" else { return "" }
        let parts = parsed.resource.split(separator: "/")
        guard parts.count >= 2, parts[0] == "assumed-role" else { return "" }
        return "arn:\(parsed.partition):iam::\(parsed.account):role/\(parts[1])"
    }

    private static func typeName(_ kind: Kind) -> String {
        switch kind {
        case .anonymous: "Anonymous"
        case .user: "User"
        case .role, .session: "AssumedRole"
        case .federatedUser: "FederatedUser"
        case .root: "Account"
        case .service: "Service"
        }
    }
}

/// What is asked for: prepared once for a bus and used for all requests on it.
package final class ResourceFacts: Sendable {
    /// An ARN, or `*` for an action that has no resource.
    package let arn: String
    /// The owner; `nil` when the resource belongs to the caller's own account by nature (`*`).
    package let account: AccountID?
    package let facts: ContextFacts

    /// - Parameter account: when `nil`, taken from the ARN.
    package init(
        arn: String, account: AccountID? = nil, organization: PrincipalFacts.OrganizationFact = .none,
        tags: [(key: String, value: String)] = []
    ) {
        self.arn = arn
        let owner = account ?? ARN(parsing: arn).flatMap { AccountID(parsing: $0.account) }
        self.account = owner
        var facts = ContextFacts()
        if let owner { facts.set(.resourceAccount, owner.description) }
        switch organization {
        case .none: break
        case .unknown:
            facts.setUnknown(.resourceOrgID)
            facts.setUnknown(.resourceOrgPaths)
        case .member(let id, let paths):
            facts.set(.resourceOrgID, id)
            facts.set(.known(.resourceOrgPaths), paths)
        }
        facts.set(.resourceTag, tags: tags)
        self.facts = facts
    }
}
