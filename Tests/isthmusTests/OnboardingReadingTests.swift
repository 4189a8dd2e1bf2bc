import Cryptography
import Domain
import Testing

@testable import isthmus

@Suite struct OnboardingReadingTests {
    private static let authority = "/srv/etc/partners"
    private static let declared = """
        onboarding:
          authority: partners
          listener: vpce-open
          endpoint: https://events.example.com:8444
          bundle: acme.pem
        """

    private func fixture(_ text: String = Self.declared, trustDomain: String = "partners.example") throws
        -> ConfigurationFixture
    {
        var fixture = try ConfigurationFixture()
        fixture.replace(
            "admin:",
            """
              - id: vpce-open
                address: 127.0.0.1
                port: 8444
                certificate: server.pem
                privateKey: server.key
                clientCertificate: optional
            admin:
            """)
        fixture.replace("accounts: accounts/*.yaml", "accounts: accounts/*.yaml\n" + text)
        fixture.files[Self.authority + "/ca.pem"] = ConfigurationFixture.content(
            try ConfigurationFixture.authority("partners.example").certificate.pem())
        fixture.files[Self.authority + "/index.jsonl"] = ConfigurationFixture.content(
            IssuanceIndex.founded(trustDomain: trustDomain, at: ConfigurationFixture.now) + [0x0A])
        return fixture
    }

    private func spoiled(_ text: String, _ other: String) throws -> [String] {
        try fixture(Self.declared.replacing(text, with: other)).complaints()
    }

    @Test("where partners join is read and shown, with the key that they ask the listener for")
    func reads() throws {
        let fixture = try fixture()
        let configuration = try fixture.load().configuration
        let onboarding = try #require(configuration.onboarding)
        #expect(onboarding.authority == Self.authority)
        #expect(onboarding.trustDomain == "partners.example")
        #expect(onboarding.listener == "vpce-open")
        #expect(onboarding.certificateSeconds == 86_400)
        let server = try Certificate.certificates(pem: try #require(fixture.files["etc/server.pem"]).bytes)[0]
        #expect(onboarding.pin == server.publicKeyFingerprint)
        #expect(configuration.effective.contains("--pin` takes it: \(onboarding.pin.hexadecimal)"))
        #expect(configuration.effective.contains("certificateSeconds: 86400"))
        #expect(try ConfigurationFixture().load().configuration.onboarding == nil)
    }

    static let wrong: [(String, String, String)] = [
        ("  authority: partners\n", "", "`authority` is missing in `onboarding`"),
        ("  listener: vpce-open\n", "", "`listener` is missing in `onboarding`"),
        ("  endpoint: https://events.example.com:8444\n", "", "`endpoint` is missing in `onboarding`"),
        ("\n  bundle: acme.pem", "", "`bundle` is missing in `onboarding`"),
        ("  bundle:", "  pin: abc\n  bundle:", "unknown key"),
        ("authority: partners", "authority: nowhere", "`/srv/etc/nowhere` is no authority's directory"),
        ("authority: partners", "authority: [partners]", "onboarding.authority"),
        ("vpce-open", "vpce-none", "there is no listener `vpce-none`"),
        ("vpce-open", "vpce-a1", "`vpce-a1` requires a client certificate, and who joins has none yet"),
        ("bundle: acme.pem", "bundle: none.pem", "none.pem"),
        ("bundle: acme.pem", "bundle: server.key", "holds no usable certificates"),
        ("bundle: acme.pem", "bundle: acme.pem\n  certificateSeconds: 59", "write a number from 60 to 2592000"),
        ("bundle: acme.pem", "bundle: acme.pem\n  certificateSeconds: 2592001", "write a number from 60 to 2592000"),
        ("bundle: acme.pem", "bundle: acme.pem\n  certificateSeconds: 24h", "write a number from 60 to 2592000"),
    ]

    @Test("every mistake is said with what to write", arguments: wrong)
    func mistakes(_ text: String, _ other: String, _ words: String) throws {
        let said = try spoiled(text, other)
        #expect(said.contains { $0.contains(words) }, "\(said)")
    }

    @Test("the lengths of a certificate's life are taken to their ends", arguments: [60, 2_592_000])
    func lifetimes(_ seconds: Int) throws {
        let fixture = try fixture(Self.declared + "\n  certificateSeconds: \(seconds)")
        #expect(try fixture.load().configuration.onboarding?.certificateSeconds == seconds)
    }

    @Test(
        "an endpoint is https, a host and a port, and nothing else",
        arguments: [
            "http://events.example.com", "events.example.com:8444", "https://", "https://a/join", "https://user@a",
            "https://a b", "\"https://a\\tb\"", "https://é.example", "ftp://a",
        ])
    func endpoints(_ text: String) throws {
        let said = try spoiled("https://events.example.com:8444", text)
        #expect(said.contains { $0.contains("write https://HOST:PORT without a path") }, "\(said)")
    }

    @Test("an endpoint has so many bytes and no more")
    func endpointBytes() throws {
        for (count, isRead) in [(271, true), (272, true), (273, false)] {
            let endpoint = "https://" + String(repeating: "a", count: count - 8)
            #expect(try spoiled("https://events.example.com:8444", endpoint).isEmpty == isRead, "\(count) bytes")
        }
    }

    @Test("the partners' authority shares neither name nor key with a trust domain, and its directory must be whole")
    func authorities() throws {
        let isOne = "is one of `trustDomains`, too"
        #expect(try fixture(trustDomain: "acme.example").complaints().contains { $0.contains(isOne) })
        var shared = try fixture()
        shared.files[Self.authority + "/ca.pem"] = shared.files["etc/acme.pem"]
        #expect(shared.complaints().contains { $0.contains(isOne) })
        for (file, content, words) in [
            ("ca.pem", "hello", "holds no usable certificates"), ("index.jsonl", "{\n", "line 1 cannot be read"),
            ("index.jsonl", "", "its index names no trust domain"),
            ("index.jsonl", #"{"act":"found","trustDomain":"Not a name","at":1}"# + "\n", "names no trust domain"),
        ] {
            var broken = try fixture()
            broken[Self.authority + "/" + file] = content
            let said = broken.complaints()
            #expect(said.contains { $0.contains(words) && $0.contains("isthmus pki init") }, "\(file): \(said)")
        }
        for file in ["ca.pem", "index.jsonl"] {
            var missing = try fixture()
            missing.files[Self.authority + "/" + file] = nil
            #expect(missing.complaints().contains { $0.contains("is no authority's directory: there is no such file") })
        }
    }
}
