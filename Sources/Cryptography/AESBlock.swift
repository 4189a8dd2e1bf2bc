import COpenSSL
import Synchronization

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

/// A keyed permutation of 128-bit blocks (AES, each block on its own, no mode), both directions. Distinct inputs give
/// distinct outputs, which look random without the key; it does not hide equal inputs and is not a way to encrypt
/// messages.
///
/// Use it from any thread: calls take turns. Through EVP, for only that uses the processor's AES instructions (OpenSSL
/// 3.0's `AES_encrypt` takes 1,900 instructions a block). Nothing is allocated per call.
///
/// - Source: FIPS 197; docs.openssl.org EVP_EncryptInit(3).
package final class AESBlock: Sendable {
    /// A cipher's state, freed with it. `@unchecked Sendable`: touched under the lock of its owner only.
    private struct Context: ~Copyable, @unchecked Sendable {
        let pointer: OpaquePointer

        init(key: [UInt8], encrypting: Bool) throws(CryptographyError) {
            OpenSSLErrorQueue.clear()
            guard let pointer = EVP_CIPHER_CTX_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
            let cipher = key.count == 16 ? EVP_aes_128_ecb() : EVP_aes_256_ecb()
            guard EVP_CipherInit_ex(pointer, cipher, nil, key, nil, encrypting ? 1 : 0) == 1,
                EVP_CIPHER_CTX_set_padding(pointer, 0) == 1
            else {
                EVP_CIPHER_CTX_free(pointer)
                throw OpenSSLErrorQueue.failure(.encrypt)
            }
            self.pointer = pointer
        }

        init(copying other: borrowing Context) throws(CryptographyError) {
            OpenSSLErrorQueue.clear()
            guard let pointer = EVP_CIPHER_CTX_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
            guard EVP_CIPHER_CTX_copy(pointer, other.pointer) == 1 else {
                EVP_CIPHER_CTX_free(pointer)
                throw OpenSSLErrorQueue.failure(.encrypt)
            }
            self.pointer = pointer
        }

        deinit { EVP_CIPHER_CTX_free(pointer) }
    }

    private let encryption: Mutex<Context>
    private let decryption: Mutex<Context>

    /// Expands a key.
    ///
    /// - Parameter key: 16 bytes (AES-128) or 32 (AES-256).
    /// - Throws: `.wrongLength(.key, …)`.
    package init(key: [UInt8]) throws(CryptographyError) {
        guard key.count == 16 || key.count == 32 else {
            throw .wrongLength(.key, expected: 32, actual: key.count)
        }
        encryption = Mutex(try Context(key: key, encrypting: true))
        decryption = Mutex(try Context(key: key, encrypting: false))
    }

    private init(copying other: AESBlock) throws(CryptographyError) {
        encryption = Mutex(
            try other.encryption.withLock { (context) throws(CryptographyError) in try Context(copying: context) })
        decryption = Mutex(
            try other.decryption.withLock { (context) throws(CryptographyError) in try Context(copying: context) })
    }

    /// The same permutation with a state of its own, for a thread that shall not wait for others.
    ///
    /// - Throws: `.library(…)` when OpenSSL is out of memory.
    package func duplicate() throws(CryptographyError) -> AESBlock { try AESBlock(copying: self) }

    /// Replaces each block by its image.
    package func encrypt(_ blocks: UnsafeMutableBufferPointer<Block128>) {
        encryption.withLock { Self.apply($0.pointer, blocks) }
    }

    /// The image of `block`.
    package func encrypt(_ block: Block128) -> Block128 {
        var image = block
        withUnsafeMutablePointer(to: &image) { encrypt(UnsafeMutableBufferPointer(start: $0, count: 1)) }
        return image
    }

    /// The block whose image is `block`.
    package func decrypt(_ block: Block128) -> Block128 {
        var image = block
        withUnsafeMutablePointer(to: &image) { image in
            decryption.withLock { Self.apply($0.pointer, UnsafeMutableBufferPointer(start: image, count: 1)) }
        }
        return image
    }

    private static func apply(_ context: OpaquePointer, _ blocks: UnsafeMutableBufferPointer<Block128>) {
        let bytes = UnsafeMutableRawBufferPointer(blocks)
        guard let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        var written: Int32 = 0
        let isDone = EVP_CipherUpdate(context, start, &written, start, Int32(bytes.count))
        precondition(isDone == 1 && Int(written) == bytes.count, "AES without a mode cannot fail on whole blocks")
    }
}
