import Domain
import Registry
import Testing

@testable import isthmus

@Suite struct PartnerReadingTests {
    private static let declared = #"partners: [{name: acme.example, account: "111122223333"}]"#

    private func fixture(_ text: String = Self.declared) throws -> ConfigurationFixture {
        var fixture = try ConfigurationFixture()
        fixture.replace("accounts: accounts/*.yaml", "accounts: accounts/*.yaml\n" + text)
        return fixture
    }

    @Test("partners and a customer's wish to be asked are read, shown, and declared")
    func reads() throws {
        var fixture = try fixture()
        fixture["etc/accounts/globex.yaml"] += "\npartnerConsent: required\n"
        let configuration = try fixture.load().configuration
        #expect(configuration.partners.map(\.name.description) == ["acme.example"])
        let shown = "partners:\n  - name: \"acme.example\"\n    account: \"111122223333\""
        #expect(configuration.effective.contains(shown))
        #expect(configuration.effective.contains("#   partnerConsent required"))
        let declaration = try Assembly(configuration).declaration
        #expect(declaration.partners.map { "\($0.key) \($0.value)" } == ["acme.example 111122223333"])
        #expect(declaration.consentRequired.map(\.description) == ["444455556666"])
        #expect(declaration.quotas.eventSourcesPerPartner == 10_000)
        let silent = try ConfigurationFixture().load().configuration
        #expect(silent.partners.isEmpty && silent.accounts.allSatisfy { $0.partnerConsent == .optional })
    }

    static let wrong: [(String, String)] = [
        (#"partners: [{name: acme/shop, account: "111122223333"}]"#, "write the part after `aws.partner/`"),
        (#"partners: [{name: "", account: "111122223333"}]"#, "partners[0].name"),
        (#"partners: [{name: acme.example, account: "1111"}]"#, "an account id is exactly 12 digits"),
        (#"partners: [{account: "111122223333"}]"#, "`name` is missing in `partners[0]`"),
        ("partners: [{name: acme.example}]", "`account` is missing in `partners[0]`"),
        (#"partners: [{name: a, account: "111122223333", region: x}]"#, "unknown key"),
        (
            #"partners: [{name: a, account: "111122223333"}, {name: a, account: "444455556666"}]"#,
            "partner `a` is account 111122223333 and account 444455556666"
        ),
        (#"partners: {a: "111122223333"}"#, "partners"),
    ]

    @Test("every mistake is said with what to write", arguments: wrong)
    func mistakes(_ text: String, _ words: String) throws {
        let said = try fixture(text).complaints()
        #expect(said.contains { $0.contains(words) }, "\(said)")
    }

    @Test("consent is required or optional, and only of an account with buses here")
    func consent() throws {
        var vague = try ConfigurationFixture()
        vague["etc/accounts/globex.yaml"] += "\npartnerConsent: perhaps\n"
        #expect(vague.complaints().contains { $0.contains("partnerConsent") })
        var foreign = try ConfigurationFixture()
        foreign["etc/accounts/acme.yaml"] = "account: 111122223333\nlocal: false\npartnerConsent: required\n"
        #expect(foreign.complaints().contains { $0.contains("no partner can send to a foreign account") })
    }
}
