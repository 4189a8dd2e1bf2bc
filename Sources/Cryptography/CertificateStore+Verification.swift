import COpenSSL

extension CertificateStore {
    /// Verifies a chain: path, RFC 5280 strictly, purpose, strength, revocation, signatures, dates, issuer pin.
    ///
    /// - Parameters:
    ///   - chain: the leaf first, then whatever the peer sent with it. A `VerifiedChain.certificates` of an older store
    ///     may be given again, to re-check an open connection.
    ///   - moment: seconds since 1970; nil for the machine's clock. Give one only in tests and dry runs.
    /// - Returns: the verified chain, or why not. Cost: one signature verification for each certificate under the root;
    ///   for a chain this store accepted before, at a moment between the same dates, the digest of what was given.
    package func verify(_ chain: [Certificate], at moment: Int64? = nil) -> Result<VerifiedChain, ChainRefusal> {
        guard let leaf = chain.first else { return .failure(ChainRefusal(.noCertificate)) }
        guard let others = isthmus_sk_X509_new() else { return .failure(ChainRefusal(.unverifiable)) }
        defer { isthmus_sk_X509_free(others) }
        for certificate in chain.dropFirst() where isthmus_sk_X509_push(others, certificate.pointer) <= 0 {
            return .failure(ChainRefusal(.unverifiable))
        }
        return verify(leaf: leaf, untrusted: others, at: moment)
    }

    /// The same inside a TLS handshake, where OpenSSL holds what the peer sent.
    ///
    /// - Parameters:
    ///   - leaf: the peer's own certificate.
    ///   - untrusted: STACK_OF(X509), borrowed; nil for none.
    ///   - moment: as above.
    package func verify(
        leaf: Certificate, untrusted: OpaquePointer?, at moment: Int64? = nil
    ) -> Result<VerifiedChain, ChainRefusal> {
        let moment = moment ?? isthmus_clock_seconds()
        let key = VerifiedChainMemory.key(leaf, untrusted)
        if let key, let chain = memory.chain(key, at: moment) { return .success(chain) }
        let verification = Verification(store: self, moment: moment)
        let result = examine(leaf, untrusted, verification)
        if let key, case .success(let chain) = result, let moments = verification.moments(of: chain) {
            memory.remember(chain, for: key, through: moments)
        }
        return result
    }

    private func examine(
        _ leaf: Certificate, _ untrusted: OpaquePointer?, _ verification: Verification
    ) -> Result<VerifiedChain, ChainRefusal> {
        OpenSSLErrorQueue.clear()
        defer { OpenSSLErrorQueue.clear() }
        guard let context = X509_STORE_CTX_new() else { return .failure(ChainRefusal(.unverifiable)) }
        defer { X509_STORE_CTX_free(context) }
        guard X509_STORE_CTX_init(context, store, leaf.pointer, untrusted) == 1 else {
            return .failure(ChainRefusal(.unverifiable))
        }
        X509_STORE_CTX_set_time(context, 0, time_t(verification.moment))
        let isVerified = withExtendedLifetime(verification) {
            guard X509_STORE_CTX_set_ex_data(context, 0, Unmanaged.passUnretained(verification).toOpaque()) == 1 else {
                return false
            }
            return X509_verify_cert(context) == 1
        }
        guard isVerified else {
            return .failure(
                ChainRefusal(
                    code: X509_STORE_CTX_get_error(context), depth: Int(X509_STORE_CTX_get_error_depth(context))))
        }
        return accept(leaf, chain: X509_STORE_CTX_get0_chain(context))
    }

    private func accept(_ leaf: Certificate, chain: OpaquePointer?) -> Result<VerifiedChain, ChainRefusal> {
        let count = isthmus_sk_X509_num(chain)
        guard count >= 2 else { return .failure(ChainRefusal(.selfSigned)) }
        var certificates = [leaf]
        for index in 1..<count {
            guard let pointer = isthmus_sk_X509_value(chain, index), let certificate = certificate(for: pointer) else {
                return .failure(ChainRefusal(.unverifiable, depth: Int(index)))
            }
            certificates.append(certificate)
        }
        if let refusal = Self.refusal(beyondOpenSSL: certificates) { return .failure(refusal) }
        let pins = configuration.issuerPins
        guard pins.isEmpty || pins.contains(certificates[1].publicKeyFingerprint) else {
            return .failure(ChainRefusal(.authorityNotPinned, depth: 1))
        }
        return .success(VerifiedChain(certificates: certificates, verifiedBy: self))
    }

