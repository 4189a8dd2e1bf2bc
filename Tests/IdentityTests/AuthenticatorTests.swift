import Cryptography
import Domain
import Identity
import Testing

@Suite struct AuthenticatorTests {
    let factory: CertificateFactory
    let certificate: CertificateIdentity
    let path = OrganizationPath(parsing: "o-abcdefghij/r-root/ou-sales/")

    init() throws {
        factory = try CertificateFactory()
        certificate = try factory.identity(of: factory.leaf(CertificateFactory.profile()))
    }

    func directory(
        record: AccessKeyRecord = SignedRequest.record(), domain: TrustDomain? = nil
    ) -> IdentityDirectory {
        let domain = domain ?? factory.domain()
        let path = path
        return IdentityDirectory(
            accessKey: { id, _ in id.equals(record.id) ? record : nil },
            trustDomain: { $0 == domain.name ? domain : nil },
            organizationPath: { $0.value == 111_122_223_333 ? path : nil })
    }

    func authenticate(
        _ request: Request, _ mode: Authenticator.ClientCertificateMode, certificate: CertificateIdentity?,
        directory: IdentityDirectory? = nil, now: Timestamp = SignedRequest.now
    ) -> Authenticator.Outcome {
        Authenticator(rules: SignedRequest.rules).authenticate(
            request,
            from: .init(
                endpoint: "vpce-1", clientCertificate: mode, sourceAddress: "192.0.2.7", certificate: certificate),
            directory: directory ?? self.directory(), now: now)
    }

    static let unsigned = Request(
        method: "POST", target: "/", authority: "events.eu-central-1.example:8443",
        fields: [("x-amz-target", "AWSEvents.PutEvents")], body: [])

    @Test(
        "the certificate alone names the caller", arguments: [Authenticator.ClientCertificateMode.required, .optional])
    func certificateAlone(_ mode: Authenticator.ClientCertificateMode) throws {
        let caller = try #require(authenticate(Self.unsigned, mode, certificate: certificate).caller)
        #expect(caller.principal.arn == "arn:aws:iam::111122223333:role/orders")
        #expect(caller.signatureScheme == .certificate)
        #expect(caller.accessKeyID == nil)
        #expect(caller.trustDomain == "acme.example")
        #expect(caller.certificateFingerprint == certificate.fingerprint)
        #expect(caller.organizationPath == path)
        #expect(caller.endpoint == "vpce-1")
        #expect(caller.sourceAddress == "192.0.2.7")
    }

