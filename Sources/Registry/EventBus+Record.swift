import AccessPolicy
package import Domain
package import JSON

/// How a bus is stored: a JSON object, so that an operator can read the table.
extension EventBus {
    var record: ControlRecord {
        var members: [JSONNode.Member] = [
            .init(key: "number", value: .integer(Int64(number.value))),
            .init(key: "createdAt", value: .integer(properties.createdAt.milliseconds)),
            .init(key: "modifiedAt", value: .integer(properties.modifiedAt.milliseconds)),
        ]
        if let description = properties.description {
            members.append(.init(key: "description", value: .string(description)))
        }
        if let policy = properties.policy { members.append(.init(key: "policy", value: policy)) }
        if !properties.tags.isEmpty {
            let tags = properties.tags.map { JSONNode.array([.string($0.key), .string($0.value)]) }
            members.append(.init(key: "tags", value: .array(tags)))
        }
        return ControlRecord(kind: .eventBus, key: Self.recordKey(id), value: JSONNode.object(members).bytes())
    }

    static func recordKey(_ id: EventBusID) -> String { "\(id.account)/\(id.name)" }

    /// Which bus a record of the control store is about, and its policy.
    ///
    /// - Throws: `.unreadable` for a record that no gateway wrote.
    package static func policy(
        of record: ControlRecord
    ) throws(ControlStoreError) -> (id: EventBusID, policy: JSONNode?) {
        guard let id = id(recordKey: record.key) else { throw unreadable(record) }
        return (id, try node(of: record)["policy"])
    }

    private static func id(recordKey: String) -> EventBusID? {
        let key = recordKey.split(separator: "/", maxSplits: 1)
        guard key.count == 2, let account = AccountID(parsing: String(key[0])),
            let name = EventBusName(parsing: String(key[1]))
        else { return nil }
        return EventBusID(account: account, name: name)
    }

    private static func node(of record: ControlRecord) throws(ControlStoreError) -> JSONNode {
        do throws(JSONError) {
            return try JSONNode(parsing: record.value, maximumBytes: 4 << 20)
        } catch {
            throw .unreadable(reason: "event bus `\(record.key)`: \(error)")
        }
    }

    private static func unreadable(_ record: ControlRecord) -> ControlStoreError {
        .unreadable(reason: "event bus `\(record.key)`")
    }

    /// Reads a stored bus back.
    convenience init(record: ControlRecord, partition: String, region: String) throws(ControlStoreError) {
        let unreadable = Self.unreadable(record)
        let node = try Self.node(of: record)
        guard let id = Self.id(recordKey: record.key), let number = node["number"]?.uint64,
            number >= 1, number <= UInt64(BusNumber.maximum), let created = node["createdAt"]?.int64,
            let modified = node["modifiedAt"]?.int64
        else { throw unreadable }
        var tags: [Tag] = []
        for pair in node["tags"]?.array ?? [] {
            guard let parts = pair.array, parts.count == 2, let key = parts[0].string, let value = parts[1].string
            else {
                throw unreadable
            }
            tags.append(Tag(key: key, value: value))
        }
        do throws(ControlFault) {
            try self.init(
                id: id, number: BusNumber(UInt32(number)), partition: partition,
                region: region,
                properties: Properties(
                    description: node["description"]?.string, tags: tags, policy: node["policy"],
                    createdAt: Timestamp(milliseconds: created), modifiedAt: Timestamp(milliseconds: modified)))
        } catch {
            throw .unreadable(reason: "event bus `\(record.key)`: \(error.message)")
        }
    }
}
