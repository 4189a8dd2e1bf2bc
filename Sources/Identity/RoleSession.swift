package import AccessPolicy
package import Domain

/// A session of a role: who it is, what limits it, how long it lasts. Made by `sts:AssumeRole`, read again from its
/// token with each request.
package final class RoleSession: Sendable {
    /// The role, with its path.
    package let role: Principal
    /// 2 … 64 of `A–Z a–z 0–9 _ + = , . @ -`: chosen by whoever assumed the role.
    package let name: String
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/NAME`, the role without its path.
    package let principal: Principal
    /// The session policy, which only takes away; `nil` when none was given.
    package let policy: CompiledPolicy?
    /// The same as it was given.
    package let policyText: [UInt8]
    /// Session tags: what policies read as `aws:PrincipalTag/…`, before the role's own.
    package let tags: [Tag]
    /// Keys, in lower case, of the tags that a session assumed from this one has too.
    package let transitiveKeys: Set<String>
    /// Who stands behind the session, for as long as roles are assumed from it.
    package let sourceIdentity: String?
    package let issuedAt: Timestamp
    package let expiresAt: Timestamp

    /// - Parameter policy: compiled from `policyText`.
    package init(
        role: Principal, name: String, policy: CompiledPolicy?, policyText: [UInt8], tags: [Tag],
        transitiveKeys: Set<String>, sourceIdentity: String?, issuedAt: Timestamp, expiresAt: Timestamp
    ) {
        self.role = role
        self.name = name
        principal = Self.principal(of: role, named: name)
        self.policy = policy
        self.policyText = policyText
        self.tags = tags
        self.transitiveKeys = transitiveKeys
        self.sourceIdentity = sourceIdentity
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
    }

    /// Tags of a session assumed from this one, whatever its caller asks for.
    package var transitiveTags: [Tag] { tags.filter { transitiveKeys.contains($0.key.lowercased()) } }

    private static func principal(of role: Principal, named name: String) -> Principal {
        let arn = ARN(parsing: role.arn)
        let last = arn?.resource.split(separator: "/").last ?? ""
        return Principal(
            .assumedRole, path: "\(last)/\(name)", account: role.account, partition: arn?.partition ?? "aws")
    }
}
