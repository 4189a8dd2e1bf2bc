import Bus
import Cryptography
import Domain
import Identity
import JSON
import Network
import Registry
import TestKit
import Testing

@testable import Gateway

/// A gateway where a partner's source has a webhook, and messages for it as vendors sign them.
enum WebhookStage {
    static let source = "aws.partner/acme.example/shop/orders"
    static let partner = "aws.partner/acme.example"
    static let path = "/webhooks/\(source)"
    /// A secret that nobody registered.
    static let otherSecret = "whsec_" + String(repeating: "A", count: 43)

    /// A webhook of `source`.
    static func webhook(
        _ scheme: WebhookBatch.Scheme = .standardWebhooks, _ described: WebhookScheme? = .standardWebhooks,
        mode: Webhook.Mode = .enforce, detailType: Webhook.Place = .value("Order"),
        id: Webhook.Place? = .header("webhook-id"), time: Webhook.Place? = nil
    ) throws -> Webhook {
        Webhook(
            source: try #require(PartnerEventSourceName(parsing: source)), scheme: scheme, described: described,
            mode: mode, toleranceSeconds: 300, detailType: detailType, id: id, time: time)
    }

    /// A gateway where the foreign partner's source is active for the owner, unless `isActive` says otherwise.
    static func with(
        _ webhook: Webhook, isActive: Bool = true, quotas: SenderQuotas = SenderQuotas(),
        budgets: ConnectionBudgets = ConnectionBudgets(), _ body: (TestGateway, RawClient) async throws -> Void
    ) async throws {
        let base = try Scene.declaration()
        let declaration = Declaration(
            partition: base.partition, region: base.region, accounts: base.accounts, trustDomains: [], seeds: [],
            endpoints: base.endpoints, quotas: base.quotas,
            partners: [webhook.source.partner: Scene.foreign], senderQuotas: quotas, webhooks: [source: webhook])
        var snapshot = try Scene.snapshot(declaration)
        let now = SettableClock.start
        snapshot = try snapshot.addingPartnerEventSource(
            webhook.source, partnerAccount: Scene.foreign, account: Scene.owner, hasConsent: true, at: now
        ).snapshot
        if isActive {
            snapshot = try snapshot.addingEventBus(
                for: webhook.source, account: Scene.owner, properties: .init(createdAt: now, modifiedAt: now), at: now
            ).snapshot
        }
        let gateway = try await TestGateway.start(snapshot, budgets: budgets)
        do {
            try await body(gateway, try RawClient(port: gateway.port))
        } catch {
            await gateway.stop()
            throw error
        }
        await gateway.stop()
    }

    /// The fields of a Standard Webhooks message.
    static func standard(
        _ id: String, _ body: String, secret: String, at now: Timestamp
    ) throws -> [(name: String, value: String)] {
        let key = try #require(Base64Text.bytes(unpadded: Array(secret.dropFirst("whsec_".count).utf8)))
        let code = HMACSHA256.authenticate(Array("\(id).\(now.seconds).\(body)".utf8), key: key).bytes
        return [
            ("host", TestGateway.authority), ("content-type", "application/json"), ("webhook-id", id),
            ("webhook-timestamp", "\(now.seconds)"), ("webhook-signature", "v1,\(Base64Text.text(code))"),
        ]
    }

    /// The fields of a GitHub delivery, whose id is not signed.
    static func gitHub(_ body: String, secret: String, delivery: String) -> [(name: String, value: String)] {
        let code = HMACSHA256.authenticate(Array(body.utf8), key: Array(secret.utf8)).hexadecimal
        return [
            ("host", TestGateway.authority), ("x-hub-signature-256", "sha256=\(code)"), ("x-github-event", "push"),
            ("x-github-delivery", delivery),
        ]
    }
}

extension TestGateway {
    /// Carries out a verb of the control socket.
    func verb(_ text: String) async throws -> JSONNode {
        let lines = Lines()
        await ControlVerbs(services: services, plane: plane).answer(Array(text.utf8)) { line in
            lines.append(line)
            return true
        }
        return try JSONNode(parsing: Array(lines.text.utf8))
    }

    /// Sends a Standard Webhooks message, signed at the clock's time or `offset` seconds off, and returns its answer.
    func send(
        _ id: String, _ body: String, secret: String, offset: Int64 = 0, by client: RawClient
    ) throws -> Answer {
        let now = clock.now.advanced(bySeconds: offset)
        return try client.post(try WebhookStage.standard(id, body, secret: secret, at: now), body)
    }

    /// Adds a secret of the webhook: made here, or `key` as its vendor shows it.
    func addSecret(_ verb: String = "create", key: String? = nil) async throws -> (id: String, text: String) {
        let member = key.map { #","key":"\#($0)""# } ?? ""
        let answer = try await self.verb(
            #"{"verb":"webhook.secret.\#(verb)","source":"\#(WebhookStage.source)"\#(member)}"#)
        return (try #require(answer["id"]?.string), answer["secret"]?.string ?? key ?? "")
    }
}

extension RawClient {
    /// A message to the webhook and its answer.
    func post(_ fields: [(name: String, value: String)], _ body: String) throws -> Answer {
        try send("POST", WebhookStage.path, fields, Array(body.utf8))
        return try receive()
    }
}
