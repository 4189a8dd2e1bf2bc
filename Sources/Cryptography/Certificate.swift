import COpenSSL

/// An X.509 certificate and everything identity rules ask of it, read once. Being parsed proves nothing: only a
/// `VerifiedChain` is evidence.
///
/// Sendable because the X509 is not changed after `init` (which makes OpenSSL decode the extensions it caches), its
/// reference count is atomic, and every stored property is a `let`.
package final class Certificate: @unchecked Sendable {
    /// The longest PEM text read at once: 4 MiB, some two thousand certificates.
    package static let pemBytesLimit = 4 << 20
    /// The longest DER read as one certificate: 100 KiB, what OpenSSL lets a peer send as a whole chain.
    package static let derBytesLimit = 100 * 1024

    let pointer: OpaquePointer

    /// SHA-256 of the DER.
    package let fingerprint: Digest
    /// SHA-256 of the DER SubjectPublicKeyInfo: what a pin holds.
    package let publicKeyFingerprint: Digest
    /// The serial number's magnitude, big-endian, at most 20 bytes when well formed (RFC 5280 § 4.1.2.2).
    package let serialNumber: [UInt8]
    /// The first second of validity, seconds since 1970.
    package let notBefore: Int64
    /// The last second of validity, seconds since 1970: a chain is refused after it (RFC 5280 § 4.1.2.5).
    package let notAfter: Int64
    /// What the subject alternative name extension holds.
    package let names: SubjectAlternativeNames
    /// The extensions that say what the key may be used for.
    package let usage: CertificateUsage

    /// Takes over one reference to `pointer`, an X509.
    ///
    /// - Throws: `.malformed(.certificate)` when a date or the key's encoding cannot be read.
    init(adopting pointer: OpaquePointer) throws(CryptographyError) {
        self.pointer = pointer
        OpenSSLErrorQueue.clear()
        defer { OpenSSLErrorQueue.clear() }
        var start: Int64 = 0
        var end: Int64 = 0
        let isDated =
            isthmus_ASN1_TIME_seconds(X509_get0_notBefore(pointer), &start) == 1
            && isthmus_ASN1_TIME_seconds(X509_get0_notAfter(pointer), &end) == 1
        usage = CertificateUsage(certificate: pointer)
        names = SubjectAlternativeNames(certificate: pointer)
        notBefore = start
        notAfter = end
        serialNumber = Self.bytes(of: X509_get0_serialNumber(pointer))
        fingerprint = SHA256.hash(OpenSSLBuffer.der { i2d_X509(pointer, $0) })
        let key = OpenSSLBuffer.der { i2d_X509_PUBKEY(X509_get_X509_PUBKEY(pointer), $0) }
        publicKeyFingerprint = SHA256.hash(key)
        if !isDated || key.isEmpty { throw .malformed(.certificate) }
    }

    deinit { X509_free(pointer) }

    /// The certificate in this DER, nothing after it.
    ///
    /// - Throws: `.malformed(.certificate)`, `.wrongLength(.certificate, …)`.
    package convenience init(der: [UInt8]) throws(CryptographyError) {
        guard der.count <= Self.derBytesLimit else {
            throw .wrongLength(.certificate, expected: Self.derBytesLimit, actual: der.count)
        }
        OpenSSLErrorQueue.clear()
        let pointer: OpaquePointer? = der.withUnsafeBufferPointer { bytes in
            var cursor = bytes.baseAddress
            guard let pointer = d2i_X509(nil, &cursor, bytes.count) else { return nil }
            if cursor == bytes.baseAddress! + bytes.count { return pointer }
            X509_free(pointer)
            return nil
        }
        guard let pointer else { throw OpenSSLErrorQueue.malformed(.certificate) }
        try self.init(adopting: pointer)
    }

    /// Every certificate in a PEM text, in order; other kinds of block are passed over.
    ///
    /// - Throws: `.malformed(.certificate)` when one is malformed or there is none; `.wrongLength(.certificate, …)`.
    package static func certificates(pem: [UInt8]) throws(CryptographyError) -> [Certificate] {
        guard pem.count <= pemBytesLimit else {
            throw .wrongLength(.certificate, expected: pemBytesLimit, actual: pem.count)
        }
        OpenSSLErrorQueue.clear()
        let pointers: [OpaquePointer]? = OpenSSLBuffer.reading(pem) { bio in
            var found: [OpaquePointer] = []
            while let next = PEM_read_bio_X509(bio, nil, isthmus_no_password, nil) { found.append(next) }
            return found
        }
        let isWhole = PEMReading.endedAtEnd()
        var certificates: [Certificate] = []
        var failure: CryptographyError?
        for pointer in pointers ?? [] {
            do throws(CryptographyError) {
                certificates.append(try Certificate(adopting: pointer))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        guard isWhole, !certificates.isEmpty else { throw .malformed(.certificate) }
        return certificates
    }

    /// The same certificate as an X509 another OpenSSL object owns; takes one reference more.
    ///
    /// - Throws: `.malformed(.certificate)`.
    package convenience init(sharing pointer: OpaquePointer) throws(CryptographyError) {
        X509_up_ref(pointer)
        try self.init(adopting: pointer)
    }

    /// Whether the key of `authority` made this certificate's signature. Of names, dates and usage it says nothing.
    package func isSigned(by authority: Certificate) -> Bool {
        OpenSSLErrorQueue.clear()
        defer { OpenSSLErrorQueue.clear() }
        return X509_verify(pointer, X509_get0_pubkey(authority.pointer)) == 1
    }

    /// Lends the X509 to the TLS engine, which shares the library.
    package func withOpenSSLCertificate<Result>(_ body: (OpaquePointer) -> Result) -> Result { body(pointer) }

    static func bytes(of string: UnsafePointer<ASN1_INTEGER>?) -> [UInt8] {
        [UInt8](UnsafeBufferPointer(start: ASN1_STRING_get0_data(string), count: Int(ASN1_STRING_length(string))))
    }
}

extension Certificate: Hashable {
    /// Whether both are the same bytes, by fingerprint.
    package static func == (left: Certificate, right: Certificate) -> Bool { left.fingerprint == right.fingerprint }

    package func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}

/// How a run of PEM blocks ended.
enum PEMReading {
    /// Whether the reader stopped because no block was left, not because one was bad; empties the error queue.
    static func endedAtEnd() -> Bool {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        return isthmus_ERR_is_no_start_line(code) == 1
    }
}
