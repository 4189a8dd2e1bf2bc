import COpenSSL

/// A certificate revocation list (RFC 5280 § 5): serial numbers an authority took back. Parsed, not yet believed:
/// `CertificateStore` checks the signature.
///
/// Sendable because the X509_CRL is not changed after `init` (which sorts its entries), its reference count is atomic,
/// and every stored property is a `let`.
package final class CertificateRevocationList: @unchecked Sendable {
    /// The longest list read, PEM or DER: 64 MiB, more than a million entries.
    package static let bytesLimit = 64 << 20

    let pointer: OpaquePointer

    /// When the list was made, seconds since 1970.
    package let thisUpdate: Int64
    /// When the next list is due, seconds since 1970; nil breaks RFC 5280 § 5.1.2.5 and is never fresh.
    package let nextUpdate: Int64?
    /// The list's number, big-endian; empty when absent.
    package let number: [UInt8]
    /// How many certificates are revoked.
    package let count: Int
    /// Whether the list is whole: no delta, no issuing distribution point, no unknown critical extension. Only whole
    /// lists are used.
    package let isComplete: Bool

    /// Takes over one reference to `pointer`, an X509_CRL.
    init(adopting pointer: OpaquePointer) throws(CryptographyError) {
        self.pointer = pointer
        OpenSSLErrorQueue.clear()
        defer { OpenSSLErrorQueue.clear() }
        var made: Int64 = 0
        var due: Int64 = 0
        let isDated = isthmus_ASN1_TIME_seconds(X509_CRL_get0_lastUpdate(pointer), &made) == 1
        let hasNext = isthmus_ASN1_TIME_seconds(X509_CRL_get0_nextUpdate(pointer), &due) == 1
        thisUpdate = made
        nextUpdate = hasNext ? due : nil
        number = Self.number(of: pointer)
        count = Int(isthmus_X509_CRL_entries(pointer))
        isComplete = Self.isComplete(pointer)
        isthmus_X509_CRL_sort(pointer)
        if !isDated { throw .malformed(.revocationList) }
    }

    deinit { X509_CRL_free(pointer) }

    /// Every list in a PEM text, or the one list of a DER file.
    ///
    /// - Throws: `.malformed(.revocationList)` when one is malformed or there is none; `.wrongLength(.revocationList,
    ///   …)`.
    package static func lists(_ bytes: [UInt8]) throws(CryptographyError) -> [CertificateRevocationList] {
        guard bytes.count <= bytesLimit else {
            throw .wrongLength(.revocationList, expected: bytesLimit, actual: bytes.count)
        }
        let isDER = bytes.first == 0x30
        OpenSSLErrorQueue.clear()
        let pointers: [OpaquePointer] = isDER ? readDER(bytes) : readPEM(bytes)
        let isWhole = isDER || PEMReading.endedAtEnd()
        var lists: [CertificateRevocationList] = []
        var failure: CryptographyError?
        for pointer in pointers {
            do throws(CryptographyError) {
                lists.append(try CertificateRevocationList(adopting: pointer))
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        guard isWhole, !lists.isEmpty else { throw .malformed(.revocationList) }
        return lists
    }

    /// Whether `certificate`, which the list's authority issued, is revoked. A binary search.
    package func revokes(_ certificate: Certificate) -> Bool { revokes(certificate.pointer) }

    func revokes(_ certificate: OpaquePointer) -> Bool {
        var entry: OpaquePointer?
        return X509_CRL_get0_by_cert(pointer, &entry, certificate) == 1
    }

    /// Whether `authority` signed the list and may: same name, `cRLSign` in its key usage, right signature.
    package func isSigned(by authority: Certificate) -> Bool {
        OpenSSLErrorQueue.clear()
        defer { OpenSSLErrorQueue.clear() }
        let isNamed = X509_NAME_cmp(X509_CRL_get_issuer(pointer), X509_get_subject_name(authority.pointer)) == 0
        guard isNamed, authority.usage.keyUsage?.contains(.cRLSign) == true else { return false }
        return X509_CRL_verify(pointer, X509_get0_pubkey(authority.pointer)) == 1
    }

    /// The issuer for people, escaped.
    package var issuer: String { Certificate.text(of: X509_CRL_get_issuer(pointer)) }

    /// PEM text, `BEGIN X509 CRL`.
    package func pem() throws(CryptographyError) -> [UInt8] {
        try OpenSSLBuffer.writing { PEM_write_bio_X509_CRL($0, pointer) }
    }

    /// Whether this list was made after `other`: by number, then by date.
    func isNewer(than other: CertificateRevocationList) -> Bool {
        let mine = number.drop { $0 == 0 }
        let theirs = other.number.drop { $0 == 0 }
        if mine.count != theirs.count { return mine.count > theirs.count }
        if !mine.elementsEqual(theirs) { return theirs.lexicographicallyPrecedes(mine) }
        return thisUpdate >= other.thisUpdate
    }

    private static func readDER(_ bytes: [UInt8]) -> [OpaquePointer] {
        bytes.withUnsafeBufferPointer { buffer in
            var cursor = buffer.baseAddress
            guard let pointer = d2i_X509_CRL(nil, &cursor, buffer.count) else { return [] }
            if cursor == buffer.baseAddress! + buffer.count { return [pointer] }
            X509_CRL_free(pointer)
            return []
        }
    }

    private static func readPEM(_ bytes: [UInt8]) -> [OpaquePointer] {
        OpenSSLBuffer.reading(bytes) { bio in
            var found: [OpaquePointer] = []
            while let next = PEM_read_bio_X509_CRL(bio, nil, isthmus_no_password, nil) { found.append(next) }
            return found
        } ?? []
    }

    private static func number(of pointer: OpaquePointer) -> [UInt8] {
        guard let decoded = X509_CRL_get_ext_d2i(pointer, NID_crl_number, nil, nil) else { return [] }
        let integer = decoded.assumingMemoryBound(to: ASN1_INTEGER.self)
        defer { ASN1_INTEGER_free(integer) }
        return Certificate.bytes(of: integer)
    }

    private static func isComplete(_ pointer: OpaquePointer) -> Bool {
        for position in 0..<X509_CRL_get_ext_count(pointer) {
            let item = X509_CRL_get_ext(pointer, position)
            let nid = OBJ_obj2nid(X509_EXTENSION_get_object(item))
            if nid == NID_delta_crl || nid == NID_issuing_distribution_point { return false }
            if X509_EXTENSION_get_critical(item) == 1 { return false }
        }
        return true
    }
}
