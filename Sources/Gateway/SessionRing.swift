import Cryptography
import Domain
import Identity
import Registry
import Synchronization

/// Opens the session tokens of requests, each once as long as it is in use.
///
/// Direct-mapped by access key id: a newer token takes the slot of an older one, and only a token that was sealed here
/// takes one, so that no stranger fills or empties it. Whether the role still admits the session is looked at again
/// after each reload.
final class SessionRing: Sendable {
    /// A power of two: some 10 MiB when every token is as long as it may be.
    static let slotCount = 512
    /// What the id of temporary credentials begins with. Source: the IAM User Guide, unique identifiers.
    static let idPrefix = "ASIA"

    private struct Slot {
        let id: [UInt8]
        let token: [UInt8]
        let opened: SessionTokenCodec.Opened
        var generation: UInt64
        var record: AccessKeyRecord
    }

    private let codec: SessionTokenCodec
    private let slots: Mutex<[Slot?]>

    /// `key`: the 32-byte key that seals session tokens, derived from the gateway's master key.
    init(key: [UInt8]) throws(CryptographyError) {
        codec = try SessionTokenCodec(key: key)
        slots = Mutex(Array(repeating: nil, count: Self.slotCount))
    }

    /// The credentials that came with `token`; `nil` when it was not sealed here for `id`, or its role is gone.
    func record(id: Bytes, token: Bytes, in snapshot: Snapshot) -> AccessKeyRecord? {
        let place = Self.place(of: id)
        let held = slots.withLock { slots -> Slot? in
            guard let slot = slots[place], slot.id.elementsEqual(id) else { return nil }
            let isSame = token.withUnsafeBytes { sent in
                slot.token.withUnsafeBytes { ConstantTime.isEqual(sent, $0) }
            }
            return isSame ? slot : nil
        }
        if let held, held.generation == snapshot.generation { return held.record }
        guard let opened = held?.opened ?? codec.open(token, for: id) else { return nil }
        guard let record = Self.record(of: opened, id: id, token: token, in: snapshot) else { return nil }
        let slot = Slot(
            id: Array(id), token: Array(token), opened: opened, generation: snapshot.generation, record: record)
        slots.withLock { $0[place] = slot }
        return record
    }

    /// Tokens in memory now.
    var openTokens: Int { slots.withLock { $0.count { $0 != nil } } }

    /// The token that makes `session` the caller when `secret` signs under access key `id`.
    func token(
        of session: RoleSession, secret: SecretBytes, for id: String, random: RandomBytes
    ) throws(CryptographyError) -> [UInt8] {
        try codec.seal(session, secret: secret, for: id, random: random)
    }

    private static func record(
        of opened: SessionTokenCodec.Opened, id: Bytes, token: Bytes, in snapshot: Snapshot
    ) -> AccessKeyRecord? {
        let session = opened.session
        guard let role = snapshot.assumableRole(session.role.arn) else { return nil }
        return AccessKeyRecord(
            id: id.text, principal: session.principal, secret: opened.secret,
            session: .init(
                token: SecretBytes(Array(token)), expires: session.expiresAt, role: session,
                isRevoked: !role.admits(sessionIssuedAt: session.issuedAt)))
    }

    private static func place(of id: Bytes) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in id { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(slotCount - 1))
    }
}
