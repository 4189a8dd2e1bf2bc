import Domain
import Identity
import JSON
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

extension Gateway.Operation {
    /// The operations that are tested here.
    var isOfPartners: Bool { rawValue.contains("EventSource") || self == .putPartnerEvents }
}

/// A control plane on fakes with a clock that the test moves.
private struct Plane {
    let store = InMemoryControlStore()
    let clock = SettableClock()
    let registry: Registry
    let plane: ControlPlane

    init(consentRequired: Set<AccountID> = []) throws {
        registry = Registry(
            try Scene.snapshot(try Scene.partnerDeclaration(consentRequired: consentRequired)))
        let metrics = Metrics()
        let logger = Logger(level: .error, clock: clock.clock, metrics: metrics, sink: { _ in })
        plane = ControlPlane(
            registry: registry, store: store, logger: logger, metrics: metrics, clock: clock.clock,
            decisions: DecisionRecorder(
                archive: InMemoryDecisionArchive().archive, allows: .none, metrics: metrics, logger: logger),
            onFatal: { _ in })
    }

    func ask(
        _ operation: Gateway.Operation, _ members: [String: String] = [:], as principal: Principal = Scene.administrator
    ) async -> Answer {
        let content = JSONNode.object(members.map { .init(key: $0.key, value: .string($0.value)) }).bytes()
        let request = ControlRequest(
            subject: .operation(operation), content: content, caller: Callers.caller(principal),
            requestID: UniqueID(high: 1, low: 2), token: 0, answers: AnswerQueue(wake: {}))
        let response = await plane.answer(request)
        return Answer(status: response.status, body: String(decoding: response.body, as: UTF8.self))
    }

    func state() async -> String? {
        let body = await ask(.describeEventSource, ["Name": orders]).body
        return ["PENDING", "ACTIVE", "DELETED"].first { body.contains("\"State\":\"\($0)\"") }
    }
}

private struct Answer {
    let status: UInt16
    let body: String
}

private let orders = Scene.orders.description
private let day: Int64 = 86_400
private let creation = ["Name": orders, "Account": "\(Scene.owner)"]
private let bus = ["Name": orders, "EventSourceName": orders]

@Suite("Operations on partner event sources")
struct PartnerOperationTests {
    @Test("a moved clock ends a source that waits, and the next change takes it out of the store")
    func expiry() async throws {
        let plane = try Plane()
        #expect(
            await plane.ask(.createPartnerEventSource, creation, as: Scene.publisher).body
                == #"{"EventSourceArn":"arn:aws:events:eu-central-1::event-source/\#(orders)"}"#)
        plane.clock.advance(bySeconds: 14 * day - 1)
        #expect(await plane.state() == "PENDING")
        plane.clock.advance(bySeconds: 1)
        #expect(await plane.state() == "DELETED")
        let refused = await plane.ask(.createEventBus, bus)
        #expect(refused.body.contains("InvalidStateException"))
        #expect(refused.body.contains("PENDING for 14 days until 2026-12-05T06:00:00Z"))
        #expect(await plane.ask(.createPartnerEventSource, creation, as: Scene.publisher).status == 200)
        #expect(await plane.ask(.createEventBus, bus).status == 200)
        plane.clock.advance(bySeconds: 400 * day)
        #expect(await plane.state() == "ACTIVE", "an active source does not age")
        #expect(await plane.ask(.deactivateEventSource, ["Name": orders]).status == 200)
        plane.clock.advance(bySeconds: 14 * day)
        #expect(await plane.state() == "DELETED")
        let other = ["Name": "aws.partner/acme.example/shop/other", "Account": "\(Scene.owner)"]
        #expect(await plane.ask(.createPartnerEventSource, other, as: Scene.publisher).status == 200)
        let stored = try plane.store.load().first { $0.key == orders }
        #expect(stored.map { String(decoding: $0.value, as: UTF8.self) }?.contains(#""end":"expiry""#) == true)
        let told = await plane.ask(.describeEventBus, ["Name": orders]).body
        #expect(told.contains(#""State":"DELETED","Reason":"it was"#))
    }

