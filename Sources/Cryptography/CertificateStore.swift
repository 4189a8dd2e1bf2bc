import COpenSSL

/// Proof that a chain was verified against one trust domain's store. Only `CertificateStore` makes one.
package struct VerifiedChain: Sendable {
    /// The leaf first, the self-signed root last; at least two.
    package let certificates: [Certificate]
    private let seal: CertificateStore.Seal

    init(certificates: [Certificate], verifiedBy store: CertificateStore) {
        precondition(certificates.count >= 2, "a verified chain has a leaf and an authority")
        self.certificates = certificates
        seal = store.seal
    }

    /// Whether `store` itself found the chain good, and not an older or another one.
    package func isVerified(by store: CertificateStore) -> Bool { seal === store.seal }

    /// The peer's own certificate.
    package var leaf: Certificate { certificates[0] }

    /// The authority that signed the leaf.
    package var issuer: Certificate { certificates[1] }

    /// The last second at which every certificate is valid, seconds since 1970 (RFC 5280 § 4.1.2.5).
    package var notAfter: Int64 { certificates.reduce(.max) { min($0, $1.notAfter) } }
}

/// The authorities and revocation lists of one trust domain, immutable: a reload builds another. Stores are never
/// merged.
///
/// A list is checked against its authority's key once, here, instead of in every handshake. An authority without a
/// usable list is refused (fail closed), and only that one.
///
/// Sendable because every property is a `let` set by `init`, OpenSSL locks an X509_STORE's lookups itself, and the
/// memory of chains locks itself.
package final class CertificateStore: @unchecked Sendable {
    /// The most intermediates between leaf and root.
    package static let depthLimit: Int32 = 4
    /// Keys and digests under 112 bits are refused (docs.openssl.org SSL_CTX_set_security_level(3), level 2).
    package static let securityLevel: Int32 = 2
    /// How long a list stays usable after its next update unless configured otherwise: 1 h.
    package static let revocationGraceDefault: Int64 = 3600

    /// Which end of a connection the leaves belong to.
    package enum Purpose: Sendable {
        case client
        case server
    }

    /// How strict a trust domain is.
    package struct Configuration: Sendable {
        /// Whose certificates are verified.
        package var purpose: Purpose = .client
        /// SHA-256 of the SubjectPublicKeyInfo of the authorities that may sign leaves; empty means any authority
        /// given.
        package var issuerPins: Set<Digest> = []
        /// Whether every authority in a chain needs a usable revocation list.
        package var requiresRevocationLists = true
        /// Seconds after a list's next update during which it is still used.
        package var revocationGrace = CertificateStore.revocationGraceDefault

        /// The default: clients, any authority, revocation lists required, one hour of grace.
        package init() {}
    }

    /// Which store a chain was verified by. An object apart, so that a chain keeps no store alive.
    final class Seal: Sendable {}

    let store: OpaquePointer
    let seal = Seal()
    /// The chains this store verified; with it they go.
    let memory = VerifiedChainMemory()
    let authorities: [OpaquePointer: Certificate]
    let revocationLists: [OpaquePointer: CertificateRevocationList]
    /// How strict this store is.
    package let configuration: Configuration

    /// Builds a store.
    ///
    /// - Parameters:
    ///   - authorities: roots and intermediates, in any order; every authority that signs leaves must be among them
    ///     when revocation lists are required.
    ///   - revocationLists: in any order; the newest of each authority is used. One that no authority signed, or that
    ///     is not complete (a delta, a part, or with an unknown critical extension), is not.
    /// - Throws: `.library(.buildStore, …)`; `.unsupported(.certificate)` when one is not an authority.
    package init(
        authorities: [Certificate], revocationLists: [CertificateRevocationList],
        configuration: Configuration = Configuration()
    ) throws(CryptographyError) {
        for authority in authorities where !authority.usage.isAuthority { throw .unsupported(.certificate) }
        self.authorities = Dictionary(authorities.map { ($0.pointer, $0) }) { first, _ in first }
        self.revocationLists = Self.assign(revocationLists, to: authorities)
        self.configuration = configuration
        store = try Self.build(authorities, purpose: configuration.purpose)
    }

    deinit { X509_STORE_free(store) }

    /// The first moment at which an authority's list stops being usable (next update plus grace), nil without lists.
    package var usableUntil: Int64? {
        revocationLists.values.map { ($0.nextUpdate ?? $0.thisUpdate) + configuration.revocationGrace }.min()
    }

    /// The authorities whose list is past its next update at `moment`, in no order: the operator must write another,
    /// for from `refusedFrom` on every certificate of theirs is refused.
    package func overdueLists(at moment: Int64) -> [(authority: String, refusedFrom: Int64)] {
        revocationLists.values.compactMap { list in
            let due = list.nextUpdate ?? list.thisUpdate
            return due < moment ? (list.issuer, due + configuration.revocationGrace + 1) : nil
        }
    }

    private static func build(
        _ authorities: [Certificate], purpose: Purpose
    ) throws(CryptographyError) -> OpaquePointer {
        OpenSSLErrorQueue.clear()
        guard let store = X509_STORE_new(), let parameters = X509_STORE_get0_param(store) else {
            throw OpenSSLErrorQueue.failure(.buildStore)
        }
        let side = purpose == .client ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER
        var isBuilt = X509_STORE_set_purpose(store, side) == 1
        let flags = UInt(X509_V_FLAG_X509_STRICT | X509_V_FLAG_TRUSTED_FIRST)
        isBuilt = isBuilt && X509_VERIFY_PARAM_set_flags(parameters, flags) == 1
        X509_VERIFY_PARAM_set_depth(parameters, depthLimit)
        X509_VERIFY_PARAM_set_auth_level(parameters, securityLevel)
        X509_STORE_set_check_revocation(store, Verification.checkRevocation)
        X509_STORE_set_verify_cb(store, Verification.allowLastSecond)
        for authority in authorities where isBuilt {
            isBuilt = X509_STORE_add_cert(store, authority.pointer) == 1
        }
        if isBuilt { return store }
        X509_STORE_free(store)
        throw OpenSSLErrorQueue.failure(.buildStore)
    }

    private static func assign(
        _ lists: [CertificateRevocationList], to authorities: [Certificate]
    ) -> [OpaquePointer: CertificateRevocationList] {
        var used: [OpaquePointer: CertificateRevocationList] = [:]
        for list in lists where list.isComplete {
            for signer in authorities where list.isSigned(by: signer) {
                if let present = used[signer.pointer], !list.isNewer(than: present) { continue }
                used[signer.pointer] = list
            }
        }
        return used
    }
}
