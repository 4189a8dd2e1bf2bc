package import Domain

/// What the control plane knows about identities at one revision; functions, so that the answer is read and not copied.
package struct IdentityDirectory: Sendable {
    /// The record of an access key id; the token is nil for long-term keys. Nil when there is no such key.
    package let accessKey: @Sendable (_ id: Bytes, _ sessionToken: Bytes?) -> AccessKeyRecord?
    /// The trust domain of that name, nil when it is not or no longer configured.
    package let trustDomain: @Sendable (_ name: String) -> TrustDomain?
    /// Where an account stands in the organization.
    package let organizationPath: @Sendable (_ account: AccountID) -> OrganizationPath?

    package init(
        accessKey: @escaping @Sendable (_ id: Bytes, _ sessionToken: Bytes?) -> AccessKeyRecord?,
        trustDomain: @escaping @Sendable (_ name: String) -> TrustDomain?,
        organizationPath: @escaping @Sendable (_ account: AccountID) -> OrganizationPath?
    ) {
        self.accessKey = accessKey
        self.trustDomain = trustDomain
        self.organizationPath = organizationPath
    }
}

/// Decides who makes a request. The only maker of `Caller`; one event loop owns one.
///
/// | certificate | signature | listener `required` | listener `optional` |
/// |---|---|---|---|
/// | none | none | refused | refused |
/// | none | present | refused | the signature's principal |
/// | present | none | the certificate's principal | the certificate's principal |
/// | present | present | the signature's principal, same account | the signature's principal, same account |
///
/// A signature that is present is always verified: a wrong one is refused, never ignored.
///
/// - Source: FEDERATION §2
package final class Authenticator {
    /// Whether a listener insists on a client certificate.
    package enum ClientCertificateMode: Sendable {
        case required
        case optional
    }

    /// What a request's connection says about it.
    package struct Arrival: Sendable {
        /// The listener's id.
        package let endpoint: String
        package let clientCertificate: ClientCertificateMode
        /// The peer's address, as the socket has it.
        package let sourceAddress: String
        /// Whom the connection's certificate speaks for; nil when none was presented.
        package let certificate: CertificateIdentity?

        package init(
            endpoint: String, clientCertificate: ClientCertificateMode, sourceAddress: String,
            certificate: CertificateIdentity?
        ) {
            self.endpoint = endpoint
            self.clientCertificate = clientCertificate
            self.sourceAddress = sourceAddress
            self.certificate = certificate
        }
    }

    /// Who it is, or why nobody.
    package enum Outcome: Sendable {
        case caller(Caller)
        case refused(AuthenticationRefusal)
    }

    private let region: String
    private let verifier: SigV4Verifier

    /// An authenticator that holds signatures to `rules`, whose Region is the gateway's.
    package init(rules: SigV4Rules) {
        region = String(decoding: rules.region, as: UTF8.self)
        verifier = SigV4Verifier(rules: rules)
    }

    /// Forgets what was derived from an access key: call it when the key is disabled or deleted.
    package func forget(accessKeyID: String) { verifier.forget(accessKeyID: accessKeyID) }

    /// Forgets every derived key.
    package func forgetAllKeys() { verifier.forgetAllKeys() }

    /// Decides who makes `request`.
    package func authenticate(
        _ request: Request, from arrival: Arrival, directory: IdentityDirectory, now: Timestamp
    ) -> Outcome {
        do throws(AuthenticationRefusal) {
            return .caller(try caller(of: request, from: arrival, directory: directory, now: now))
        } catch {
            return .refused(error)
        }
    }

    private func caller(
        of request: Request, from arrival: Arrival, directory: IdentityDirectory, now: Timestamp
    ) throws(AuthenticationRefusal) -> Caller {
        let certificate = arrival.certificate
        if let certificate {
            try check(certificate, directory: directory, now: now)
        } else if arrival.clientCertificate == .required {
            throw .certificateRequired
        }
        let proof = try verify(request, isOptional: certificate != nil, directory: directory, now: now)
        guard let principal = proof?.accessKey.principal ?? certificate?.principal else { throw .signatureRequired }
        if let certificate, certificate.account != principal.account {
            throw .accountMismatch(certificate: certificate.account, signature: principal.account)
        }
        return Caller(
            principal: principal, organizationPath: directory.organizationPath(principal.account),
            certificate: certificate, signature: proof, endpoint: arrival.endpoint,
            sourceAddress: arrival.sourceAddress)
    }

    private func check(
        _ certificate: CertificateIdentity, directory: IdentityDirectory, now: Timestamp
    ) throws(AuthenticationRefusal) {
        do throws(CertificateRefusal) {
            let domain = directory.trustDomain(certificate.trustDomain)
            try certificate.check(against: domain, region: region, now: now)
        } catch {
            throw .certificate(error)
        }
    }

    /// The proof of the signature; nil when none came and none is needed.
    private func verify(
        _ request: Request, isOptional: Bool, directory: IdentityDirectory, now: Timestamp
    ) throws(AuthenticationRefusal) -> SigV4Proof? {
        do throws(SigV4Refusal) {
            return try verifier.verify(request, now: now, accessKey: directory.accessKey)
        } catch {
            guard error == .missing else { throw .signature(error) }
            if isOptional { return nil }
            throw .signatureRequired
        }
    }
}
