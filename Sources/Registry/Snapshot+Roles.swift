import Domain

/// Roles that sessions are made of.
extension Snapshot {
    /// The role of that ARN, when its account is local and its file says who may assume it.
    package func assumableRole(_ arn: String) -> AssumableRole? {
        guard let member = members[arn], isLocal(member.principal.account) else { return nil }
        return member.role
    }
}
