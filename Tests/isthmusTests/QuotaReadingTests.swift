import Domain
import Registry
import Testing

@testable import isthmus

@Suite struct QuotaReadingTests {
    private func fixture(_ quotas: String) throws -> ConfigurationFixture {
        var fixture = try ConfigurationFixture()
        fixture["etc/isthmus.yaml"] += "\nquotas:\n" + quotas
        return fixture
    }

    @Test("quotas of everybody, an account and a partner are read, and what is left out keeps its standard")
    func reads() throws {
        let quotas = try fixture(
            """
              everybody: {"*": {perSecond: 7, burst: 8}}
              accounts:
                "111122223333": {events:PutEvents: {perSecond: 1, burst: 2}}
                222233334444:
                  "*": {perSecond: 1000000, burst: 10000000}
              partners:
                aws.partner/acme.com: {events:PutPartnerEvents: {perSecond: 3, burst: 4}}
            """
        ).load().configuration.senderQuotas
        let account = try #require(AccountID(parsing: "111122223333"))
        let other = try #require(AccountID(parsing: "222233334444"))
        #expect(quotas.quota(of: .account(account), "events:PutEvents") == Quota(perSecond: 1, burst: 2))
        #expect(quotas.quota(of: .account(account), "events:TagResource") == Quota(perSecond: 7, burst: 8))
        #expect(quotas.quota(of: .account(other), "sts:*") == Quota(perSecond: 1_000_000, burst: 10_000_000))
        #expect(
            quotas.quota(of: .partner("aws.partner/acme.com"), "events:PutPartnerEvents")
                == Quota(perSecond: 3, burst: 4))
        #expect(
            quotas.quota(of: .partner("aws.partner/other"), "events:PutEvents")
                == SenderQuotas.standard["events:PutEvents"])
    }

    @Test("what is in effect is printed with the quotas and read back alike")
    func effective() throws {
        var fixture = try fixture(
            """
              accounts: {"111122223333": {events:PutEvents: {perSecond: 1, burst: 2}}}
              partners: {aws.partner/acme.com: {"*": {perSecond: 3, burst: 4}}}
            """)
        let text = try fixture.load().configuration.effective
        let account = "  accounts:\n    \"111122223333\":\n      \"events:PutEvents\":\n        perSecond: 1\n"
        #expect(text.contains(account))
        #expect(text.contains("    \"aws.partner/acme.com\":\n      \"*\":\n        perSecond: 3\n        burst: 4"))
        fixture["etc/isthmus.yaml"] = text.replacing("\"etc/", with: "\"") + "\naccounts: accounts/*.yaml\n"
        #expect(try fixture.load().configuration.effective == text)
    }

    @Test("each mistake is one line with what to write instead", arguments: mistakes)
    func mistake(text: String, complaint: String) throws {
        #expect(try fixture(text).complaints() == ["etc/isthmus.yaml:23: " + complaint])
    }

    static let mistakes: [(String, String)] = [
        ("  every: {}", "unknown key `every` in `quotas`: the keys here are `everybody`, `accounts`, `partners`"),
        (
            "  everybody: {events:PutEvent: {perSecond: 1, burst: 1}}",
            "`events:PutEvent` is not an action that has a quota: did you mean `events:PutEvents`?"
        ),
        (
            "  everybody: {sqs:SendMessage: {perSecond: 1, burst: 1}}",
            "`sqs:SendMessage` is not an action that has a quota: write one such as `events:PutEvents`, or \"*\" for "
                + "every other"
        ),
        (
            "  partners: {aws.partner/acme.com: {webhooks:Unproven: {perSecond: 1, burst: 1}}}",
            "`webhooks:Unproven` is counted by address, not by sender: write it under `everybody`"
        ),
        (
            "  everybody: {\"*\": {perSecond: 0, burst: 1}}",
            "`quotas.everybody.*.perSecond` is 0: write a number from 1 to 1000000"
        ),
        (
            "  everybody: {\"*\": {perSecond: 1, burst: 10000001}}",
            "`quotas.everybody.*.burst` is 10000001: write a number from 1 to 10000000"
        ),
        (
            "  everybody: {\"*\": {perSecond: 1}}",
            "`burst` is missing in `quotas.everybody.*`: write `burst: 2000`"
        ),
        ("  accounts: {\"1111\": {}}", "`1111` is not an account id: write its 12 digits in quotes"),
        (
            "  partners: {acme.com: {}}",
            "`acme.com` is not the name of a partner: write one such as `aws.partner/acme.com`"
        ),
        (
            "  partners: {aws.partner/acme.com/orders: {}}",
            "`aws.partner/acme.com/orders` is not the name of a partner: write one such as `aws.partner/acme.com`"
        ),
    ]
}
