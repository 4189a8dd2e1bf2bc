package import Cryptography
import Domain
package import Identity
package import Registry
import Synchronization

/// Opens the secrets of access keys, once a key and snapshot, and makes new ones.
///
/// A secret lives in memory only while its key is in force: another snapshot drops what it no longer holds.
package final class AccessKeyRing: Sendable {
    private struct Opened {
        var revision: UInt64 = 0
        var records: [String: AccessKeyRecord] = [:]
    }

    private let box: AES256GCM
    private let opened = Mutex(Opened())

    /// Temporary credentials, whose secrets come sealed in their tokens.
    let sessions: SessionRing

    /// `key` seals secrets, `sessionKey` session tokens: 32 bytes each, derived from the gateway's master key.
    package init(key: [UInt8], sessionKey: [UInt8]) throws(CryptographyError) {
        box = try AES256GCM(key: key)
        sessions = try SessionRing(key: sessionKey)
    }

    /// The record of the credentials a request names: temporary ones by their token, all others by their id.
    func record(id: Bytes, token: Bytes?, in snapshot: Snapshot) -> AccessKeyRecord? {
        if let token, id.starts(with: SessionRing.idPrefix.utf8) {
            return sessions.record(id: id, token: token, in: snapshot)
        }
        return record(id: id.text, in: snapshot)
    }

    /// The record of a key that is in force, `nil` when it is unknown, disabled, of a principal that is no longer
    /// declared, or its box cannot be opened.
    package func record(id: String, in snapshot: Snapshot) -> AccessKeyRecord? {
        opened.withLock { opened in
            if opened.revision < snapshot.revision {
                opened.records = opened.records.filter { Self.inForce($0.key, snapshot) != nil }
                opened.revision = snapshot.revision
            }
            guard let key = Self.inForce(id, snapshot) else { return nil }
            if let record = opened.records[id] { return record }
            guard let secret = open(key) else { return nil }
            let record = AccessKeyRecord(id: id, principal: key.principal, secret: SecretBytes(secret))
            // A loop that has yet to take the newer snapshot leaves nothing behind.
            if opened.revision == snapshot.revision { opened.records[id] = record }
            return record
        }
    }

    /// Secrets in memory now.
    var openSecrets: Int { opened.withLock { $0.records.count } }

    /// The key of that id, unless it is disabled or its principal is declared no more.
    static func inForce(_ id: String, _ snapshot: Snapshot) -> AccessKey? {
        guard let key = snapshot.accessKeys[id], key.isEnabled, snapshot.declares(key.principal) else { return nil }
        return key
    }

    private func open(_ key: AccessKey) -> [UInt8]? {
        do throws(CryptographyError) {
            return try box.open(box: key.sealedSecret, authenticating: AccessKey.associatedData(key.id))
        } catch {
            return nil
        }
    }

    /// Seals another secret under the same key; `data` says what it is, and must be given again to open it.
    func seal(
        _ secret: [UInt8], authenticating data: [UInt8], random: RandomBytes
    ) throws(CryptographyError) -> [UInt8] {
        try box.seal(secret, authenticating: data, random: random)
    }

    /// Opens what `seal(_:authenticating:random:)` made.
    func open(box sealed: [UInt8], authenticating data: [UInt8]) throws(CryptographyError) -> [UInt8] {
        try box.open(box: sealed, authenticating: data)
    }

    /// Seals the secret of a new key for `id`.
    package func seal(_ secret: [UInt8], for id: String, random: RandomBytes) throws(CryptographyError) -> [UInt8] {
        try box.seal(secret, authenticating: AccessKey.associatedData(id), random: random)
    }
}
