import COpenSSL

/// SHA-512, one call or streaming, for `content-digest: sha-512` and Ed25519 vectors.
///
/// - Source: FIPS 180-4.
package struct SHA512: ~Copyable {
    /// Bytes in a digest: 64.
    package static let byteCount = 64

    private var state: SHA512_CTX

    /// An empty message.
    package init() {
        state = SHA512_CTX()
        _ = SHA512_Init(&state)
    }

    /// Appends `bytes` to the message.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        _ = SHA512_Update(&state, start, bytes.count)
    }

    /// The 64 bytes of the digest of everything appended.
    package consuming func finalize() -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Self.byteCount) { buffer, count in
            _ = SHA512_Final(buffer.baseAddress, &state)
            count = Self.byteCount
        }
    }

    /// The 64 bytes of the digest of `bytes`.
    package static func hash(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var hasher = SHA512()
        hasher.update(bytes)
        return hasher.finalize()
    }

    /// The 64 bytes of the digest of `bytes`.
    package static func hash(_ bytes: [UInt8]) -> [UInt8] {
        bytes.withUnsafeBytes { hash($0) }
    }
}
