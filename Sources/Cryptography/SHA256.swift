import COpenSSL

/// SHA-256, one call or streaming. Nothing is allocated: the state is 112 bytes inside the value.
///
/// - Source: FIPS 180-4.
package struct SHA256: ~Copyable {
    private var state: SHA256_CTX

    /// An empty message.
    package init() {
        state = SHA256_CTX()
        _ = SHA256_Init(&state)
    }

    /// Starts from a saved state, as HMAC does from its key pads.
    init(resuming saved: SHA256_CTX) { state = saved }

    /// Appends `bytes` to the message.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        _ = SHA256_Update(&state, start, bytes.count)
    }

    /// Appends `bytes` to the message.
    package mutating func update(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Appends `bytes` to the message.
    package mutating func update(_ bytes: ArraySlice<UInt8>) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Appends the bytes of a literal, such as a label that keeps two uses of one key apart.
    package mutating func update(_ text: StaticString) {
        update(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends one byte, as the domain separators of a Merkle tree are (RFC 9162 § 2.1.1).
    package mutating func update(byte: UInt8) {
        withUnsafeBytes(of: byte) { update($0) }
    }

    /// Appends the 32 bytes of `digest`.
    package mutating func update(_ digest: Digest) {
        digest.withUnsafeBytes { update($0) }
    }

    /// The digest of everything appended.
    package consuming func finalize() -> Digest {
        Digest.make { output in _ = SHA256_Final(output, &state) }
    }

    /// The digest of `bytes`.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> Digest {
        var hasher = SHA256()
        hasher.update(bytes)
        return hasher.finalize()
    }

    /// The digest of `bytes`.
    package static func hash(_ bytes: [UInt8]) -> Digest {
        bytes.withUnsafeBytes { hash($0) }
    }

    /// The digest of `bytes`.
    package static func hash(_ bytes: ArraySlice<UInt8>) -> Digest {
        bytes.withUnsafeBytes { hash($0) }
    }
}
