import COpenSSL

/// The kinds of asymmetric key this module knows.
package enum KeyKind: Hashable, Sendable {
    /// RFC 8032; signatures of 64 bytes.
    case ed25519
    /// ECDSA over P-256 with SHA-256; signatures of 64 bytes, r then s.
    case ecdsaP256
    /// ECDSA over another curve, by its OpenSSL short name: for certificates only.
    case ecdsa(curve: String)
    /// RSA with a modulus of so many bits: for certificates only.
    case rsa(bits: Int)
    /// Anything else, by OpenSSL's name.
    case other(String)

    init(_ key: OpaquePointer) {
        let name = EVP_PKEY_get0_type_name(key).map { String(cString: $0) } ?? ""
        switch name.uppercased() {
        case "ED25519": self = .ed25519
        case "RSA", "RSA-PSS": self = .rsa(bits: Int(EVP_PKEY_get_bits(key)))
        case "EC":
            let curve = Self.curve(of: key)
            self = curve == "prime256v1" ? .ecdsaP256 : .ecdsa(curve: curve)
        default: self = .other(name)
        }
    }

    private static func curve(of key: OpaquePointer) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 80) { name in
            var count = 0
            guard EVP_PKEY_get_group_name(key, name.baseAddress, name.count, &count) == 1 else { return "" }
            return String(cString: name.baseAddress!)
        }
    }
}

/// A public key, for verifying.
///
/// Sendable because an EVP_PKEY is not changed after it is made, and its reference count is atomic.
package final class PublicKey: @unchecked Sendable {
    /// Bytes of an Ed25519 or ECDSA P-256 signature as this module reads and writes it: 64.
    package static let signatureBytes = 64
    /// The longest PEM text or DER read as one key: 16 KiB, an RSA key of 16 384 bits with room to spare.
    package static let encodedBytesLimit = 16_384

    let key: OpaquePointer
    /// What the key can do.
    package let kind: KeyKind

    /// Takes over one reference to `key`.
    init(adopting key: OpaquePointer) {
        self.key = key
        kind = KeyKind(key)
    }

    deinit { EVP_PKEY_free(key) }

    /// The key in a PEM text (`BEGIN PUBLIC KEY`).
    ///
    /// - Throws: `.malformed(.publicKey)`, `.wrongLength(.publicKey, …)`.
    package convenience init(pem: [UInt8]) throws(CryptographyError) {
        try Self.checkLength(pem)
        OpenSSLErrorQueue.clear()
        let key = OpenSSLBuffer.reading(pem) { PEM_read_bio_PUBKEY($0, nil, isthmus_no_password, nil) }
        guard let key else { throw OpenSSLErrorQueue.malformed(.publicKey) }
        self.init(adopting: key)
    }

    /// The key in a DER SubjectPublicKeyInfo (RFC 5280 § 4.1.2.7), nothing after it.
    ///
    /// - Throws: `.malformed(.publicKey)`, `.wrongLength(.publicKey, …)`.
    package convenience init(der: [UInt8]) throws(CryptographyError) {
        try Self.checkLength(der)
        OpenSSLErrorQueue.clear()
        let key: OpaquePointer? = der.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            guard let key = d2i_PUBKEY(nil, &cursor, buffer.count) else { return nil }
            if cursor == buffer.baseAddress! + buffer.count { return key }
            EVP_PKEY_free(key)
            return nil
        }
        guard let key else { throw OpenSSLErrorQueue.malformed(.publicKey) }
        self.init(adopting: key)
    }

    /// The Ed25519 key of these 32 bytes (RFC 8032 § 5.1.5).
    ///
    /// - Throws: `.wrongLength(.publicKey, …)`, `.malformed(.publicKey)`.
    package convenience init(ed25519 bytes: [UInt8]) throws(CryptographyError) {
        guard bytes.count == 32 else { throw .wrongLength(.publicKey, expected: 32, actual: bytes.count) }
        OpenSSLErrorQueue.clear()
        guard let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count) else {
            throw OpenSSLErrorQueue.malformed(.publicKey)
        }
        self.init(adopting: key)
    }

    /// Whether `signature` (64 bytes) is this key's over `message`. False, never an error, for anything else.
    ///
    /// - Throws: `.unsupported(.publicKey)` unless the key is Ed25519 or ECDSA P-256.
    package func isValid(signature: [UInt8], for message: [UInt8]) throws(CryptographyError) -> Bool {
        guard kind == .ed25519 || kind == .ecdsaP256 else { throw .unsupported(.publicKey) }
        guard signature.count == Self.signatureBytes else { return false }
        OpenSSLErrorQueue.clear()
        defer { OpenSSLErrorQueue.clear() }
        guard let context = EVP_MD_CTX_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
        defer { EVP_MD_CTX_free(context) }
        let encoded = kind == .ed25519 ? signature : ECDSASignature.der(raw: signature)
        let digest = kind == .ed25519 ? nil : EVP_sha256()
        guard EVP_DigestVerifyInit(context, nil, digest, nil, key) == 1 else { return false }
        return EVP_DigestVerify(context, encoded, encoded.count, message, message.count) == 1
    }

    /// PEM text, `BEGIN PUBLIC KEY`.
    package func pem() throws(CryptographyError) -> [UInt8] {
        try OpenSSLBuffer.writing { PEM_write_bio_PUBKEY($0, key) }
    }

    /// DER SubjectPublicKeyInfo.
    package var der: [UInt8] { OpenSSLBuffer.der { i2d_PUBKEY(key, $0) } }

    /// SHA-256 of the DER SubjectPublicKeyInfo: what a pin holds (RFC 7469 § 2.4).
    package var fingerprint: Digest { SHA256.hash(der) }

    static func checkLength(_ bytes: [UInt8]) throws(CryptographyError) {
        guard bytes.count <= encodedBytesLimit else {
            throw .wrongLength(.publicKey, expected: encodedBytesLimit, actual: bytes.count)
        }
    }
}

