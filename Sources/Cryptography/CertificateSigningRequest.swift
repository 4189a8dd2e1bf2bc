import COpenSSL

/// A request that an authority sign a key, signed by that key (PKCS #10, RFC 2986). The name it asks for is a wish:
/// whoever issues decides what the certificate says.
package struct CertificateSigningRequest: Sendable {
    /// The longest request read: 64 KiB.
    package static let bytesLimit = 64 * 1024

    /// The key, whose holder signed the request.
    package let publicKey: PublicKey
    /// The subject asked for, for people, escaped.
    package let subject: String
    private let encoded: [UInt8]

    /// Makes a request for `key`.
    ///
    /// - Parameter name: the common name, 1 … 64 bytes.
    package init(name: String, key: PrivateKey) throws(CryptographyError) {
        OpenSSLErrorQueue.clear()
        guard let request = X509_REQ_new() else { throw OpenSSLErrorQueue.failure(.allocate) }
        defer { X509_REQ_free(request) }
        let subject = try CertificateBuilder.name(name)
        defer { X509_NAME_free(subject) }
        let isSigned =
            X509_REQ_set_version(request, 0) == 1 && X509_REQ_set_subject_name(request, subject) == 1
            && X509_REQ_set_pubkey(request, key.key) == 1
            && X509_REQ_sign(request, key.key, key.kind == .ed25519 ? nil : EVP_sha256()) > 0
        guard isSigned else { throw OpenSSLErrorQueue.failure(.sign) }
        try self.init(pem: OpenSSLBuffer.writing { PEM_write_bio_X509_REQ($0, request) })
    }

    /// Reads a request and checks that its key signed it.
    ///
    /// - Throws: `.malformed(.signingRequest)`, `.wrongLength(.signingRequest, …)`, `.malformed(.signature)`,
    ///   `.unsupported(.publicKey)` unless the key is Ed25519 or P-256.
    package init(pem: [UInt8]) throws(CryptographyError) {
        guard pem.count <= Self.bytesLimit else {
            throw .wrongLength(.signingRequest, expected: Self.bytesLimit, actual: pem.count)
        }
        OpenSSLErrorQueue.clear()
        let read = OpenSSLBuffer.reading(pem) { PEM_read_bio_X509_REQ($0, nil, isthmus_no_password, nil) }
        guard let request = read else { throw OpenSSLErrorQueue.malformed(.signingRequest) }
        defer { X509_REQ_free(request) }
        guard let key = X509_REQ_get_pubkey(request) else { throw OpenSSLErrorQueue.malformed(.publicKey) }
        publicKey = PublicKey(adopting: key)
        guard publicKey.kind == .ecdsaP256 || publicKey.kind == .ed25519 else { throw .unsupported(.publicKey) }
        guard X509_REQ_verify(request, key) == 1 else { throw OpenSSLErrorQueue.malformed(.signature) }
        subject = Certificate.text(of: X509_REQ_get_subject_name(request))
        encoded = pem
    }

    /// PEM text, `BEGIN CERTIFICATE REQUEST`.
    package var pem: [UInt8] { encoded }
}
