import Bus
import Domain
import Network
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

private let content = #"{"Entries":[{"Source":"com.acme.orders","DetailType":"OrderPlaced","Detail":"{}"}]}"#

extension TestGateway {
    /// Returns when so many requests wait with the log or the control plane.
    fileprivate func untilBegun(_ count: Int) async {
        while works.begun.count < count { await Task.yield() }
    }

    /// Returns when the log holds so many batches.
    fileprivate func untilHeld(_ count: Int) async {
        while log.heldBatches < count { await Task.yield() }
    }

    fileprivate func value(_ counter: Counter) -> Int64 { services.metrics.value(of: counter) }
}

@Suite("Requests whose senders are gone")
struct CancellingTests {
    private func with(
        settings: Services.Settings = .init(), _ body: (TestGateway, RawClient, SigV4Signer) async throws -> Void
    ) async throws {
        try await TestGateway.with(
            try Scene.snapshotWithOrders([Scene.admitsSender()]), settings: settings, patienceSeconds: 10, body)
    }

    private func publish(
        _ gateway: TestGateway, _ signer: SigV4Signer, patienceSeconds: Int = 10
    ) throws -> RawClient {
        let client = try RawClient(port: gateway.port, patienceSeconds: patienceSeconds)
        try client.send("POST", "/", gateway.fields("PutEvents", content, signer), Array(content.utf8))
        return client
    }

    @Test("what the log has not begun with is never stored, and the next request is as if it had not come")
    func inTime() async throws {
        try await with { gateway, client, signer in
            gateway.log.hold()
            let gone = try (0..<3).map { _ in try publish(gateway, signer) }
            await gateway.untilBegun(3)
            let ended = await gateway.works.cancel()
            #expect(ended == [true, true, true])
            #expect(gateway.value(.requestsCancelled) == 3)
            gateway.log.release()
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 200)
            let number = try #require(gateway.registry.snapshot.bus(Scene.bus("default", of: Scene.sender))).number
            #expect(gateway.log.events(of: number).count == 1)
            #expect(gateway.log.guards.count == 1)
            #expect(gateway.value(.entriesAccepted) == 1)
            #expect(gateway.services.metrics.value(of: .requestsInFlight) == 0)
            #expect(gone.count == 3)
        }
    }

    @Test("what the log has begun with is stored and counted, and nobody is answered")
    func late() async throws {
        try await with { gateway, client, signer in
            gateway.log.hold(begun: true)
            let gone = try publish(gateway, signer, patienceSeconds: 1)
            await gateway.untilHeld(1)
            let ended = await gateway.works.cancel()
            #expect(ended == [false])
            #expect(gateway.value(.requestsCancelled) == 0)
            gateway.log.release()
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 200)
            #expect(gateway.value(.entriesAccepted) == 2)
            #expect(gateway.services.metrics.value(of: .requestsInFlight) == 0)
            #expect(gone.receiveSome().isEmpty, "no answer is made for a request that was given up")
        }
    }

    @Test("a batch of CloudEvents is cancelled with all its events")
    func scattered() async throws {
        try await with { gateway, client, signer in
            let event = { (id: Int) in
                #"{"specversion":"1.0","id":"\#(id)","source":"com.acme.orders","type":"t","data":{}}"#
            }
            let body = "[\(event(1)),\(event(2)),\(event(3))]"
            let path = "/accounts/\(Scene.owner)/buses/orders/events"
            let fields = signer.sign(
                [("content-type", "application/cloudevents-batch+json")], target: path,
                authority: TestGateway.authority, body: Array(body.utf8), at: gateway.clock.now)
            gateway.log.hold()
            try client.send("POST", path, fields, Array(body.utf8))
            await gateway.untilHeld(1)
            let ended = await gateway.works.cancel()
            #expect(ended == [true])
            gateway.log.release()
            let other = try RawClient(port: gateway.port, patienceSeconds: 10)
            #expect(try other.call(gateway, "PutEvents", content, signer).status == 200)
            #expect(gateway.log.guards.count == 1)
            #expect(gateway.value(.requestsCancelled) == 1)
            #expect(gateway.services.metrics.value(of: .requestsInFlight) == 0)
        }
    }

    @Test("a loop that withholds reading reads again when the last request it waited for is cancelled")
    func withholding() async throws {
        var settings = Services.Settings()
        settings.logHighWaterBytes = 1000
        settings.logLowWaterBytes = 500
        try await with(settings: settings) { gateway, client, signer in
            gateway.log.setBytesOfOthers(2000)
            gateway.log.hold()
            let gone = try publish(gateway, signer)
            await gateway.untilHeld(1)
            while !gateway.works.isWithholding { await Task.yield() }
            let ended = await gateway.works.cancel()
            #expect(ended == [true])
            #expect(!gateway.works.withheldAfterCancelling)
            gateway.log.setBytesOfOthers(0)
            gateway.log.release()
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 200)
            gone.finishSending()
        }
    }
}

@Suite("What a webhook's message costs that is cancelled")
struct CancelledMessageTests {
    private static let price = 2
    private static let body = #"{"type":"order.placed"}"#
    private static let exhausted = "the quota of partner \(WebhookStage.partner) for events:PutPartnerEvents is used up"

    private func with(
        messages: Int, unproven: Int, budgets: ConnectionBudgets = ConnectionBudgets(),
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

    @Test("its partner gets its units back and pays when it comes again: nothing is saved up, nothing is spent")
    func paidAgain() async throws {
        try await with(messages: 2, unproven: 20) { gateway, post in
            gateway.log.hold()
            for _ in 0..<3 {
                let gone = try post("1")
                await gateway.untilBegun(1)
                let ended = await gateway.works.cancel()
                #expect(ended == [true])
                gone.finishSending()
            }
            gateway.log.release()
            #expect(try post("1").receive().status == 200)
            #expect(try post("2").receive().status == 200)
            #expect(try post("3").receive().body.contains(Self.exhausted), "each stored message was paid for once")
            #expect(try post("1").receive().status == 200, "and comes again at its address's cost")
        }
    }

    @Test("where its address cannot pay, it is stored, and stays paid for")
    func addressCannotPay() async throws {
        try await with(messages: 3, unproven: 1) { gateway, post in
            for _ in 0..<2 { #expect(try post("1").receive().status == 200) }
            let before = gateway.value(.entriesAccepted)
            let answered = await gateway.works.cancel()
            #expect(answered == [false, false], "what is answered is not cancelled")
            gateway.log.hold()
            let gone = try post("2")
            await gateway.untilBegun(1)
            let ended = await gateway.works.cancel()
            #expect(ended == [false])
            gateway.log.release()
            #expect(try post("3").receive().status == 200)
            #expect(gateway.value(.entriesAccepted) == before + 2)
            #expect(try post("2").receive().body.contains("for webhooks:Unproven is used up"))
            gone.finishSending()
        }
    }

    @Test("sent again after it was cancelled it takes none of the partner's connections")
    func connections() async throws {
        var budgets = ConnectionBudgets()
        budgets.connectionsPerPrincipal = 1
        try await with(messages: 100, unproven: 100, budgets: budgets) { gateway, post in
            gateway.log.hold()
            let gone = try post("1")
            await gateway.untilBegun(1)
            let ended = await gateway.works.cancel()
            #expect(ended == [true])
            gateway.log.release()
            #expect(try post("1").receive().status == 200)
            #expect(try post("2").receive().body.contains("too many open connections"))
            gone.finishSending()
        }
    }
}
