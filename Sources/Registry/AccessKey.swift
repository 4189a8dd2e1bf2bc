import Cryptography
package import Domain
import JSON

/// An access key at rest: its secret is sealed and is opened only to derive a signing key.
package struct AccessKey: Sendable {
    /// `AKIA` or `ASIA` and 16 of `A–Z 2–7`.
    package let id: String
    package let principal: Principal
    package let isEnabled: Bool
    package let createdAt: Timestamp
    /// AES-256-GCM box over the secret, authenticating `access-key:ID`.
    package let sealedSecret: [UInt8]

    package init(id: String, principal: Principal, isEnabled: Bool, createdAt: Timestamp, sealedSecret: [UInt8]) {
        self.id = id
        self.principal = principal
        self.isEnabled = isEnabled
        self.createdAt = createdAt
        self.sealedSecret = sealedSecret
    }

    /// What the box of key `id` authenticates: a box copied to another key does not open.
    package static func associatedData(_ id: String) -> [UInt8] { Array("access-key:\(id)".utf8) }

    var record: ControlRecord {
        let node = JSONNode.object([
            .init(key: "principal", value: .string(principal.arn)),
            .init(key: "enabled", value: .bool(isEnabled)),
            .init(key: "createdAt", value: .integer(createdAt.milliseconds)),
            .init(key: "sealedSecret", value: .string(Hexadecimal.text(sealedSecret))),
        ])
        return ControlRecord(kind: .accessKey, key: id, value: node.bytes())
    }

    init(record: ControlRecord) throws(ControlStoreError) {
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: record.value) } catch {
            throw .unreadable(reason: "access key `\(record.key)`: \(error)")
        }
        guard let principal = node["principal"]?.string.flatMap(Principal.init(parsing:)),
            let isEnabled = node["enabled"]?.bool, let created = node["createdAt"]?.int64,
            let sealed = node["sealedSecret"]?.string.flatMap({ Hexadecimal.bytes(Array($0.utf8)) })
        else { throw .unreadable(reason: "access key `\(record.key)`") }
        self.init(
            id: record.key, principal: principal, isEnabled: isEnabled, createdAt: Timestamp(milliseconds: created),
            sealedSecret: sealed)
    }
}
