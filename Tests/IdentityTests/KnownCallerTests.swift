import Cryptography
import Domain
import Identity
import Testing

/// What is remembered of the request before, and what is looked at again whatever was remembered.
@Suite struct KnownCallerTests {
    let fixture: AuthenticatorTests
    let arrival: Authenticator.Arrival

    init() throws {
        fixture = try AuthenticatorTests()
        arrival = Authenticator.Arrival(
            endpoint: "vpce-1", clientCertificate: .required, sourceAddress: "192.0.2.7",
            certificate: fixture.certificate)
    }

    /// A directory of `revision` that vouches for `accounts` and knows `record`.
    func directory(
        _ revision: UInt64?, vouches: Bool = true, record: AccessKeyRecord? = SignedRequest.record(),
        path: String = "o-abcdefghij/r-root/ou-sales/"
    ) -> IdentityDirectory {
        let known = fixture.factory.domain()
        let domain = vouches ? known : TrustDomain(name: known.name, accounts: [], issuerPins: Array(known.issuerPins))
        let place = OrganizationPath(parsing: path)
        return IdentityDirectory(
            revision: revision, accessKey: { id, _ in record.flatMap { id.equals($0.id) ? $0 : nil } },
            trustDomain: { $0 == domain.name ? domain : nil }, organizationPath: { _ in place })
    }

    func authenticate(
        _ request: Request, after previous: Caller?, _ directory: IdentityDirectory,
        now: Timestamp = SignedRequest.now
    ) -> Authenticator.Outcome {
        Authenticator(rules: SignedRequest.rules).authenticate(
            request, from: arrival, after: previous, directory: directory, now: now)
    }

    @Test("the next request of a connection is by the same caller while the revision stands")
    func same() throws {
        let first = try #require(authenticate(AuthenticatorTests.unsigned, after: nil, directory(1)).caller)
        let second = authenticate(AuthenticatorTests.unsigned, after: first, directory(1, vouches: false)).caller
        #expect(second === first, "one revision is one truth")
    }

    @Test("another revision, or none, is asked again")
    func revision() throws {
        let first = try #require(authenticate(AuthenticatorTests.unsigned, after: nil, directory(1)).caller)
        for revision in [UInt64(2), nil] {
            let refused = authenticate(AuthenticatorTests.unsigned, after: first, directory(revision, vouches: false))
            #expect(refused.refusal != nil)
            #expect(authenticate(AuthenticatorTests.unsigned, after: first, directory(revision)).caller !== first)
        }
        let unnumbered = try #require(authenticate(AuthenticatorTests.unsigned, after: nil, directory(nil)).caller)
        #expect(authenticate(AuthenticatorTests.unsigned, after: unnumbered, directory(nil)).caller !== unnumbered)
    }

    @Test("a certificate that has expired since is refused, known or not")
    func expired() throws {
        let first = try #require(authenticate(AuthenticatorTests.unsigned, after: nil, directory(1)).caller)
        let later = SignedRequest.now.advanced(bySeconds: 100 * 365 * 86_400)
        #expect(authenticate(AuthenticatorTests.unsigned, after: first, directory(1), now: later).refusal != nil)
    }

    @Test("an account that moved within its organization is another caller")
    func moved() throws {
        let first = try #require(authenticate(AuthenticatorTests.unsigned, after: nil, directory(1)).caller)
        let other = directory(1, path: "o-abcdefghij/r-root/ou-other/")
        let second = try #require(authenticate(AuthenticatorTests.unsigned, after: first, other).caller)
        #expect(second !== first)
        #expect(second.organizationPath != first.organizationPath)
    }

    @Test("another certificate is not the one that was held to its trust domain")
    func certificate() throws {
        let first = try #require(authenticate(AuthenticatorTests.unsigned, after: nil, directory(1)).caller)
        let leaf = try fixture.factory.leaf(CertificateFactory.profile())
        let other = Authenticator.Arrival(
            endpoint: "vpce-1", clientCertificate: .required, sourceAddress: "192.0.2.7",
            certificate: try fixture.factory.identity(of: leaf))
        let outcome = Authenticator(rules: SignedRequest.rules).authenticate(
            AuthenticatorTests.unsigned, from: other, after: first, directory: directory(1, vouches: false),
            now: SignedRequest.now)
        #expect(outcome.refusal != nil)
    }

    @Test("an access key is looked up again under another revision, and every signature is verified")
    func accessKey() throws {
        let signed = SignedRequest().request()
        let first = try #require(authenticate(signed, after: nil, directory(1)).caller)
        #expect(authenticate(signed, after: first, directory(1, record: nil)).caller?.principal == first.principal)
        #expect(authenticate(signed, after: first, directory(2, record: nil)).refusal == .signature(.unknownKey))
        var forged = SignedRequest()
        forged.authorization = forged.sign(secret: "wrong")
        #expect(authenticate(forged.request(), after: first, directory(1)).refusal == .signature(.mismatch))
    }
}
