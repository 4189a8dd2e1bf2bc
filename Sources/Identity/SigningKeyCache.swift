import Cryptography

/// Signing keys by credential (access key id, date, Region, service), so that a caller's second request of a day costs
/// one HMAC and not five.
///
/// Direct-mapped: a newer key takes the slot of an older one. A slot serves only while the secret it was made from is
/// still the one on record, and all slots are wiped when the day changes; so a key lives at most 24 h here.
/// One thread owns a cache.
struct SigningKeyCache {
    private struct Slot {
        let credential: [UInt8]
        let version: SecretBytes
        let key: HMACSHA256
    }

    /// A power of two: 256 KiB when full.
    static let slotCount = 512

    private var slots: [Slot?] = []
    private var day: Int64 = .min

    /// Wipes everything made on another day. `day` counts from 1970.
    mutating func begin(day today: Int64) {
        guard today != day else { return }
        day = today
        wipe()
    }

    /// Wipes every key.
    mutating func wipe() { slots.removeAll() }

    /// Wipes the keys of one access key id.
    mutating func wipe(accessKeyID: some Collection<UInt8>) {
        for index in slots.indices {
            guard let credential = slots[index]?.credential else { continue }
            if credential.starts(with: accessKeyID), credential.dropFirst(accessKeyID.count).first == UInt8(ascii: "/")
            {
                slots[index] = nil
            }
        }
    }

    /// Wipes the key of one credential, as when its access key is found disabled.
    mutating func wipe(_ authorization: SigV4Authorization, in bytes: UnsafeBufferPointer<UInt8>) {
        guard !slots.isEmpty else { return }
        let credential = credential(authorization, in: bytes)
        let index = slotIndex(credential)
        if let slot = slots[index], credential.isSame(as: slot.credential) { slots[index] = nil }
    }

    /// The key that signs under `authorization`, derived when it is not at hand; nil when the secret cannot be opened.
    mutating func key(
        for authorization: SigV4Authorization, in bytes: UnsafeBufferPointer<UInt8>, of record: AccessKeyRecord
    ) -> HMACSHA256? {
        let credential = credential(authorization, in: bytes)
        let index = slotIndex(credential)
        if slots.isEmpty { slots = Array(repeating: nil, count: Self.slotCount) }
        if let slot = slots[index], credential.isSame(as: slot.credential),
            ConstantTime.isEqual(slot.version.bytes, record.version.bytes)
        {
            return slot.key
        }
        guard let secret = record.openSecret() else { return nil }
        let key = Self.derive(authorization, in: bytes, secret: secret.bytes)
        slots[index] = Slot(credential: Array(credential), version: record.version, key: key)
        return key
    }

    private func credential(
        _ authorization: SigV4Authorization, in bytes: UnsafeBufferPointer<UInt8>
    ) -> UnsafeBufferPointer<UInt8> {
        bytes.part(authorization.accessKeyID.lowerBound..<authorization.terminator.upperBound)
    }

    private func slotIndex(_ credential: UnsafeBufferPointer<UInt8>) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in credential { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return Int(truncatingIfNeeded: (hash ^ hash >> 32) & UInt64(Self.slotCount - 1))
    }

    /// `HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request")`.
    ///
    /// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    static func derive(
        _ authorization: SigV4Authorization, in bytes: UnsafeBufferPointer<UInt8>, secret: [UInt8]
    ) -> HMACSHA256 {
        var key = HMACSHA256(key: Array("AWS4".utf8) + secret)
        for part in [authorization.date, authorization.region, authorization.service, authorization.terminator] {
            key = HMACSHA256(
                key: key.authenticate(UnsafeRawBufferPointer(bytes.part(part))))
        }
        return key
    }
}