    /// What OpenSSL takes and the rules do not, in the certificates under the trust anchor.
    ///
    /// - Source: THREATS §3.1; RFC 5280 § 4.2
    private static func refusal(beyondOpenSSL chain: [Certificate]) -> ChainRefusal? {
        for (depth, certificate) in chain.dropLast().enumerated() {
            if certificate.usage.hasUnprocessedCriticalExtension {
                return ChainRefusal(code: X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, depth: depth)
            }
            if !certificate.usage.hasStrongSignature {
                return ChainRefusal(code: X509_V_ERR_CA_MD_TOO_WEAK, depth: depth)
            }
        }
        return nil
    }

    /// The store's own object when `pointer` is one of its authorities, else a new one (an intermediate the peer sent).
    private func certificate(for pointer: OpaquePointer) -> Certificate? {
        if let known = authorities[pointer] { return known }
        do throws(CryptographyError) {
            return try Certificate(sharing: pointer)
        } catch {
            return nil
        }
    }

    /// The list of the authority `pointer`, which may be another copy of one in the store.
    fileprivate func revocationList(of pointer: OpaquePointer) -> CertificateRevocationList? {
        if let list = revocationLists[pointer] { return list }
        for (authority, list) in revocationLists where X509_cmp(authority, pointer) == 0 { return list }
        return nil
    }
}

/// What one run of X509_verify_cert needs of its store; reached from the callback through the context's ex_data 0.
final class Verification {
    let store: CertificateStore
    let moment: Int64
    /// Between which moments the lists that were asked would have answered the same.
    private var listsSince = Int64.min
    private var listsUntil = Int64.max

    init(store: CertificateStore, moment: Int64) {
        self.store = store
        self.moment = moment
    }

    private static func current(in context: OpaquePointer) -> Verification? {
        guard let raw = X509_STORE_CTX_get_ex_data(context, 0) else { return nil }
        return Unmanaged<Verification>.fromOpaque(raw).takeUnretainedValue()
    }

    /// Called with each verdict. The only one it changes: OpenSSL calls a certificate expired during the second that
    /// its notAfter names, which RFC 5280 § 4.1.2.5 includes in its validity.
    static let allowLastSecond: @convention(c) (Int32, OpaquePointer?) -> Int32 = { verdict, context in
        guard verdict != 1, let context, X509_STORE_CTX_get_error(context) == X509_V_ERR_CERT_HAS_EXPIRED,
            let verification = current(in: context), let certificate = X509_STORE_CTX_get_current_cert(context)
        else { return verdict }
        // Positive only when the date is well formed and later than the second before.
        var before = time_t(verification.moment - 1)
        guard X509_cmp_time(X509_get0_notAfter(certificate), &before) > 0 else { return 0 }
        X509_STORE_CTX_set_error(context, X509_V_OK)
        return 1
    }

    /// Takes the place of OpenSSL's check: every certificate of the chain against its authority's list, whose signature
    /// the store verified once when it was built.
    static let checkRevocation: @convention(c) (OpaquePointer?) -> Int32 = { context in
        guard let context, let verification = current(in: context) else { return 0 }
        let chain = X509_STORE_CTX_get0_chain(context)
        let count = isthmus_sk_X509_num(chain)
        for depth in 0..<count {
            guard let subject = isthmus_sk_X509_value(chain, depth),
                let issuer = isthmus_sk_X509_value(chain, min(depth + 1, count - 1))
            else { return 0 }
            let code = verification.check(subject, issuedBy: issuer)
            if code == X509_V_OK { continue }
            X509_STORE_CTX_set_error(context, code)
            X509_STORE_CTX_set_error_depth(context, depth)
            return 0
        }
        return 1
    }

    /// Between which moments this verification of `chain` comes to the same: inside every certificate's validity, and
    /// while no list that was asked is due.
    func moments(of chain: VerifiedChain) -> ClosedRange<Int64>? {
        let since = chain.certificates.reduce(listsSince) { max($0, $1.notBefore) }
        let until = chain.certificates.reduce(listsUntil) { min($0, $1.notAfter) }
        return since <= moment && moment <= until ? since...until : nil
    }

    private func check(_ subject: OpaquePointer, issuedBy issuer: OpaquePointer) -> Int32 {
        guard let list = store.revocationList(of: issuer) else {
            return store.configuration.requiresRevocationLists ? X509_V_ERR_UNABLE_TO_GET_CRL : X509_V_OK
        }
        if list.thisUpdate > moment { return X509_V_ERR_CRL_NOT_YET_VALID }
        let nextUpdate = list.nextUpdate ?? list.thisUpdate
        listsSince = max(listsSince, list.thisUpdate)
        listsUntil = min(listsUntil, nextUpdate)
        if nextUpdate + store.configuration.revocationGrace < moment { return X509_V_ERR_CRL_HAS_EXPIRED }
        return list.revokes(subject) ? X509_V_ERR_CERT_REVOKED : X509_V_OK
    }
}
