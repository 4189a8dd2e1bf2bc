import COpenSSL

/// Sixteen bytes, the block of AES, as two words in memory order.
package struct Block128: Hashable, Sendable {
    /// Bytes 0 … 7 as they lie in memory.
    package var first: UInt64
    /// Bytes 8 … 15 as they lie in memory.
    package var second: UInt64

    /// The block of these two words.
    package init(first: UInt64, second: UInt64) {
        self.first = first
        self.second = second
    }
}

/// A keyed permutation of 128-bit blocks (AES, one block, no mode), both directions. Distinct inputs give distinct
/// outputs,
/// which look random without the key; it does not hide equal inputs and is not a way to encrypt messages.
///
/// The schedules are held inline (488 bytes) and only read: use it from any thread. Nothing is allocated per block.
///
/// - Source: FIPS 197.
package struct AESBlock: Sendable {
    private let encryption: AES_KEY
    private let decryption: AES_KEY

    /// Expands a key.
    ///
    /// - Parameter key: 16 bytes (AES-128) or 32 (AES-256).
    /// - Throws: `.wrongLength(.key, …)`.
    package init(key: [UInt8]) throws(CryptographyError) {
        guard key.count == 16 || key.count == 32 else {
            throw .wrongLength(.key, expected: 32, actual: key.count)
        }
        var forward = AES_KEY()
        var backward = AES_KEY()
        let bits = Int32(key.count * 8)
        let isExpanded = AES_set_encrypt_key(key, bits, &forward) == 0 && AES_set_decrypt_key(key, bits, &backward) == 0
        guard isExpanded else { throw .malformed(.key) }
        encryption = forward
        decryption = backward
    }

    /// The image of `block`.
    package func encrypt(_ block: Block128) -> Block128 {
        var input = block
        var output = Block128(first: 0, second: 0)
        withUnsafePointer(to: encryption) { key in Self.apply(&input, &output) { AES_encrypt($0, $1, key) } }
        return output
    }

    /// The block whose image is `block`.
    package func decrypt(_ block: Block128) -> Block128 {
        var input = block
        var output = Block128(first: 0, second: 0)
        withUnsafePointer(to: decryption) { key in Self.apply(&input, &output) { AES_decrypt($0, $1, key) } }
        return output
    }

    @inline(__always)
    private static func apply(
        _ input: inout Block128, _ output: inout Block128,
        _ cipher: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt8>) -> Void
    ) {
        withUnsafeBytes(of: &input) { source in
            withUnsafeMutableBytes(of: &output) { target in
                cipher(
                    source.baseAddress!.assumingMemoryBound(to: UInt8.self),
                    target.baseAddress!.assumingMemoryBound(to: UInt8.self))
            }
        }
    }
}
