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
    fileprivate func untilBegun(_ count: Int) async throws {
        try await until { works.begun.count >= count }
    }

    /// Returns when the log holds so many batches.
    fileprivate func untilHeld(_ count: Int) async throws {
        try await until { log.heldBatches >= count }
    }

    fileprivate func value(_ counter: Counter) -> Int64 { services.metrics.value(of: counter) }
}

@Suite("Requests whose senders are gone", .timeLimit(.minutes(1)))
struct CancellingTests {
    private func with(
        settings: Services.Settings = .init(), _ body: (TestGateway, RawClient, SigV4Signer) async throws -> Void
    ) async throws {
        try await TestGateway.with(
            try Scene.snapshotWithOrders([Scene.admitsSender()]), settings: settings, patienceSeconds: 10, body)
    }

    private func publish(_ gateway: TestGateway, _ signer: SigV4Signer) throws -> RawClient {
        let client = try RawClient(port: gateway.port, patienceSeconds: 10)
        try client.send("POST", "/", gateway.fields("PutEvents", content, signer), Array(content.utf8))
        return client
    }

    @Test("what the log has not begun with is never stored, and the next request is as if it had not come")
    func inTime() async throws {
        try await with { gateway, client, signer in
            gateway.log.hold()
            let gone = try (0..<3).map { _ in try publish(gateway, signer) }
            try await gateway.untilBegun(3)
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
            withExtendedLifetime(gone) {}
        }
    }

    @Test("what the log has begun with is stored and counted, and nobody is answered")
    func late() async throws {
        try await with { gateway, client, signer in
            gateway.log.hold(begun: true)
            let gone = try publish(gateway, signer)
            try await gateway.untilHeld(1)
            let ended = await gateway.works.cancel()
            #expect(ended == [false])
            #expect(gateway.value(.requestsCancelled) == 0)
            gateway.log.release()
            // The loop's round that made the second answer came after the one in which the batch before it ended.
            for _ in 0..<2 { #expect(try client.call(gateway, "PutEvents", content, signer).status == 200) }
            #expect(gateway.value(.entriesAccepted) == 3)
            #expect(gateway.services.metrics.value(of: .requestsInFlight) == 0)
            #expect(gone.receiveWithoutWaiting().isEmpty, "no answer is made for a request that was given up")
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
            try await gateway.untilHeld(1)
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

    @Test("a loop that withholds reading goes on while what was cancelled still waits for the log, and no longer")
    func withholding() async throws {
        var settings = Services.Settings()
        settings.logHighWaterBytes = 1000
        settings.logLowWaterBytes = 500
        try await with(settings: settings) { gateway, client, signer in
            gateway.log.setBytesOfOthers(2000)
            gateway.log.hold()
            let gone = try publish(gateway, signer)
            try await gateway.untilHeld(1)
            try await until { gateway.works.isWithholding }
            let ended = await gateway.works.cancel()
            #expect(ended == [true])
            #expect(gateway.works.withheldAfterCancelling)
            gateway.log.release()
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 200)
            gone.finishSending()
        }
    }
}
