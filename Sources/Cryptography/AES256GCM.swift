import COpenSSL

/// Authenticated encryption under one 256-bit key. Seals with a nonce the caller must never repeat under this key; with
/// random nonces a key is good for 2^32 boxes.
///
/// - Source: NIST SP 800-38D; docs.openssl.org EVP_EncryptInit(3).
package struct AES256GCM: Sendable {
    /// Bytes of a key: 32.
    package static let keyBytes = 32
    /// Bytes of a nonce: 12 (SP 800-38D § 8.2).
    package static let nonceBytes = 12
    /// Bytes of the tag that a box ends with: 16.
    package static let tagBytes = 16
    /// The most that is sealed in one box, 1 GiB; far below the 2^36 - 32 bytes of the mode.
    package static let plaintextBytesLimit = 1 << 30

    private let key: [UInt8]

    /// Takes a key of 32 bytes.
    ///
    /// - Throws: `.wrongLength(.key, …)`.
    package init(key: [UInt8]) throws(CryptographyError) {
        guard key.count == Self.keyBytes else {
            throw .wrongLength(.key, expected: Self.keyBytes, actual: key.count)
        }
        self.key = key
    }

    /// A fresh nonce, ciphertext and tag in one array: what `open(box:authenticating:)` takes.
    package func seal(
        _ plaintext: [UInt8], authenticating additional: [UInt8], random: RandomBytes
    ) throws(CryptographyError) -> [UInt8] {
        let nonce = try random.bytes(Self.nonceBytes)
        return nonce + (try seal(plaintext, nonce: nonce, authenticating: additional))
    }

    /// The plaintext of a box that `seal(_:authenticating:random:)` made under this key with the same `additional`.
    ///
    /// - Throws: `.notAuthentic`, also when shorter than a nonce and a tag.
    package func open(box: [UInt8], authenticating additional: [UInt8]) throws(CryptographyError) -> [UInt8] {
        guard box.count >= Self.nonceBytes + Self.tagBytes else { throw .notAuthentic }
        return try open(
            Array(box[Self.nonceBytes...]), nonce: Array(box[..<Self.nonceBytes]), authenticating: additional)
    }

    /// The ciphertext of `plaintext` followed by its tag.
    ///
    /// - Throws: `.wrongLength(.nonce, …)`, `.wrongLength(.plaintext, …)`.
    package func seal(
        _ plaintext: [UInt8], nonce: [UInt8], authenticating additional: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        guard plaintext.count <= Self.plaintextBytesLimit else {
            throw .wrongLength(.plaintext, expected: Self.plaintextBytesLimit, actual: plaintext.count)
        }
        let context = try Self.begin(key: key, nonce: nonce, additional: additional, sealing: true)
        defer { EVP_CIPHER_CTX_free(context) }
        var isSealed = false
        let output = [UInt8](unsafeUninitializedCapacity: plaintext.count + Self.tagBytes) { buffer, count in
            var written: Int32 = 0
            var trailing: Int32 = 0
            let tag = buffer.baseAddress! + plaintext.count
            isSealed =
                EVP_EncryptUpdate(context, buffer.baseAddress, &written, plaintext, Int32(plaintext.count)) == 1
                && EVP_EncryptFinal_ex(context, tag, &trailing) == 1
                && isthmus_EVP_CIPHER_CTX_get_tag(context, Int32(Self.tagBytes), tag) == 1
            count = isSealed ? plaintext.count + Self.tagBytes : 0
        }
        if !isSealed { throw OpenSSLErrorQueue.failure(.encrypt) }
        return output
    }

    /// The plaintext of `sealed` (ciphertext, then tag). Nothing is returned unless the tag matches.
    ///
    /// - Throws: `.notAuthentic`; `.wrongLength(.nonce, …)`.
    package func open(
        _ sealed: [UInt8], nonce: [UInt8], authenticating additional: [UInt8]
    ) throws(CryptographyError) -> [UInt8] {
        guard sealed.count >= Self.tagBytes, sealed.count <= Self.plaintextBytesLimit + Self.tagBytes else {
            throw .notAuthentic
        }
        let count = sealed.count - Self.tagBytes
        let context = try Self.begin(key: key, nonce: nonce, additional: additional, sealing: false)
        defer { EVP_CIPHER_CTX_free(context) }
        var isAuthentic = false
        let output = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            isAuthentic = sealed.withUnsafeBufferPointer { input in
                var written: Int32 = 0
                var trailing: Int32 = 0
                return isthmus_EVP_CIPHER_CTX_set_tag(context, Int32(Self.tagBytes), input.baseAddress! + count) == 1
                    && EVP_DecryptUpdate(context, buffer.baseAddress, &written, input.baseAddress, Int32(count)) == 1
                    && EVP_DecryptFinal_ex(context, buffer.baseAddress, &trailing) == 1
            }
            if !isAuthentic { OPENSSL_cleanse(buffer.baseAddress, count) }
            initialized = isAuthentic ? count : 0
        }
        if !isAuthentic {
            OpenSSLErrorQueue.clear()
            throw .notAuthentic
        }
        return output
    }

    private static func begin(
        key: [UInt8], nonce: [UInt8], additional: [UInt8], sealing: Bool
    ) throws(CryptographyError) -> OpaquePointer {
        guard nonce.count == nonceBytes else {
            throw .wrongLength(.nonce, expected: nonceBytes, actual: nonce.count)
        }
        OpenSSLErrorQueue.clear()
        guard let context = EVP_CIPHER_CTX_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
        var written: Int32 = 0
        let isReady =
            EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce, sealing ? 1 : 0) == 1
            && (additional.isEmpty
                || EVP_CipherUpdate(context, nil, &written, additional, Int32(additional.count)) == 1)
        if !isReady {
            EVP_CIPHER_CTX_free(context)
            throw OpenSSLErrorQueue.failure(.encrypt)
        }
        return context
    }
}