/// A private key. Never printed; `pem()` is the one way out.
///
/// Sendable because an EVP_PKEY is not changed after it is made, and its reference count is atomic.
package final class PrivateKey: @unchecked Sendable {
    let key: OpaquePointer
    /// What the key can do.
    package let kind: KeyKind

    /// Takes over one reference to `key`.
    init(adopting key: OpaquePointer) {
        self.key = key
        kind = KeyKind(key)
    }

    deinit { EVP_PKEY_free(key) }

    /// A fresh key from OpenSSL's generator.
    ///
    /// - Parameter kind: `.ed25519` or `.ecdsaP256`.
    /// - Throws: `.unsupported(.privateKey)`, `.library(.generateKey, …)`.
    package static func generate(_ kind: KeyKind) throws(CryptographyError) -> PrivateKey {
        OpenSSLErrorQueue.clear()
        let key: OpaquePointer?
        switch kind {
        case .ecdsaP256: key = isthmus_EVP_EC_gen_P256()
        case .ed25519: key = generateEd25519()
        case .ecdsa, .rsa, .other: throw .unsupported(.privateKey)
        }
        guard let key else { throw OpenSSLErrorQueue.failure(.generateKey) }
        return PrivateKey(adopting: key)
    }

    /// The key in a PEM text: PKCS #8, SEC 1 or PKCS #1, not encrypted.
    ///
    /// - Throws: `.malformed(.privateKey)`, also for a key under a password; `.wrongLength(.privateKey, …)`.
    package convenience init(pem: [UInt8]) throws(CryptographyError) {
        guard pem.count <= PublicKey.encodedBytesLimit else {
            throw .wrongLength(.privateKey, expected: PublicKey.encodedBytesLimit, actual: pem.count)
        }
        OpenSSLErrorQueue.clear()
        let key = OpenSSLBuffer.reading(pem) { PEM_read_bio_PrivateKey($0, nil, isthmus_no_password, nil) }
        guard let key else { throw OpenSSLErrorQueue.malformed(.privateKey) }
        self.init(adopting: key)
    }

    /// The Ed25519 key of this 32-byte seed (RFC 8032 § 5.1.5).
    ///
    /// - Throws: `.wrongLength(.privateKey, …)`.
    package convenience init(ed25519 seed: [UInt8]) throws(CryptographyError) {
        guard seed.count == 32 else { throw .wrongLength(.privateKey, expected: 32, actual: seed.count) }
        OpenSSLErrorQueue.clear()
        guard let key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nil, seed, seed.count) else {
            throw OpenSSLErrorQueue.malformed(.privateKey)
        }
        self.init(adopting: key)
    }

    /// The signature of `message`: 64 bytes.
    ///
    /// - Throws: `.unsupported(.privateKey)` unless the key is Ed25519 or ECDSA P-256; `.library(.sign, …)`.
    package func signature(for message: [UInt8]) throws(CryptographyError) -> [UInt8] {
        guard kind == .ed25519 || kind == .ecdsaP256 else { throw .unsupported(.privateKey) }
        OpenSSLErrorQueue.clear()
        guard let context = EVP_MD_CTX_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
        defer { EVP_MD_CTX_free(context) }
        let digest = kind == .ed25519 ? nil : EVP_sha256()
        guard EVP_DigestSignInit(context, nil, digest, nil, key) == 1 else { throw OpenSSLErrorQueue.failure(.sign) }
        var count = Int(EVP_PKEY_get_size(key))
        var isSigned = false
        let encoded = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            isSigned = EVP_DigestSign(context, buffer.baseAddress, &count, message, message.count) == 1
            initialized = isSigned ? count : 0
        }
        guard isSigned else { throw OpenSSLErrorQueue.failure(.sign) }
        if kind == .ed25519 { return encoded }
        guard let raw = ECDSASignature.raw(der: encoded) else { throw .library(.sign, code: 0) }
        return raw
    }

    /// The public half.
    package func publicKey() throws(CryptographyError) -> PublicKey {
        try PublicKey(der: OpenSSLBuffer.der { i2d_PUBKEY(key, $0) })
    }

    /// PEM text, PKCS #8 without a password. The caller stores it with mode 0600.
    package func pem() throws(CryptographyError) -> [UInt8] {
        try OpenSSLBuffer.writing { PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) }
    }

    /// Lends the EVP_PKEY to the TLS engine, which shares the library.
    package func withOpenSSLKey<Result>(_ body: (OpaquePointer) -> Result) -> Result { body(key) }

    private static func generateEd25519() -> OpaquePointer? {
        guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil) else { return nil }
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1 else { return nil }
        return key
    }
}

