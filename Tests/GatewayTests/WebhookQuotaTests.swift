import Bus
import Domain
import Identity
import Network
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

/// What a message costs here: its entry, and the first 64 KiB of its content.
private let price = 2
private let body = #"{"type":"order.placed"}"#
private let exhausted = "the quota of partner \(WebhookStage.partner) for events:PutPartnerEvents is used up"

/// The partner may send `messages`; unproven requests of one address are `unproven`. The clock of quotas stands still.
private func quotas(messages: Int, unproven: Int = 100) -> SenderQuotas {
    SenderQuotas(
        everybody: ["webhooks:Unproven": Quota(perSecond: 1, burst: price * unproven)],
        overrides: [
            .partner(WebhookStage.partner): [
                "events:PutPartnerEvents": Quota(perSecond: 1, burst: price * messages)
            ]
        ])
}

@Suite("What of a webhook its partner pays for")
struct WebhookQuotaTests {
    @Test("a captured message sent again is charged to the address it comes from, not to its partner")
    func captured() async throws {
        try await WebhookStage.with(try WebhookStage.webhook(), quotas: quotas(messages: 2, unproven: 3)) {
            gateway, client in
            let secret = try await gateway.addSecret()
            func post(_ id: String) throws -> Answer {
                try gateway.send(id, body, secret: secret.text, by: client)
            }
            #expect(try post("1").status == 200)
            for _ in 0..<3 { #expect(try post("1").status == 200) }
            let refused = try post("1")
            #expect(refused.status == 400)
            #expect(refused.body.contains("the quota of address 127.0.0.1 for webhooks:Unproven is used up"))
            #expect(refused.head.contains("retry-after: "))
            #expect(!refused.body.contains("decision id"), "what others send again fills no partner's records")
            #expect(gateway.services.metrics.value(of: .requestsThrottled) == 1)
            #expect(try post("2").status == 200)
            #expect(try post("3").body.contains(exhausted))
        }
    }

    @Test("a message that was refused for its quota is charged when it comes again")
    func refusedFirst() async throws {
        try await WebhookStage.with(try WebhookStage.webhook(), quotas: quotas(messages: 1)) { gateway, client in
            let secret = try await gateway.addSecret()
            for (id, status) in [("1", 200), ("2", 400), ("2", 400), ("1", 200)] {
                let answer = try gateway.send(id, body, secret: secret.text, by: client)
                #expect(answer.status == status)
                #expect(answer.body.contains(exhausted) == (status == 400))
            }
        }
    }

    @Test("a message is known again by what its key signed, whatever else its sender changes")
    func changed() async throws {
        let gitHub = try WebhookStage.webhook(.gitHub, .gitHub, id: .header("x-github-delivery"))
        try await WebhookStage.with(gitHub, quotas: quotas(messages: 2)) { gateway, client in
            let secret = try await gateway.addSecret()
            for delivery in 1...5 {
                let fields = WebhookStage.gitHub(body, secret: secret.text, delivery: "\(delivery)")
                #expect(try client.post(fields, body).status == 200)
            }
            let other = #"{"type":"order.shipped"}"#
            let fields = WebhookStage.gitHub(other, secret: secret.text, delivery: "1")
            #expect(try client.post(fields, other).status == 200, "one message is left of the quota")
        }
    }

    @Test("in shadow mode what is not signed is charged to its address, what is signed to its partner")
    func shadow() async throws {
        try await WebhookStage.with(
            try WebhookStage.webhook(mode: .shadow), quotas: quotas(messages: 1, unproven: 3)
        ) { gateway, client in
            let secret = try await gateway.addSecret()
            func post(_ secret: String, _ id: String) throws -> Answer {
                try gateway.send(id, body, secret: secret, by: client)
            }
            for id in 1...3 { #expect(try post(WebhookStage.otherSecret, "\(id)").status == 200) }
            #expect(try post(WebhookStage.otherSecret, "4").body.contains("address 127.0.0.1"))
            #expect(try post(secret.text, "5").status == 200)
            #expect(try post(secret.text, "6").body.contains(exhausted))
        }
    }

    @Test("what the log knows from before a restart is given back to the partner, while its address can pay")
    func afterRestart() async throws {
        try await WebhookStage.with(try WebhookStage.webhook(), quotas: quotas(messages: 2, unproven: 1)) {
            gateway, client in
            let secret = try await gateway.addSecret()
            func post(_ id: String) throws -> Answer {
                try gateway.send(id, body, secret: secret.text, by: client)
            }
            #expect(try post("1").status == 200)
            let bus = try #require(gateway.registry.snapshot.bus(Scene.bus(WebhookStage.source)))
            let before = Positions(bus: bus.number, first: Domain.Sequence(1), count: 1)
            for id in ["2", "3"] {
                gateway.log.answerNext(.repeated(before, entryMask: 1))
                #expect(try post(id).status == 200)
            }
            #expect(try post("4").body.contains(exhausted), "the second was not given back")
            #expect(gateway.services.metrics.value(of: .entriesRepeated) == 2)
        }
    }

    @Test("a message of which a copy was stored first, at the cost of its address, stays charged to its partner")
    func copyStoredFirst() async throws {
        try await WebhookStage.with(try WebhookStage.webhook(), quotas: quotas(messages: 2)) { gateway, client in
            let secret = try await gateway.addSecret()
            func post(_ id: String) throws -> Answer {
                try gateway.send(id, body, secret: secret.text, by: client)
            }
            let bus = try #require(gateway.registry.snapshot.bus(Scene.bus(WebhookStage.source)))
            for id in 1...2 as ClosedRange<UInt64> {
                let since = Positions(bus: bus.number, first: Domain.Sequence(id), count: 1)
                gateway.log.answerNext(.repeated(since, entryMask: 1))
                #expect(try post("\(id)").status == 200)
            }
            #expect(try post("3").body.contains(exhausted))
        }
    }

    @Test("messages sent again and unsigned ones take none of the partner's connections")
    func connections() async throws {
        var budgets = ConnectionBudgets()
        budgets.connectionsPerPrincipal = 2
        for mode in Webhook.Mode.allCases {
            try await WebhookStage.with(
                try WebhookStage.webhook(mode: mode), quotas: quotas(messages: 100), budgets: budgets
            ) { gateway, client in
                let secret = try await gateway.addSecret()
                func post(_ id: String, _ secret: String, by client: RawClient) throws -> Answer {
                    try gateway.send(id, body, secret: secret, by: client)
                }
                #expect(try post("1", secret.text, by: client).status == 200)
                let others = try (0..<3).map { _ in try RawClient(port: gateway.port) }
                for other in others {
                    let (id, key) = mode == .shadow ? ("2", WebhookStage.otherSecret) : ("1", secret.text)
                    #expect(try post(id, key, by: other).status == 200)
                }
                let second = try RawClient(port: gateway.port)
                #expect(try post("3", secret.text, by: second).status == 200)
                let third = try RawClient(port: gateway.port)
                #expect(try post("4", secret.text, by: third).body.contains("too many open connections"))
                #expect(others.count == 3)
            }
        }
    }

    @Test("a message sent again does not make its key look in use")
    func lastVerified() async throws {
        try await WebhookStage.with(try WebhookStage.webhook()) { gateway, client in
            let secret = try await gateway.addSecret()
            let start = gateway.clock.now
            let fields = try WebhookStage.standard("1", body, secret: secret.text, at: start)
            #expect(try client.post(fields, body).status == 200)
            gateway.clock.advance(bySeconds: 60)
            #expect(try client.post(fields, body).status == 200)
            #expect(gateway.services.webhooks.lastVerified(secret.id) == start)
        }
    }

    @Test("unsigned messages take none of their source's room in the memory of messages")
    func room() async throws {
        try await WebhookStage.with(try WebhookStage.webhook(mode: .shadow)) { gateway, client in
            let secret = try await gateway.addSecret()
            for text in [secret.text, WebhookStage.otherSecret] {
                #expect(try gateway.send("1", body, secret: text, by: client).status == 200)
            }
            let sources = gateway.log.guards.compactMap { guarded in
                if case .once(_, let source, _, _) = guarded { source } else { nil }
            }
            #expect(sources.count == 2 && sources[0] != sources[1])
        }
    }
}
