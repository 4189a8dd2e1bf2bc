import Domain
import Network
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

@Suite("What a webhook's message costs whose sender is gone", .timeLimit(.minutes(1)))
struct CancelledMessageTests {
    private static let price = 2
    private static let body = #"{"type":"order.placed"}"#
    private static let exhausted = "the quota of partner \(WebhookStage.partner) for events:PutPartnerEvents is used up"

    private func with(
        messages: Int, unproven: Int = 20, budgets: ConnectionBudgets = ConnectionBudgets(),
        _ body: (TestGateway, @escaping (String) throws -> RawClient) async throws -> Void
    ) async throws {
        let quotas = SenderQuotas(
            everybody: ["webhooks:Unproven": Quota(perSecond: 1, burst: Self.price * unproven)],
            overrides: [
                .partner(WebhookStage.partner): [
                    "events:PutPartnerEvents": Quota(perSecond: 1, burst: Self.price * messages)
                ]
            ])
        try await WebhookStage.with(try WebhookStage.webhook(), quotas: quotas, budgets: budgets) { gateway, _ in
            let secret = try await gateway.addSecret()
            try await body(gateway) { id in
                let client = try RawClient(port: gateway.port, patienceSeconds: 10)
                let fields = try WebhookStage.standard(id, Self.body, secret: secret.text, at: gateway.clock.now)
                try client.send("POST", WebhookStage.path, fields, Array(Self.body.utf8))
                return client
            }
        }
    }

    private func untilBegun(_ count: Int, _ gateway: TestGateway) async throws {
        try await until { gateway.works.begun.count >= count }
    }

    @Test("its partner stays charged, for a copy of it that waits beside it is stored at its address's cost")
    func copyBeside() async throws {
        try await with(messages: 1) { gateway, post in
            gateway.log.hold()
            let gone = try post("1")
            try await untilBegun(1, gateway)
            let copy = try post("1")
            try await untilBegun(2, gateway)
            let ended = await gateway.works.cancel(first: 1)
            #expect(ended == [true])
            gateway.log.release()
            #expect(try copy.receive().status == 200)
            #expect(gateway.log.guards.count == 1, "the copy alone is stored")
            #expect(try post("2").receive().body.contains(Self.exhausted), "the partner has paid for the first")
            gone.finishSending()
        }
    }

    @Test("however often it is sent and cancelled, its partner pays for it once, and its address for each copy")
    func copies() async throws {
        try await with(messages: 2, unproven: 4) { gateway, post in
            gateway.log.hold()
            for _ in 0..<3 {
                let gone = try post("1")
                try await untilBegun(1, gateway)
                let ended = await gateway.works.cancel()
                #expect(ended == [true])
                gone.finishSending()
            }
            #expect(gateway.services.metrics.value(of: .requestsCancelled) == 3)
            gateway.log.release()
            #expect(try post("1").receive().status == 200)
            #expect(gateway.log.guards.count == 1, "nothing that was cancelled is stored")
            #expect(try post("2").receive().status == 200)
            #expect(try post("3").receive().body.contains(Self.exhausted), "each stored message was paid for once")
            #expect(try post("1").receive().status == 200)
            #expect(try post("1").receive().body.contains("for webhooks:Unproven is used up"))
        }
    }

    @Test("sent again after it was cancelled it takes none of the partner's connections")
    func connections() async throws {
        var budgets = ConnectionBudgets()
        budgets.connectionsPerPrincipal = 1
        try await with(messages: 100, budgets: budgets) { gateway, post in
            gateway.log.hold()
            let gone = try post("1")
            try await untilBegun(1, gateway)
            let ended = await gateway.works.cancel()
            #expect(ended == [true])
            gateway.log.release()
            #expect(try post("1").receive().status == 200)
            #expect(try post("2").receive().body.contains("too many open connections"))
            gone.finishSending()
        }
    }
}