    @Test("with both the signature names the caller, and the certificate stays on record")
    func both() throws {
        let caller = try #require(
            authenticate(SignedRequest().request(), .required, certificate: certificate).caller)
        #expect(caller.principal == SignedRequest.principal)
        #expect(caller.signatureScheme == .sigV4)
        #expect(caller.accessKeyID == SignedRequest.accessKeyID)
        #expect(caller.trustDomain == "acme.example")
    }

    @Test("on an optional listener the signature alone names the caller")
    func signatureAlone() throws {
        let caller = try #require(authenticate(SignedRequest().request(), .optional, certificate: nil).caller)
        #expect(caller.principal == SignedRequest.principal)
        #expect(caller.trustDomain == nil)
        #expect(caller.certificateFingerprint == nil)
    }

    @Test("without what the listener wants there is no caller")
    func missing() {
        #expect(authenticate(Self.unsigned, .required, certificate: nil).refusal == .certificateRequired)
        #expect(authenticate(SignedRequest().request(), .required, certificate: nil).refusal == .certificateRequired)
        #expect(authenticate(Self.unsigned, .optional, certificate: nil).refusal == .signatureRequired)
        #expect(AuthenticationRefusal.signatureRequired.code == .missingAuthenticationToken)
    }

    @Test("a wrong signature is refused beside a right certificate")
    func wrongSignature() {
        var signed = SignedRequest()
        signed.authorization = signed.sign(secret: "wrong")
        #expect(authenticate(signed.request(), .required, certificate: certificate).refusal == .signature(.mismatch))
        signed.authorization = "Bearer x"
        #expect(
            authenticate(signed.request(), .required, certificate: certificate).refusal
                == .signature(.unsupportedAlgorithm))
        let presigned = Request(
            method: "POST", target: "/?X-Amz-Signature=0", authority: "a", fields: [], body: [])
        #expect(
            authenticate(presigned, .required, certificate: certificate).refusal == .signature(.queryAuthentication))
    }

    @Test("certificate and signature of two accounts are refused, and both are named")
    func accounts() {
        let other = AccessKeyRecord(
            id: SignedRequest.accessKeyID,
            principal: Principal(.user, path: "other", account: AccountID(unchecked: 444_455_556_666)),
            secret: SecretBytes(Array(SignedRequest.secret.utf8)))
        let refusal = authenticate(
            SignedRequest().request(), .required, certificate: certificate, directory: directory(record: other)
        ).refusal
        #expect(
            refusal
                == .accountMismatch(
                    certificate: AccountID(unchecked: 111_122_223_333), signature: AccountID(unchecked: 444_455_556_666)
                ))
        #expect(refusal?.code == .accessDenied)
        #expect(refusal?.description.contains("111122223333") == true)
        #expect(refusal?.description.contains("444455556666") == true)
    }

    @Test("an open connection's certificate is held to today's trust at each request")
    func rechecks() {
        func refusal(_ directory: IdentityDirectory, now: Timestamp = SignedRequest.now) -> AuthenticationRefusal? {
            authenticate(Self.unsigned, .required, certificate: certificate, directory: directory, now: now).refusal
        }
        #expect(refusal(directory()) == nil)
        #expect(
            refusal(directory(domain: factory.domain(name: "other.example")))
                == .certificate(.unknownTrustDomain(name: "acme.example")))
        #expect(
            refusal(directory(domain: factory.domain(accounts: [444_455_556_666])))
                == .certificate(
                    .accountNotVouched(trustDomain: "acme.example", account: AccountID(unchecked: 111_122_223_333))))
        let late = Timestamp(seconds: certificate.leaf.notAfter + 1)
        #expect(refusal(directory(), now: late) == .certificate(.expired(notAfter: "2026-11-21T07:00:00Z")))
    }

    @Test("on a listener that refuses replays a signature counts once, and a wrong one leaves no trace")
    func replayRefused() {
        let memory = ReplayWindow(start: SignedRequest.now.advanced(bySeconds: -60))
        let authenticator = Authenticator(rules: SignedRequest.rules, replays: memory)
        func ask(
            _ request: Request, refuses: Bool, _ certificate: CertificateIdentity? = nil
        ) -> Authenticator.Outcome {
            authenticator.authenticate(
                request,
                from: .init(
                    endpoint: "vpce-1", clientCertificate: .optional, sourceAddress: "192.0.2.7",
                    certificate: certificate, refusesReplays: refuses),
                directory: directory(), now: SignedRequest.now)
        }
        let request = SignedRequest().request()
        let unknown = directory(record: SignedRequest.record(isEnabled: false))
        let wrong = authenticator.authenticate(
            request,
            from: .init(
                endpoint: "vpce-1", clientCertificate: .optional, sourceAddress: "", certificate: nil,
                refusesReplays: true), directory: unknown, now: SignedRequest.now)
        #expect(wrong.refusal == .signature(.unknownKey))
        #expect(ask(request, refuses: false).caller != nil)
        #expect(ask(request, refuses: true).caller != nil)
        #expect(ask(request, refuses: true).refusal == .replay(.repeated))
        #expect(ask(request, refuses: true, certificate).refusal == .replay(.repeated))
        #expect(ask(request, refuses: false).caller != nil)
        #expect(ask(Self.unsigned, refuses: true, certificate).caller != nil)
        #expect(ask(Self.unsigned, refuses: true, certificate).caller != nil)
    }

    @Test("a listener that refuses replays without a memory takes no signature")
    func noMemory() {
        let outcome = Authenticator(rules: SignedRequest.rules).authenticate(
            SignedRequest().request(),
            from: .init(
                endpoint: "vpce-1", clientCertificate: .optional, sourceAddress: "", certificate: nil,
                refusesReplays: true), directory: directory(), now: SignedRequest.now)
        #expect(outcome.refusal == .replay(.noRoom))
        #expect(outcome.refusal?.code == .serviceUnavailable)
    }
}

extension Authenticator.Outcome {
    var caller: Caller? {
        if case .caller(let caller) = self { caller } else { nil }
    }

    var refusal: AuthenticationRefusal? {
        if case .refused(let refusal) = self { refusal } else { nil }
    }
}
