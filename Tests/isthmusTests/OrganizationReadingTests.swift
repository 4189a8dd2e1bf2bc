import AccessPolicy
import Cryptography
import Domain
import Registry
import Testing

@testable import isthmus

@Suite struct OrganizationReadingTests {
    /// The fixture with one organization, its key made anew.
    private func fixture(
        expiresAt: String = "2026-12-21T06:00:00Z", _ change: (inout ConfigurationFixture) throws -> Void = { _ in }
    ) throws -> ConfigurationFixture {
        var fixture = try ConfigurationFixture()
        let key = try PrivateKey.generate(.ed25519)
        let draft = #"""
            {"organization": "o-exampleorgid", "managementAccount": "111122223333", "sequence": 1,
             "issuedAt": "2026-11-01T00:00:00Z", "expiresAt": "\#(expiresAt)",
             "accounts": [{"id": "111122223333", "path": "o-exampleorgid/r-ab12/", "name": "acme"}]}
            """#
        let signed = try OrganizationFiles.sign(Array(draft.utf8), key: key)
        fixture.files["etc/org/manifest.json"] = ConfigurationFixture.content(signed.bytes)
        fixture.files["etc/org/manifest.sig"] = ConfigurationFixture.content(signed.signature)
        fixture.files["etc/org/public.pem"] = ConfigurationFixture.content(try key.publicKey().pem())
        fixture.replace("accounts: accounts/*.yaml", "accounts: accounts/*.yaml\n" + Self.text)
        try change(&fixture)
        return fixture
    }

    private static let text =
        "organizations:\n  - {manifest: org/manifest.json, signature: org/manifest.sig, publicKey: org/public.pem}"

    @Test("a manifest, its signature and the organization's key are read; compat is strict unless it says aws")
    func reads() throws {
        let loaded = try fixture().load()
        #expect(loaded.warnings == [])
        #expect(loaded.configuration.organizations.map(\.manifest.path) == ["etc/org/manifest.json"])
        #expect(loaded.configuration.organizations.map(\.signature.bytes.count) == [64])
        #expect(loaded.configuration.policyCompatibility == .strict)
        #expect(loaded.configuration.effective.contains("    publicKey: \"etc/org/public.pem\"\npolicies:\n  compat:"))
        let aws = try fixture { $0.replace("organizations:", "policies: {compat: aws}\norganizations:") }
        #expect(try aws.load().configuration.policyCompatibility == .aws)
    }

    @Test("a manifest that would be refused, and one past its expiry, are warned of and stop no reload")
    func warns() throws {
        let forged = try fixture { $0.files["etc/org/manifest.sig"] = ConfigurationFixture.content([1, 2, 3]) }
        let warnings = try forged.load().warnings.map(\.description)
        #expect(warnings.count == 1)
        #expect(
            warnings[0].hasPrefix(
                "etc/isthmus.yaml:21: warning: `etc/org/manifest.json` is refused: the signature is not that of"))
        let stale = try fixture(expiresAt: "2026-11-21T06:00:00Z").load().warnings.map(\.description)
        #expect(stale.count == 1 && stale[0].contains("expired at 2026-11-21T06:00:00Z"))
    }

    static let mistakes: [(String, String, String)] = [
        ("manifest: org/manifest.json", "manifest: org/none.json", "cannot read `etc/org/none.json`"),
        ("publicKey: org/public.pem", "publicKey: server.pem", "`etc/server.pem` is no public key"),
        (", publicKey: org/public.pem", "", "`publicKey` is missing in `organizations[0]`"),
        ("manifest:", "manifset:", "unknown key `manifset`"),
        ("organizations:", "policies: {compat: lax}\norganizations:", "`policies.compat` cannot be `lax`"),
        (
            "publicKey: org/public.pem}",
            "publicKey: org/public.pem}\n"
                + "  - {manifest: org/manifest.json, signature: org/manifest.sig, publicKey: org/public.pem}",
            "`etc/org/public.pem` is the key of another organization, too"
        ),
    ]

    @Test("each mistake is an error that names it", arguments: mistakes)
    func mistake(_ text: String, _ instead: String, _ complaint: String) throws {
        let complaints = try fixture { $0.replace(text, instead) }.complaints()
        #expect(complaints.contains { $0.contains(complaint) }, "\(complaints)")
    }

    @Test("a key that does not sign manifests is refused")
    func wrongKey() throws {
        let other = try PrivateKey.generate(.ecdsaP256)
        let complaints = try fixture {
            $0.files["etc/org/public.pem"] = ConfigurationFixture.content(try other.publicKey().pem())
        }.complaints()
        #expect(complaints.count == 1 && complaints[0].contains("`etc/org/public.pem` is not a key for Ed25519"))
        #expect(throws: ProgramError.self) { try OrganizationFiles.sign(Array("{}".utf8), key: other) }
    }

    @Test("a bus policy that is refused under strict is read under compat aws")
    func compatibility() throws {
        let policy =
            #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"events:PutEvents","#
            + #""Resource":"*"}}"#
        for (text, count) in [("policies: {compat: aws}\n", 0), ("", 1)] {
            var fixture = try ConfigurationFixture()
            fixture["etc/open.json"] = policy
            fixture.replace("name: orders,", "name: orders, policy: open.json,")
            fixture.replace("buses:", text + "buses:")
            #expect(fixture.complaints().count == count)
        }
    }

    @Test("a manifest is shown with an account a line, the management account marked")
    func shows() throws {
        let content = try fixture().load().configuration.organizations[0]
        let signed = try OrganizationFiles.verify(
            content.manifest.bytes, signature: content.signature.bytes, key: content.publicKey)
        #expect(
            OrganizationFiles.lines(signed.manifest) == [
                "organization o-exampleorgid, sequence 1, accounts 1, expires 2026-12-21T06:00:00Z",
                "111122223333  o-exampleorgid/r-ab12/  acme  (management account)",
            ])
    }
}
