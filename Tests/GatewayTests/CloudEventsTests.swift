import Bus
import Domain
import Registry
import TestKit
import Testing

@testable import Gateway

/// A gateway whose owner's bus `orders` admits the sender, a connection to it and the sender's key.
private func withGateway(_ body: (TestGateway, RawClient, SigV4Signer) async throws -> Void) async throws {
    try await TestGateway.with(try Scene.snapshotWithOrders([Scene.admitsSender()]), body)
}

private let path = "/accounts/\(Scene.owner)/buses/orders/events"

private func event(_ id: String, _ source: String = "/s") -> String {
    #"{"specversion":"1.0","type":"t","source":"\#(source)","id":"\#(id)","data":{"n":1}}"#
}

extension RawClient {
    fileprivate func publish(
        _ gateway: TestGateway, _ body: String, _ signer: SigV4Signer, batch isBatch: Bool = false,
        target: String = path, method: String = "POST", more: [(name: String, value: String)] = []
    ) throws -> Answer {
        let type = isBatch ? "application/cloudevents-batch+json" : "application/cloudevents+json"
        let fields = signer.sign(
            [(name: "content-type", value: type)] + more, method: method, target: target,
            authority: TestGateway.authority, body: Array(body.utf8), at: gateway.clock.now)
        try send(method, target, fields, Array(body.utf8))
        return try receive()
    }
}

@Suite("CloudEvents through a real listener")
struct CloudEventsTests {
    @Test("an event stands on the bus of its path, under the id it is answered with")
    func stored() async throws {
        try await withGateway { gateway, client, signer in
            let answer = try client.publish(gateway, event("1"), signer)
            #expect(answer.status == 200)
            #expect(answer.head.contains("content-type: application/json"))
            let number = try #require(gateway.registry.snapshot.bus(Scene.bus("orders"))).number
            let stored = try #require(gateway.log.events(of: number).first)
            #expect(answer.body == #"{"EventId":"\#(gateway.services.eventIDs.id(of: stored.position))"}"#)
            var envelope: [UInt8] = []
            stored.appendEnvelope(to: &envelope, id: UniqueID(high: 1, low: 2), region: Scene.region)
            let shown = String(decoding: envelope, as: UTF8.self)
            #expect(shown.contains(#""detail-type":"t","source":"/s""#))
            #expect(shown.contains(#""detail":{"n":1},"isthmus":{"#))
            #expect(shown.contains(#""cloudEvent":{"id":"1"}}"#))
        }
    }

    @Test("an event that is denied is an error of the request; the bus that is not there reads as a denied one")
    func denied() async throws {
        try await withGateway { gateway, client, signer in
            let reserved = try client.publish(gateway, event("1", "aws.ec2"), signer)
            #expect(reserved.status == 400)
            #expect(reserved.body.contains("NotAuthorizedForSourceException"))
            let elsewhere = "/accounts/\(Scene.owner)/buses/nope/events"
            let missing = try client.publish(gateway, event("1"), signer, target: elsewhere)
            #expect(missing.status == 400)
            #expect(missing.body.contains("AccessDeniedException"))
        }
    }

    @Test("a batch is answered event by event, and each is guarded by itself")
    func batch() async throws {
        try await withGateway { gateway, client, signer in
            let old = Position(bus: BusNumber(9), sequence: Sequence(77))
            gateway.log.answerNext(.stored(Positions([Position(bus: BusNumber(9), sequence: Sequence(78))])))
            gateway.log.answerNext(.repeated(Positions([old]), entryMask: 1))
            gateway.log.answerNext(.repeated(Positions([old]), entryMask: 1))
            let events = "[\(event("1")),\(event("2")),{},\(event("3", "aws.ec2"))]"
            let answer = try client.publish(gateway, events, signer, batch: true)
            #expect(answer.status == 200)
            let id = gateway.services.eventIDs.id(of: old)
            #expect(answer.body.hasPrefix(#"{"FailedEntryCount":1,"Entries":[{"EventId":""#))
            #expect(answer.body.contains(#"},{"EventId":"\#(id)"},{"ErrorCode":"InvalidArgument""#))
            #expect(answer.body.hasSuffix(#"{"EventId":"\#(id)"}]}"#), "an event stored before is not denied now")
            #expect(Set(gateway.log.guards).count == 3)
            #expect(gateway.log.masks == [1, 1, 0])
            let empty = try client.publish(gateway, "[]", signer, batch: true)
            #expect(empty.body == #"{"FailedEntryCount":0,"Entries":[]}"#)
        }
    }

    @Test("a full log is an error of its events, and of the request where none was taken; an unknown outcome always is")
    func outcomes() async throws {
        try await withGateway { gateway, client, signer in
            let events = "[\(event("1")),\(event("2"))]"
            gateway.log.answerNext(.full(.keys))
            let partly = try client.publish(gateway, events, signer, batch: true)
            #expect(partly.status == 200)
            #expect(partly.body.hasPrefix(#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ServiceUnavailable""#))
            gateway.log.answerNext(.full(.disk))
            gateway.log.answerNext(.full(.disk))
            let full = try client.publish(gateway, events, signer, batch: true)
            #expect(full.status == 503)
            #expect(full.head.contains("retry-after: 1"))
            gateway.log.answerNext(.stored(Positions([Position(bus: BusNumber(9), sequence: Sequence(1))])))
            gateway.log.answerNext(.unknownOutcome)
            #expect(try client.publish(gateway, events, signer, batch: true).status == 500)
        }
    }

    @Test("paths that lead nowhere, other methods and missing signatures are refused")
    func refusals() async throws {
        try await withGateway { gateway, client, signer in
            for target in [
                "/accounts/12345678901/buses/orders/events", "/accounts/\(Scene.owner)/buses//events",
                "/accounts/\(Scene.owner)/buses/or%64ers/events", path + "?a=b", path + "/", "/accounts",
                "/accounts/\(Scene.owner)/buses/events",
            ] {
                #expect(try client.publish(gateway, event("1"), signer, target: target).status == 404, "\(target)")
            }
            let put = try client.publish(gateway, event("1"), signer, method: "PUT")
            #expect(put.status == 405 && put.head.contains("\r\nallow: post\r\n"))
            let key = [(name: "isthmus-idempotency-key", value: "k")]
            #expect(try client.publish(gateway, event("1"), signer, more: key).body.contains("ValidationException"))
            try client.send(
                "POST", path, [("host", TestGateway.authority), ("content-type", "application/cloudevents+json")],
                Array(event("1").utf8))
            #expect(try client.receive().body.contains("MissingAuthenticationTokenException"))
            #expect(gateway.log.guards.isEmpty)
        }
    }
}
