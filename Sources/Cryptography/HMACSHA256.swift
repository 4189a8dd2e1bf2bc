import COpenSSL

/// HMAC-SHA-256 under one key. The two key pads are hashed once, at `init`; a value is kept and used from any thread.
///
/// The value holds key material: do not log it, and drop it when the key is disabled.
///
/// - Source: RFC 2104, RFC 4231.
package struct HMACSHA256: Sendable {
    private static let blockBytes = 64

    private let inner: SHA256_CTX
    private let outer: SHA256_CTX

    /// Prepares `key`, of any length; one longer than 64 bytes is hashed first (RFC 2104 § 2).
    package init(key: UnsafeRawBufferPointer) {
        (inner, outer) =
            key.count > Self.blockBytes ? SHA256.hash(key).withUnsafeBytes { Self.pads($0) } : Self.pads(key)
    }

    /// Prepares `key`, of any length.
    package init(key: [UInt8]) {
        self = key.withUnsafeBytes { HMACSHA256(key: $0) }
    }

    /// Prepares a key of 32 bytes, such as the previous step of a key derivation chain.
    package init(key: Digest) {
        (inner, outer) = key.withUnsafeBytes { Self.pads($0) }
    }

    /// The code of `message`.
    package func authenticate(_ message: UnsafeRawBufferPointer) -> Digest {
        var stream = begin()
        stream.update(message)
        return finalize(stream)
    }

    /// The code of `message`.
    package func authenticate(_ message: [UInt8]) -> Digest {
        message.withUnsafeBytes { authenticate($0) }
    }

    /// The code of `message`.
    package func authenticate(_ message: ArraySlice<UInt8>) -> Digest {
        message.withUnsafeBytes { authenticate($0) }
    }

    /// The code of `head` and `tail`, one behind the other, without a copy that holds both.
    package func authenticate(_ head: [UInt8], _ tail: [UInt8]) -> Digest {
        var stream = begin()
        stream.update(head)
        stream.update(tail)
        return finalize(stream)
    }

    /// Whether `code` is the code of `message`, compared in constant time.
    ///
    /// - Parameter code: any count; only 32 bytes can be right.
    package func isAuthentic(_ code: UnsafeRawBufferPointer, for message: UnsafeRawBufferPointer) -> Bool {
        authenticate(message).withUnsafeBytes { ConstantTime.isEqual($0, code) }
    }

    /// Starts a message that is fed in parts: update the hasher, then `finalize` it with the same key.
    package func begin() -> SHA256 { SHA256(resuming: inner) }

    /// The code of the message fed to `stream`, which `begin()` of this key returned.
    package func finalize(_ stream: consuming SHA256) -> Digest {
        var hasher = SHA256(resuming: outer)
        hasher.update(stream.finalize())
        return hasher.finalize()
    }

    /// The code of `message` under `key`, for a key used once.
    package static func authenticate(_ message: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> Digest {
        HMACSHA256(key: key).authenticate(message)
    }

    /// The code of `message` under `key`, for a key used once.
    package static func authenticate(_ message: [UInt8], key: [UInt8]) -> Digest {
        HMACSHA256(key: key).authenticate(message)
    }

    private static func pads(_ key: UnsafeRawBufferPointer) -> (inner: SHA256_CTX, outer: SHA256_CTX) {
        (pad(key, with: 0x36), pad(key, with: 0x5c))
    }

    private static func pad(_ key: UnsafeRawBufferPointer, with byte: UInt8) -> SHA256_CTX {
        var state = SHA256_CTX()
        _ = SHA256_Init(&state)
        withUnsafeTemporaryAllocation(byteCount: blockBytes, alignment: 8) { block in
            for index in 0..<blockBytes {
                block[index] = (index < key.count ? key[index] : 0) ^ byte
            }
            _ = SHA256_Update(&state, block.baseAddress, blockBytes)
            OPENSSL_cleanse(block.baseAddress, blockBytes)
        }
        return state
    }
}
