import Cryptography
import Domain
import Identity
import Testing

@Suite("What the head of a request alone refuses")
struct HeadRefusalTests {
    /// What only the content, or a hash over it, can decide.
    private static let needsContent: Set<String> = [
        "payload-mismatch", "mismatch", "signed-header-absent", "unsigned-header", "token", "expired-token",
        "revoked-token", "secret-unavailable",
    ]

    private func headRefusal(of request: Request) -> SigV4Refusal? {
        let record = SignedRequest.record()
        do throws(SigV4Refusal) {
            try SigV4Verifier(rules: SignedRequest.rules).checkHead(request, now: SignedRequest.now) { id, _ in
                id.equals(record.id) ? record : nil
            }
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "is refused as the whole request would be, and the rest waits for the content",
        arguments: SigV4RefusalTests.field + SigV4RefusalTests.headers + SigV4RefusalTests.scope)
    func agrees(_ row: SigV4RefusalTests.Row) {
        var signed = SignedRequest()
        row.change(&signed)
        var request = signed.request()
        let whole = SigV4Verifier(rules: SignedRequest.rules).refusal(of: request)
        request.body = []
        let head = headRefusal(of: request)
        #expect(head == (Self.needsContent.contains("\(row.refusal.label)") ? nil : whole))
    }

    @Test("a good head is no reason to refuse")
    func good() {
        #expect(headRefusal(of: SignedRequest().request()) == nil)
    }

    private func refusals(
        _ request: Request, _ mode: Authenticator.ClientCertificateMode, _ certificate: CertificateIdentity?,
        _ directory: IdentityDirectory, now: Timestamp = SignedRequest.now
    ) -> (head: AuthenticationRefusal?, whole: AuthenticationRefusal?) {
        let arrival = Authenticator.Arrival(
            endpoint: "vpce-1", clientCertificate: mode, sourceAddress: "192.0.2.7", certificate: certificate)
        let authenticator = Authenticator(rules: SignedRequest.rules)
        let head = authenticator.refusal(ofHead: request, from: arrival, directory: directory, now: now)
        return (head, authenticator.authenticate(request, from: arrival, directory: directory, now: now).refusal)
    }

    @Test("connection, certificate and access key are held to the same rules as with the content")
    func connections() throws {
        let tests = try AuthenticatorTests()
        let unsigned = AuthenticatorTests.unsigned
        let signed = SignedRequest().request()
        let certificate = tests.certificate
        let known = tests.directory()
        let late = Timestamp(seconds: certificate.leaf.notAfter + 1)
        let cases = [
            refusals(unsigned, .required, nil, known), refusals(unsigned, .optional, nil, known),
            refusals(signed, .required, nil, known), refusals(unsigned, .required, certificate, known, now: late),
            refusals(
                unsigned, .required, certificate,
                tests.directory(domain: tests.factory.domain(name: "other.example"))),
            refusals(
                signed, .optional, certificate, tests.directory(record: SignedRequest.record(isEnabled: false))),
        ]
        for (head, whole) in cases {
            #expect(head != nil)
            #expect(head == whole)
        }
        for (request, certificate) in [(unsigned, certificate), (signed, certificate), (signed, nil)] {
            #expect(refusals(request, .optional, certificate, known).head == nil)
        }
    }

    private func webhookRefusals(
        _ vector: WebhookTests.Vector, keys: [String]? = nil, now: Timestamp? = nil
    ) throws -> (head: WebhookRefusal?, whole: WebhookRefusal?) {
        let keys = try (keys ?? [vector.key]).map { try WebhookKey(parsing: $0, for: vector.scheme) }
        let verifier = WebhookVerifier(scheme: vector.scheme, keys: keys)
        var request = vector.request()
        let now = now ?? Timestamp(seconds: vector.seconds)
        let whole = refusal { () throws(WebhookRefusal) in _ = try verifier.verify(request, now: now) }
        request.body = []
        return (refusal { () throws(WebhookRefusal) in try verifier.checkHead(request, now: now) }, whole)
    }

    private func refusal<Refusal>(_ check: () throws(Refusal) -> Void) -> Refusal? {
        do throws(Refusal) {
            try check()
            return nil
        } catch {
            return error
        }
    }

    @Test("a webhook waits for its content only when nothing but that can decide", arguments: WebhookTests.vectors)
    func webhooks(_ vector: WebhookTests.Vector) throws {
        #expect(try webhookRefusals(vector).head == nil)
        var changed = vector
        changed.body += " "
        let tampered = try webhookRefusals(changed)
        #expect(tampered.head == nil)
        #expect(tampered.whole == .mismatch)
        var cases = [try webhookRefusals(vector, keys: [])]
        for index in vector.fields.indices {
            for value in ["", "?", String(repeating: "0", count: 4097)] {
                changed = vector
                changed.fields[index].1 = value
                cases.append(try webhookRefusals(changed))
            }
            changed = vector
            changed.fields.append(vector.fields[index])
            cases.append(try webhookRefusals(changed))
        }
        if vector.seconds > 0 {
            for seconds in [vector.seconds - 61, vector.seconds + 301] {
                cases.append(try webhookRefusals(vector, now: Timestamp(seconds: seconds)))
            }
        }
        for (head, whole) in cases {
            #expect(whole != nil)
            #expect(head == (whole == .mismatch ? nil : whole))
        }
        #expect(cases.contains { $0.head != nil })
    }

    @Test(
        "an HTTP message signature waits for its content only when nothing but that, or the signature, can decide",
        arguments: MessageSignatureRefusalTests.coverage + MessageSignatureRefusalTests.parameters
            + MessageSignatureRefusalTests.message + MessageSignatureRefusalTests.fields)
    func messages(_ row: MessageSignatureRefusalTests.Row) {
        var signed = SignedProfileRequest()
        row.change(&signed)
        signed.body = []
        let message = signed.message()
        let head = refusal { () throws(MessageSignatureRefusal) in
            try SignedProfileRequest.verifier().checkHead(message, now: SignedProfileRequest.now)
        }
        switch row.refusal {
        case .mismatch, .contentDigest: #expect(head == nil)
        default: #expect(head == row.refusal)
        }
    }
}
