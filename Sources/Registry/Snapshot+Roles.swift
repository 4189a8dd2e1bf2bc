import Domain
import JSON

/// Roles that sessions are made of.
extension Snapshot {
    /// The role of that ARN, when its account is local and its file says who may assume it.
    package func assumableRole(_ arn: String) -> AssumableRole? {
        guard let member = members[arn], isLocal(member.principal.account) else { return nil }
        return member.role?.begun(at: rolesSince[arn])
    }

    /// Since when each role of `declaration` can be assumed, and what has to be durable before that is in force.
    ///
    /// A role that was not there until now begins now: what had its name before, and the sessions of it, are over. A
    /// clock that was ahead when a role began does not keep its sessions out until it is there again.
    func adoptingRoles(
        of declaration: Declaration, at now: Timestamp
    ) -> (since: [String: Timestamp], changes: [ControlChange]) {
        var since: [String: Timestamp] = [:]
        for account in declaration.accounts where account.isLocal {
            for member in account.principals where member.role != nil {
                let arn = member.principal.arn
                since[arn] = min(rolesSince[arn] ?? now, now)
            }
        }
        let begun = since.filter { rolesSince[$0.key] != $0.value }.sorted { $0.key < $1.key }
        let over = rolesSince.keys.filter { since[$0] == nil }.sorted()
        return (
            since,
            over.map { .remove(kind: .role, key: $0) } + begun.map { .put(Self.roleRecord($0.key, since: $0.value)) }
        )
    }

    private static func roleRecord(_ arn: String, since: Timestamp) -> ControlRecord {
        let node = JSONNode.object([.init(key: "since", value: .integer(since.milliseconds))])
        return ControlRecord(kind: .role, key: arn, value: node.bytes())
    }

    /// Reads back since when the role of a record can be assumed.
    static func roleSince(_ record: ControlRecord) throws(ControlStoreError) -> Timestamp {
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: record.value) } catch {
            throw .unreadable(reason: "role `\(record.key)`: \(error)")
        }
        guard let since = node["since"]?.int64 else { throw .unreadable(reason: "role `\(record.key)`") }
        return Timestamp(milliseconds: since)
    }
}