    @Test("consent is asked for, ends to the millisecond, and is not used up")
    func consent() async throws {
        let plane = try Plane(consentRequired: [Scene.owner])
        let refused = await plane.ask(.createPartnerEventSource, creation, as: Scene.publisher)
        #expect(refused.body.contains("AccessDeniedException"))
        #expect(refused.body.contains("isthmus partner authorize --account 444455556666 --partner acme.example"))
        let key = PartnerAuthorization.Key(account: Scene.owner, partner: Scene.acme)
        let now = plane.clock.now
        try await plane.plane.change { snapshot throws(ControlFault) in
            try snapshot.authorizingPartner(key, until: now.advanced(bySeconds: 60), at: now)
        }
        plane.clock.advance(bySeconds: 59)
        #expect(await plane.ask(.createPartnerEventSource, creation, as: Scene.publisher).status == 200)
        let second = ["Name": orders + "-2", "Account": "\(Scene.owner)"]
        #expect(await plane.ask(.createPartnerEventSource, second, as: Scene.publisher).status == 200)
        plane.clock.advance(bySeconds: 1)
        let third = ["Name": orders + "-3", "Account": "\(Scene.owner)"]
        #expect(await plane.ask(.createPartnerEventSource, third, as: Scene.publisher).status == 400)
        #expect(await plane.ask(.createEventBus, bus).status == 200, "what was created stays")
    }

    @Test("a principal without a policy may do nothing, on either side")
    func denied() async throws {
        let plane = try Plane()
        _ = await plane.ask(.createPartnerEventSource, creation, as: Scene.publisher)
        for operation in Gateway.Operation.allCases where operation.isOfPartners && operation != .putPartnerEvents {
            let more = ["EventSourceName": orders, "NamePrefix": "aws.partner/acme.example/"]
            let content = creation.merging(more) { $1 }
            let answer = await plane.ask(operation, content, as: Scene.nobody)
            #expect(answer.body.contains("AccessDeniedException"), "\(operation): \(answer.body)")
            let foreign = await plane.ask(operation, content, as: Scene.stranger)
            #expect(foreign.body.contains("AccessDeniedException"), "\(operation): \(foreign.body)")
        }
        #expect(await plane.state() == "PENDING")
    }

    @Test("a foreign partner manages its own sources, and sees those of nobody else")
    func foreignPartner() async throws {
        let plane = try Plane()
        let tickets = ["Name": Scene.tickets.description, "Account": "\(Scene.owner)"]
        #expect(await plane.ask(.createPartnerEventSource, tickets, as: Scene.stranger).status == 200)
        #expect(await plane.ask(.createPartnerEventSource, creation, as: Scene.publisher).status == 200)
        let own = await plane.ask(
            .listPartnerEventSources, ["NamePrefix": "aws.partner/initech.example/"], as: Scene.stranger)
        #expect(own.body.contains(Scene.tickets.description))
        for operation in [Gateway.Operation.describePartnerEventSource, .listPartnerEventSourceAccounts] {
            let refused = await plane.ask(
                operation, ["Name": orders, "EventSourceName": orders], as: Scene.stranger)
            let both = "The partner acme.example is account 111122223333, not account 999988887777."
            #expect(refused.body.contains(both))
        }
        #expect(await plane.ask(.describeEventSource, ["Name": orders], as: Scene.stranger).status == 400)
    }

    @Test("what the disk refused has not happened, and may be asked again")
    func fullDisk() async throws {
        let plane = try Plane()
        plane.store.failNext(.full)
        #expect(await plane.ask(.createPartnerEventSource, creation, as: Scene.publisher).status == 503)
        #expect(plane.registry.snapshot.partners.sources.isEmpty)
        #expect(await plane.ask(.createPartnerEventSource, creation, as: Scene.publisher).status == 200)
        plane.store.failNext(.full)
        #expect(await plane.ask(.createEventBus, bus).status == 503)
        #expect(await plane.state() == "PENDING")
        #expect(await plane.ask(.createEventBus, bus).status == 200)
    }
}
