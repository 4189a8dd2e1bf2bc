import COpenSSL
import Synchronization

/// Leaves that were read before, so that one that comes again need not be read again. That a certificate is here proves
/// nothing but what its bytes say: every store verifies it for itself.
package final class CertificateMemory: Sendable {
    /// The most certificates kept; the oldest makes room.
    static let certificatesLimit = 1024
    /// The longest certificate kept, DER: those of a listener's clients take at most 2 MiB of DER.
    static let certificateBytesLimit = 2048

    private let certificates = Mutex(RecentValues<Certificate>(limit: certificatesLimit))

    /// Remembers nothing.
    package init() {}

    /// The certificate that `pointer`, an X509 another OpenSSL object owns, holds: the one remembered with these bytes,
    /// or one read now.
    ///
    /// - Throws: `.malformed(.certificate)`.
    package func certificate(sharing pointer: OpaquePointer) throws(CryptographyError) -> Certificate {
        let der = OpenSSLBuffer.der { i2d_X509(pointer, $0) }
        if !der.isEmpty, let known = certificates.withLock({ $0[SHA256.hash(der)] }) { return known }
        return try Certificate(sharing: pointer)
    }

    /// Keeps `certificate` when it is short enough. Call it for what a store accepted: then no stranger fills the
    /// memory.
    package func remember(_ certificate: Certificate) {
        let isKnown = certificates.withLock { $0[certificate.fingerprint] != nil }
        guard !isKnown, i2d_X509(certificate.pointer, nil) <= Self.certificateBytesLimit else { return }
        certificates.withLock { $0.add(certificate, for: certificate.fingerprint) }
    }

    /// How many certificates are kept.
    var count: Int { certificates.withLock { $0.count } }
}
