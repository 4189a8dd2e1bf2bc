import Cryptography
package import Domain
package import Identity
package import JSON

/// How the webhook of one partner event source is verified, and where its events' fields are found. Declared by the
/// configuration; its secrets are the data directory's.
package struct Webhook: Sendable {
    /// What happens to a request whose signature does not stand.
    package enum Mode: String, CaseIterable, Sendable {
        case enforce
        /// It is reported and let through: for finding out, not for staying.
        case shadow
    }

    /// Where one field of an event is found.
    package enum Place: Equatable, Sendable {
        /// The header field of that name, in lower case.
        case header(String)
        /// A string or number of the content.
        case pointer(JSONPointer)
        /// Always the same.
        case value(String)
    }

    package let source: PartnerEventSourceName
    /// By its name in the configuration.
    package let scheme: WebhookBatch.Scheme
    /// What is verified; nil for HTTP message signatures.
    package let described: WebhookScheme?
    package let mode: Mode
    /// Seconds that the signature may be old.
    package let toleranceSeconds: Int64
    package let detailType: Place
    /// The message's id; nil takes the content's digest for it.
    package let id: Place?
    package let time: Place?

    /// Keys in force at a time: two, so that one follows the other without a gap. Source: FEDERATION 2.
    package static let keysLimit = 2

    package init(
        source: PartnerEventSourceName, scheme: WebhookBatch.Scheme, described: WebhookScheme?, mode: Mode,
        toleranceSeconds: Int64, detailType: Place, id: Place?, time: Place?
    ) {
        precondition((described == nil) == (scheme == .messageSignature))
        self.source = source
        self.scheme = scheme
        self.described = described
        self.mode = mode
        self.toleranceSeconds = toleranceSeconds
        self.detailType = detailType
        self.id = id
        self.time = time
    }

    /// Whether who saw a request can send it again once its content is forgotten: the signature holds no time.
    package var isReplayable: Bool { described?.isReplayable ?? false }
}

/// A secret or public key of a webhook at rest: sealed, opened only to verify.
package struct WebhookSecret: Equatable, Sendable {
    /// `whk-` and 16 of `a–z 2–7`.
    package let id: String
    package let source: PartnerEventSourceName
    /// What a signature's `keyid` must say; nil takes any. For HTTP message signatures only.
    package let keyID: String?
    package let createdAt: Timestamp
    /// AES-256-GCM box over the text that the vendor shows, authenticating source and id.
    package let sealed: [UInt8]

    package init(
        id: String, source: PartnerEventSourceName, keyID: String?, createdAt: Timestamp, sealed: [UInt8]
    ) {
        self.id = id
        self.source = source
        self.keyID = keyID
        self.createdAt = createdAt
        self.sealed = sealed
    }

    /// What the box of a key authenticates: a box copied to another source or key does not open.
    package static func associatedData(_ source: PartnerEventSourceName, _ id: String) -> [UInt8] {
        Array("webhook-secret:\(source):\(id)".utf8)
    }

    var record: ControlRecord {
        var members: [JSONNode.Member] = [
            .init(key: "source", value: .string(source.description)),
            .init(key: "createdAt", value: .integer(createdAt.milliseconds)),
            .init(key: "sealed", value: .string(Hexadecimal.text(sealed))),
        ]
        if let keyID { members.append(.init(key: "keyId", value: .string(keyID))) }
        return ControlRecord(kind: .webhookSecret, key: id, value: JSONNode.object(members).bytes())
    }

    init(record: ControlRecord) throws(ControlStoreError) {
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: record.value) } catch {
            throw .unreadable(reason: "webhook secret `\(record.key)`: \(error)")
        }
        guard let source = node["source"]?.string.flatMap({ PartnerEventSourceName(parsing: $0) }),
            let created = node["createdAt"]?.int64,
            let sealed = node["sealed"]?.string.flatMap({ Hexadecimal.bytes(Array($0.utf8)) })
        else { throw .unreadable(reason: "webhook secret `\(record.key)`") }
        self.init(
            id: record.key, source: source, keyID: node["keyId"]?.string, createdAt: Timestamp(milliseconds: created),
            sealed: sealed)
    }
}