/// ECDSA signatures in their two forms: DER for OpenSSL, r then s (32 bytes each) on the wire (RFC 9421 § 3.3.4).
private enum ECDSASignature {
    static func der(raw: [UInt8]) -> [UInt8] {
        guard let signature = ECDSA_SIG_new() else { return [] }
        defer { ECDSA_SIG_free(signature) }
        let isSet = raw.withUnsafeBufferPointer { bytes in
            ECDSA_SIG_set0(
                signature, BN_bin2bn(bytes.baseAddress, 32, nil), BN_bin2bn(bytes.baseAddress! + 32, 32, nil))
        }
        return isSet == 1 ? OpenSSLBuffer.der { i2d_ECDSA_SIG(signature, $0) } : []
    }

    static func raw(der: [UInt8]) -> [UInt8]? {
        der.withUnsafeBufferPointer { bytes in
            var cursor = bytes.baseAddress
            guard let signature = d2i_ECDSA_SIG(nil, &cursor, bytes.count) else { return nil }
            defer { ECDSA_SIG_free(signature) }
            var output = [UInt8](repeating: 0, count: PublicKey.signatureBytes)
            let isWritten = output.withUnsafeMutableBufferPointer { target in
                BN_bn2binpad(ECDSA_SIG_get0_r(signature), target.baseAddress, 32) == 32
                    && BN_bn2binpad(ECDSA_SIG_get0_s(signature), target.baseAddress! + 32, 32) == 32
            }
            return isWritten ? output : nil
        }
    }
}
