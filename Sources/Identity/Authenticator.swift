package import Cryptography
package import Domain

/// What the control plane knows about identities at one revision; functions, so that the answer is read and not copied,
/// and a class, so that it is handed on by one reference.
package final class IdentityDirectory: Sendable {
    /// The record of an access key id; the token is nil for long-term keys. Nil when there is no such key.
    package let accessKey: @Sendable (_ id: Bytes, _ sessionToken: Bytes?) -> AccessKeyRecord?
    /// The trust domain of that name, nil when it is not or no longer configured.
    package let trustDomain: @Sendable (_ name: String) -> TrustDomain?
    /// Where an account stands in the organization.
    package let organizationPath: @Sendable (_ account: AccountID) -> OrganizationPath?
    /// Two directories of the same revision answer the same, time aside; `nil` promises nothing.
    let revision: UInt64?

    package init(
        revision: UInt64? = nil,
        accessKey: @escaping @Sendable (_ id: Bytes, _ sessionToken: Bytes?) -> AccessKeyRecord?,
        trustDomain: @escaping @Sendable (_ name: String) -> TrustDomain?,
        organizationPath: @escaping @Sendable (_ account: AccountID) -> OrganizationPath?
    ) {
        self.revision = revision
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
    package final class Arrival: Sendable {
        /// The listener's id.
        package let endpoint: String
        package let clientCertificate: ClientCertificateMode
        /// The peer's address, as the socket has it.
        package let sourceAddress: String
        /// Whom the connection's certificate speaks for; nil when none was presented.
        package let certificate: CertificateIdentity?
        /// Whether the listener takes each signature once.
        package let refusesReplays: Bool

        package init(
            endpoint: String, clientCertificate: ClientCertificateMode, sourceAddress: String,
            certificate: CertificateIdentity?, refusesReplays: Bool = false
        ) {
            self.endpoint = endpoint
            self.clientCertificate = clientCertificate
            self.sourceAddress = sourceAddress
            self.certificate = certificate
            self.refusesReplays = refusesReplays
        }
    }

    /// Who it is, or why nobody.
    package enum Outcome: Sendable {
        case caller(Caller)
        case refused(AuthenticationRefusal)
    }

    /// Whom the request of a webhook is by, or why by nobody.
    package enum WebhookOutcome: Sendable {
        /// `message` stands for what was signed: the same for a request that is sent again, whoever sends it and
        /// whatever else of it is changed; nil where nothing was verified, in shadow mode.
        case caller(Caller, message: Digest?)
        case refused(AuthenticationRefusal)
    }

    private let region: String
    private let verifier: SigV4Verifier
    private let replays: ReplayWindow?

    /// An authenticator that holds signatures to `rules`, whose Region is the gateway's.
    ///
    /// - Parameter replays: one for the whole process; without it a listener that refuses replays refuses every
    ///   signature.
    package init(rules: SigV4Rules, replays: ReplayWindow? = nil) {
        self.replays = replays
        region = String(decoding: rules.region, as: UTF8.self)
        verifier = SigV4Verifier(rules: rules)
    }

    /// Forgets what was derived from an access key: call it when the key is disabled or deleted.
    package func forget(accessKeyID: String) { verifier.forget(accessKeyID: accessKeyID) }

    /// Forgets every derived key.
    package func forgetAllKeys() { verifier.forgetAllKeys() }

    /// Decides who makes `request`.
    ///
    /// - Parameter previous: who made the one before on this connection: what was found out then about the certificate
    ///   and the access key is not looked up again while the directory is of the same revision. Time, the signature and
    ///   the organization are looked at each time.
    package func authenticate(
        _ request: borrowing Request, from arrival: Arrival, after previous: Caller? = nil,
        directory: IdentityDirectory, now: Timestamp
    ) -> Outcome {
        do throws(AuthenticationRefusal) {
            return .caller(
                try caller(of: request, from: arrival, after: previous, directory: directory, now: now))
        } catch {
            return .refused(error)
        }
    }

    /// Why the head of `request` alone already makes its caller nobody; `nil` when that takes its content.
    ///
    /// These are the first steps of `authenticate` with the same arguments, so whatever content would follow, the
    /// refusal would be this one. The content of `request` is not looked at, and nothing is remembered.
    package func refusal(
        ofHead request: borrowing Request, from arrival: Arrival, after previous: Caller? = nil,
        directory: IdentityDirectory, now: Timestamp
    ) -> AuthenticationRefusal? {
        do throws(AuthenticationRefusal) {
            let known = try checkArrival(arrival, after: previous, directory: directory, now: now)
            try checkHead(
                request, isOptional: arrival.certificate != nil, lastKey: known?.signature?.accessKey,
                directory: directory, now: now)
            return nil
        } catch {
            return error
        }
    }

    /// As `refusal(ofHead:)`, for the request of a webhook.
    package func refusal(
        ofHead request: Request, webhook credential: WebhookCredential, from arrival: Arrival,
        directory: IdentityDirectory, now: Timestamp
    ) -> AuthenticationRefusal? {
        do throws(AuthenticationRefusal) {
            _ = try checkArrival(arrival, of: credential, after: nil, directory: directory, now: now)
            try credential.checkHead(request, now: now)
            return nil
        } catch {
            return error
        }
    }

    /// Decides who makes the request of a webhook: the partner whose secret signed it. Its certificate, where one came,
    /// restricts it: same account, or refused. In shadow mode a signature that does not stand is told and passed over.
    ///
    /// - Parameter previous: who made the last request of a webhook on this connection; see the form for all others.
    package func authenticate(
        webhook credential: WebhookCredential, _ request: Request, from arrival: Arrival,
        after previous: Caller? = nil, directory: IdentityDirectory, now: Timestamp
    ) -> WebhookOutcome {
        do throws(AuthenticationRefusal) {
            let known = try checkArrival(arrival, of: credential, after: previous, directory: directory, now: now)
            let (attestation, message) = try attest(request, credential, now: now)
            let path = directory.organizationPath(credential.principal.account)
            if let known, known.attested(attestation, from: arrival, organizationPath: path) {
                return .caller(known, message: message)
            }
            let caller = Caller(
                principal: credential.principal, organizationPath: path, certificate: arrival.certificate,
                signature: nil, webhook: attestation, arrival: arrival, revision: directory.revision)
            return .caller(caller, message: message)
        } catch {
            return .refused(error)
        }
    }

    private func checkArrival(
        _ arrival: Arrival, of credential: WebhookCredential, after previous: Caller?, directory: IdentityDirectory,
        now: Timestamp
    ) throws(AuthenticationRefusal) -> Caller? {
        let known = try checkArrival(arrival, after: previous, directory: directory, now: now)
        let account = credential.principal.account
        if let certificate = arrival.certificate, certificate.account != account {
            throw .partnerMismatch(certificate: certificate.account, partner: account)
        }
        return known
    }

    private func attest(
        _ request: Request, _ credential: WebhookCredential, now: Timestamp
    ) throws(AuthenticationRefusal) -> (WebhookAttestation, Digest?) {
        do throws(AuthenticationRefusal) {
            return try credential.attest(request, now: now)
        } catch {
            guard credential.isShadow else { throw error }
            return (WebhookAttestation(refusal: error, isMessageSignature: credential.isMessageSignature), nil)
        }
    }

    private func caller(
        of request: borrowing Request, from arrival: Arrival, after previous: Caller?, directory: IdentityDirectory,
        now: Timestamp
    ) throws(AuthenticationRefusal) -> Caller {
        let certificate = arrival.certificate
        let known = try checkArrival(arrival, after: previous, directory: directory, now: now)
        let proof = try verify(
            request, isOptional: certificate != nil, lastKey: known?.signature?.accessKey, directory: directory,
            now: now)
        guard let principal = proof?.accessKey.principal ?? certificate?.principal else { throw .signatureRequired }
        if let certificate, certificate.account != principal.account {
            throw .accountMismatch(certificate: certificate.account, signature: principal.account)
        }
        if arrival.refusesReplays, let proof { try remember(proof, now) }
        let path = directory.organizationPath(principal.account)
        if proof == nil, let known, known.isUnsigned(from: arrival, organizationPath: path) { return known }
        return Caller(
            principal: principal, organizationPath: path, certificate: certificate, signature: proof,
            arrival: arrival, revision: directory.revision)
    }

    /// Holds the connection to today's trust; the caller before, when what was found of it still stands.
    private func checkArrival(
        _ arrival: Arrival, after previous: Caller?, directory: IdentityDirectory, now: Timestamp
    ) throws(AuthenticationRefusal) -> Caller? {
        let known = previous.flatMap { $0.wasHeld(to: directory, with: arrival.certificate) ? $0 : nil }
        if let certificate = arrival.certificate {
            try check(certificate, isKnown: known != nil, directory: directory, now: now)
        } else if arrival.clientCertificate == .required {
            throw .certificateRequired
        }
        return known
    }

    private func check(
        _ certificate: CertificateIdentity, isKnown: Bool, directory: IdentityDirectory, now: Timestamp
    ) throws(AuthenticationRefusal) {
        do throws(CertificateRefusal) {
            if isKnown { return try certificate.checkValidity(now: now) }
            let domain = directory.trustDomain(certificate.trustDomain)
            try certificate.check(against: domain, region: region, now: now)
        } catch {
            throw .certificate(error)
        }
    }

    /// Takes note of a signature that is right in all else; it counts once.
    private func remember(_ proof: SigV4Proof, _ now: Timestamp) throws(AuthenticationRefusal) {
        guard let replays else { throw .replay(.noRoom) }
        let refusal = replays.accept(
            accessKeyID: proof.accessKey.id, signature: proof.signature, signedAt: proof.signedAt, now: now)
        if let refusal { throw .replay(refusal) }
    }

    /// The proof of the signature; nil when none came and none is needed.
    private func verify(
        _ request: borrowing Request, isOptional: Bool, lastKey: AccessKeyRecord?, directory: IdentityDirectory,
        now: Timestamp
    ) throws(AuthenticationRefusal) -> SigV4Proof? {
        do throws(SigV4Refusal) {
            return try verifier.verify(request, now: now) { id, token in
                Self.record(id, token, lastKey, directory)
            }
        } catch {
            if let refusal = Self.refusal(error, isOptional: isOptional) { throw refusal }
            return nil
        }
    }

    private func checkHead(
        _ request: borrowing Request, isOptional: Bool, lastKey: AccessKeyRecord?, directory: IdentityDirectory,
        now: Timestamp
    ) throws(AuthenticationRefusal) {
        do throws(SigV4Refusal) {
            try verifier.checkHead(request, now: now) { id, token in Self.record(id, token, lastKey, directory) }
        } catch {
            if let refusal = Self.refusal(error, isOptional: isOptional) { throw refusal }
        }
    }

    private static func record(
        _ id: Bytes, _ token: Bytes?, _ lastKey: AccessKeyRecord?, _ directory: IdentityDirectory
    ) -> AccessKeyRecord? {
        // A session's record follows from its token, a long-term key's from its id alone.
        if token == nil, let lastKey, lastKey.session == nil, id.equals(lastKey.id) { return lastKey }
        return directory.accessKey(id, token)
    }

    /// What a signature that does not stand means here; `nil` where none came and none is needed.
    private static func refusal(_ error: SigV4Refusal, isOptional: Bool) -> AuthenticationRefusal? {
        guard error == .missing else { return .signature(error) }
        return isOptional ? nil : .signatureRequired
    }
}
