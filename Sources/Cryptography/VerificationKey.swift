import COpenSSL

/// The asymmetric algorithms of HTTP message signatures, by their registered names.
///
/// - Source: RFC 9421 § 3.3, https://www.iana.org/assignments/http-message-signature
package enum SignatureAlgorithm: String, Hashable, Sendable, CaseIterable {
    case rsaPSSSHA512 = "rsa-pss-sha512"
    case rsaV15SHA256 = "rsa-v1_5-sha256"
    case ecdsaP256SHA256 = "ecdsa-p256-sha256"
    case ecdsaP384SHA384 = "ecdsa-p384-sha384"
    case ed25519
}

/// A public key of any kind that signs HTTP messages; verifies only, and only by an algorithm that fits the key.
///
/// Sendable because the key it holds is.
package final class VerificationKey: Sendable {
    /// The RSA moduli taken, in bits: less is weak (NIST SP 800-131A), more makes each forged request dear.
    package static let rsaBits = 2048...8192

    private let key: PublicKey

    /// The key in a PEM text: `BEGIN PUBLIC KEY`, or PKCS #1's `BEGIN RSA PUBLIC KEY`.
    ///
    /// - Throws: `.malformed(.publicKey)`, `.wrongLength(.publicKey, …)`; `.unsupported(.publicKey)` for a key that no
    ///   algorithm here uses, and an RSA key outside `rsaBits`.
    package init(pem: [UInt8]) throws(CryptographyError) {
        try PublicKey.checkLength(pem)
        OpenSSLErrorQueue.clear()
        guard let key = OpenSSLBuffer.reading(pem, Self.readKey) else { throw OpenSSLErrorQueue.malformed(.publicKey) }
        self.key = PublicKey(adopting: key)
        if algorithms.isEmpty { throw .unsupported(.publicKey) }
    }

    /// The Ed25519 key of these 32 bytes (RFC 8032 § 5.1.5).
    ///
    /// - Throws: `.wrongLength(.publicKey, …)`, `.malformed(.publicKey)`.
    package init(ed25519 bytes: [UInt8]) throws(CryptographyError) {
        key = try PublicKey(ed25519: bytes)
    }

    /// What the key can verify; two for RSA, one for the others, none for an RSA key outside `rsaBits`.
    package var algorithms: [SignatureAlgorithm] {
        switch key.kind {
        case .ed25519: [.ed25519]
        case .ecdsaP256: [.ecdsaP256SHA256]
        case .ecdsa(let curve): curve == "secp384r1" ? [.ecdsaP384SHA384] : []
        case .rsa(let bits): Self.rsaBits.contains(bits) ? [.rsaPSSSHA512, .rsaV15SHA256] : []
        case .other: []
        }
    }

    /// Whether `signature` is this key's over `message`. False, never an error, for anything else.
    ///
    /// - Parameter signature: ECDSA as r then s (RFC 9421 §§ 3.3.4, 3.3.5); the others as their standards have them.
    /// - Throws: `.unsupported(.publicKey)` when `algorithm` is none of the key's; `.library(.allocate, …)`.
    package func isValid(
        signature: [UInt8], for message: [UInt8], by algorithm: SignatureAlgorithm
    ) throws(CryptographyError) -> Bool {
        guard algorithms.contains(algorithm) else { throw .unsupported(.publicKey) }
        switch algorithm {
        case .ed25519: return try verify(signature, message, digest: nil)
        case .rsaPSSSHA512: return try verify(signature, message, digest: EVP_sha512(), saltBytes: 64)
        case .rsaV15SHA256: return try verify(signature, message, digest: EVP_sha256())
        case .ecdsaP256SHA256: return try verifyPair(signature, message, digest: EVP_sha256(), halfBytes: 32)
        case .ecdsaP384SHA384: return try verifyPair(signature, message, digest: EVP_sha384(), halfBytes: 48)
        }
    }

    private func verifyPair(
        _ signature: [UInt8], _ message: [UInt8], digest: OpaquePointer?, halfBytes: Int
    ) throws(CryptographyError) -> Bool {
        guard signature.count == 2 * halfBytes, let encoded = Self.der(signature, halfBytes) else { return false }
        return try verify(encoded, message, digest: digest)
    }

    /// - Parameter saltBytes: for RSA-PSS (RFC 9421 § 3.3.1, with MGF1 over the same digest); nil for the others.
    private func verify(
        _ signature: [UInt8], _ message: [UInt8], digest: OpaquePointer?, saltBytes: Int32? = nil
    ) throws(CryptographyError) -> Bool {
        OpenSSLErrorQueue.clear()
        defer { OpenSSLErrorQueue.clear() }
        guard let context = EVP_MD_CTX_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
        defer { EVP_MD_CTX_free(context) }
        var keyContext: OpaquePointer?
        guard EVP_DigestVerifyInit(context, &keyContext, digest, nil, key.key) == 1 else { return false }
        if let saltBytes {
            guard EVP_PKEY_CTX_set_rsa_padding(keyContext, RSA_PKCS1_PSS_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_mgf1_md(keyContext, digest) == 1,
                EVP_PKEY_CTX_set_rsa_pss_saltlen(keyContext, saltBytes) == 1
            else { return false }
        }
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    private static func readKey(_ bio: OpaquePointer) -> OpaquePointer? {
        var name: UnsafeMutablePointer<CChar>?
        var header: UnsafeMutablePointer<CChar>?
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard PEM_read_bio(bio, &name, &header, &bytes, &count) == 1 else { return nil }
        defer {
            isthmus_OPENSSL_free(name)
            isthmus_OPENSSL_free(header)
            isthmus_OPENSSL_free(bytes)
        }
        guard let name, let bytes else { return nil }
        var cursor: UnsafePointer<UInt8>? = UnsafePointer(bytes)
        let key: OpaquePointer?
        switch String(cString: name) {
        case "PUBLIC KEY": key = d2i_PUBKEY(nil, &cursor, count)
        case "RSA PUBLIC KEY": key = d2i_PublicKey(EVP_PKEY_RSA, nil, &cursor, count)
        default: key = nil
        }
        guard let key else { return nil }
        if cursor == UnsafePointer(bytes) + count { return key }
        EVP_PKEY_free(key)
        return nil
    }

    /// The DER form of an ECDSA signature given as r then s, or nil without memory.
    private static func der(_ raw: [UInt8], _ halfBytes: Int) -> [UInt8]? {
        guard let signature = ECDSA_SIG_new() else { return nil }
        defer { ECDSA_SIG_free(signature) }
        let isSet = raw.withUnsafeBufferPointer { bytes in
            guard let start = bytes.baseAddress else { return false }
            return ECDSA_SIG_set0(
                signature, BN_bin2bn(start, Int32(halfBytes), nil), BN_bin2bn(start + halfBytes, Int32(halfBytes), nil))
                == 1
        }
        return isSet ? OpenSSLBuffer.der { i2d_ECDSA_SIG(signature, $0) } : nil
    }
}
