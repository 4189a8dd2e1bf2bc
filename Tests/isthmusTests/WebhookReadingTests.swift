import Domain
import Identity
import Registry
import Testing

@testable import isthmus

@Suite struct WebhookReadingTests {
    private static let source = "source: aws.partner/acme.example/shop/orders"
    private static let type = "detailType: {value: Order}"

    private func loaded(_ members: String) throws -> ConfigurationFixture {
        var fixture = try ConfigurationFixture()
        fixture["etc/isthmus.yaml"] += "\nwebhooks: [{\(members)}]\n"
        return fixture
    }

    @Test("a webhook in shadow mode is warned of, one that enforces is not", arguments: ["shadow", "enforce"])
    func shadow(mode: String) throws {
        let warnings = try loaded("\(Self.source), scheme: github, mode: \(mode), \(Self.type)").load().warnings
        let warned = warnings.map(\.message).filter { $0.contains("whoever reaches the gateway sends as `aws.") }
        #expect(warned.count == (mode == "shadow" ? 1 : 0))
    }

    @Test("a webhook is read with its defaults, and the effective configuration reads back as the same")
    func reads() throws {
        let fixture = try loaded("\(Self.source), scheme: standard-webhooks, \(Self.type)")
        let configuration = try fixture.load().configuration
        let webhook = try #require(configuration.webhooks.first)
        #expect(webhook.source.description == "aws.partner/acme.example/shop/orders")
        #expect(webhook.mode == .enforce)
        #expect(webhook.toleranceSeconds == 300)
        #expect(webhook.id == .header("webhook-id"))
        #expect(webhook.detailType == .value("Order"))
        #expect(configuration.effective.contains("  - source: \"aws.partner/acme.example/shop/orders\""))
        let described =
            "\(Self.source), scheme: hmac, mode: shadow, toleranceSeconds: 30, detailType: {pointer: /a~1b}, "
            + "time: {header: X-Time}, hmac: {header: X-Signature, encoding: base64, digest: sha512, prefix: \"a=\", "
            + "timestampHeader: X-Time, idHeader: X-Id, template: \"{timestamp}.{id}.{body}\"}"
        let effective = try loaded(described).load().configuration.effective
        let block = try #require(effective.split(separator: "webhooks:\n").last?.split(separator: "\ndecisions:").first)
        var again = try ConfigurationFixture()
        again["etc/isthmus.yaml"] += "\nwebhooks:\n\(block)\n"
        #expect(block.contains("template: \"{timestamp}.{id}.{body}\"}"))
        #expect(try again.load().configuration.effective.contains("webhooks:\n\(block)\ndecisions:"))
        let gitHub = try loaded("\(Self.source), scheme: github, detailType: {header: X-GitHub-Event}")
        #expect(try gitHub.load().configuration.effective.contains("# replayable"))
    }

    @Test(
        "each mistake is one line that says what to write instead",
        arguments: [
            ("scheme: github, \(type)", "`source` is missing"), ("\(source), \(type)", "`scheme` is missing"),
            ("\(source), scheme: github", "`detailType` is missing"),
            ("source: aws.partner/acme, scheme: github, \(type)", "not a partner event source"),
            ("\(source), scheme: gitlab, \(type)", "cannot be `gitlab`"),
            ("\(source), scheme: github, \(type), mode: watch", "cannot be `watch`"),
            ("\(source), scheme: github, \(type), toleranceSeconds: 60", "signs no time"),
            ("\(source), scheme: stripe, \(type), toleranceSeconds: 0", "write a number from 1 to 300"),
            ("\(source), scheme: stripe, \(type), toleranceSeconds: 301", "write a number from 1 to 300"),
            ("\(source), scheme: stripe, \(type), tolerance: 60", "unknown key `tolerance`"),
            ("\(source), scheme: hmac, \(type)", "`hmac` is missing"),
            ("\(source), scheme: github, \(type), hmac: {header: X}", "describes the scheme `hmac` only"),
            ("\(source), scheme: hmac, \(type), hmac: {}", "`header` is missing"),
            ("\(source), scheme: hmac, \(type), hmac: {header: \"a b\"}", "`a b` is no field name"),
            ("\(source), scheme: hmac, \(type), hmac: {header: X, template: \"{id}\"}", "{body} must stand"),
            ("\(source), scheme: hmac, \(type), hmac: {header: X, template: \"{id}.{body}\"}", "idHeader"),
            ("\(source), scheme: hmac, \(type), hmac: {header: X, encoding: hex64}", "cannot be `hex64`"),
            ("\(source), scheme: github, detailType: {}", "names 0 places"),
            ("\(source), scheme: github, detailType: {header: A, value: b}", "names 2 places"),
            ("\(source), scheme: github, detailType: {header: \"A B\"}", "not the name of a header field"),
            ("\(source), scheme: github, detailType: {pointer: a}", "not a JSON pointer"),
            ("\(source), scheme: github, detailType: {pointer: \"/a~2\"}", "not a JSON pointer"),
            ("\(source), scheme: github, \(type), id: {value: a}", "unknown key `value`"),
            ("\(source), scheme: github, \(type)}, {\(source), scheme: slack, \(type)", "declared twice"),
        ])
    func mistakes(members: String, complaint: String) throws {
        let complaints = try loaded(members).complaints()
        #expect((1...2).contains(complaints.count), "\(complaints)")
        #expect(complaints.first?.contains(complaint) == true, "\(complaints)")
    }
}
