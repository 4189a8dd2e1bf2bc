import AccessPolicy
import Bus
import Domain
import Registry
import TestKit
import Testing

/// What became of one partner's entry: the bus it may stand on, or code and message.
private enum Verdict: Equatable {
    case permitted(String)
    case denied(ErrorCode, String)
}

private func decide(
    _ snapshot: Snapshot, _ source: String = Scene.orders.description, type: String = "OrderPlaced",
    as principal: Principal = Scene.publisher, at now: Timestamp = SettableClock.start, last: UInt64? = nil
) -> Verdict {
    let admission = PartnerAdmission { _ in last.map { Domain.Sequence($0) } }
    admission.begin(CallerFacts(Callers.caller(principal), snapshot), snapshot, now: now)
    switch admission.decide(Entry(source: source, detailType: type), decisionID: UniqueID(high: 1, low: 2)) {
    case .permit(let permit): return .permitted(permit.bus.arn)
    case .denial(let denial): return .denied(denial.code, denial.message)
    }
}

private let ordersBus = Scene.arn(Scene.orders.description)
private let ticketsBus = Scene.arn(Scene.tickets.description)

@Suite("What a partner may send")
struct PartnerAdmissionTests {
    private func snapshot(
        publisher: [String] = [Scene.everything], endpoint: [String]? = nil
    ) throws -> Snapshot {
        let policy = try endpoint.map { try Scene.policy($0, .endpoint) }
        return try Scene.snapshot(
            try Scene.partnerDeclaration(
                publisher: publisher, endpoints: [Scene.listener: .init(vpc: nil, policy: policy)]))
    }

    @Test("an active source carries its partner's entries to its customer's bus, without a policy of the bus")
    func active() throws {
        #expect(decide(try snapshot().withSource()) == .permitted(ordersBus))
        let foreign = try snapshot().withSource(Scene.tickets)
        #expect(decide(foreign, Scene.tickets.description, as: Scene.stranger) == .permitted(ticketsBus))
    }

    @Test("a local partner's principal needs an identity policy, and its denies win")
    func identity() throws {
        guard case .denied(.accessDenied, let message) = decide(try snapshot(publisher: []).withSource()) else {
            Issue.record("a principal without a policy was admitted")
            return
        }
        #expect(message.hasSuffix("because no identity-based policy allows the events:PutPartnerEvents action"))
        let other = #"{"Effect":"Allow","Action":"events:PutEvents","Resource":"*"}"#
        #expect(decide(try snapshot(publisher: [other]).withSource()) != .permitted(ordersBus))
        let deny = #"{"Effect":"Deny","Action":"events:PutPartnerEvents","Resource":"*"}"#
        #expect(decide(try snapshot(publisher: [Scene.everything, deny]).withSource()) != .permitted(ordersBus))
    }

    @Test(
        "a bus policy denies but never allows, whichever way it names publishing",
        arguments: ["events:PutPartnerEvents", "events:PutEvents", "events:*"])
    func busPolicy(_ action: String) throws {
        func policy(_ effect: String, _ source: String) throws -> Snapshot {
            let condition = #""Condition":{"StringEquals":{"events:source":"\#(source)"}}"#
            return try snapshot().withSource().replacingPolicy(
                of: Scene.bus(Scene.orders.description),
                with: try Scene.document(
                    #"{"Effect":"\#(effect)","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"#
                        + #""Action":"\#(action)","Resource":"\#(ordersBus)",\#(condition)}"#),
                at: SettableClock.start
            ).snapshot
        }
        guard case .denied(.accessDenied, let message) = decide(try policy("Deny", Scene.orders.description)) else {
            Issue.record("a deny did not win")
            return
        }
        #expect(message.hasSuffix("with an explicit deny in a resource-based policy"))
        #expect(decide(try policy("Deny", "com.other")) == .permitted(ordersBus))
        let waiting = try policy("Allow", Scene.orders.description).deactivatingEventSource(
            Scene.orders, account: Scene.owner, at: SettableClock.start
        ).snapshot
        #expect(decide(waiting) != .permitted(ordersBus))
    }

    @Test("the endpoint policy has to allow the action, and its denies win")
    func endpoint() throws {
        let publishing = #"{"Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"*"}"#
        let both =
            #"{"Effect":"Allow","Principal":"*","Action":["events:PutEvents","events:PutPartnerEvents"],"#
            + #""Resource":"*"}"#
        let deny = #"{"Effect":"Deny","Principal":"*","Action":"events:PutPartnerEvents","Resource":"*"}"#
        #expect(decide(try snapshot(endpoint: [publishing]).withSource()) != .permitted(ordersBus))
        #expect(decide(try snapshot(endpoint: [both]).withSource()) == .permitted(ordersBus))
        #expect(decide(try snapshot(endpoint: [both, deny]).withSource()) != .permitted(ordersBus))
    }

    @Test("each claim that does not agree is refused, and both sides are named")
    func binding() throws {
        let both = try snapshot().withSource().withSource(Scene.tickets)
        let start = "Not authorized for the source: "
        let rows: [(String, Principal, ErrorCode, String)] = [
            (
                Scene.orders.description, Scene.stranger, .notAuthorizedForSource,
                start + "partner acme.example is account 111122223333, the caller is of account 999988887777."
            ),
            (
                Scene.tickets.description, Scene.publisher, .notAuthorizedForSource,
                start + "partner initech.example is account 999988887777, the caller is of account 111122223333."
            ),
            (
                Scene.orders.description, Scene.administrator, .notAuthorizedForSource,
                start + "partner acme.example is account 111122223333, the caller is of account 444455556666."
            ),
            (
                "aws.partner/nobody.example/a/b", Scene.publisher, .notAuthorizedForSource,
                start + "partner nobody.example is no account known here, the caller is of account 111122223333."
            ),
            (
                "com.acme.orders", Scene.publisher, .notAuthorizedForSource,
                start + "PutPartnerEvents takes partner event sources, `aws.partner/…`; account 111122223333 sends "
                    + "`com.acme.orders` with PutEvents."
            ),
            (
                "aws.partner/acme.example/shop/absent", Scene.publisher, .resourceNotFound,
                "Partner event source aws.partner/acme.example/shop/absent does not exist; call "
                    + "CreatePartnerEventSource first."
            ),
        ]
        for (source, principal, code, message) in rows {
            #expect(decide(both, source, as: principal) == .denied(code, message))
        }
        let moved = try both.adopting(
            try Scene.partnerDeclaration(partners: [Scene.acme: Scene.owner]), at: SettableClock.start
        ).snapshot
        #expect(
            decide(moved, as: Scene.administrator)
                == .denied(
                    .notAuthorizedForSource,
                    start + "\(Scene.orders) was created by account 111122223333, the caller is of account "
                        + "444455556666."))
        #expect(decide(moved) != .permitted(ordersBus))
    }

    @Test(
        "a source that only looks like one is none",
        arguments: [
            "aws.partner/", "aws.partner/acme.example", "aws.partner/acme.example/", "aws.partner//shop/orders",
            "aws.partner/acme.example/shop/orders/", "aws.partner/acme.example/shop/order\u{0}s",
            "aws.partner/acme.example/shop/or\u{212A}ers",
            "aws.partner/acme.example/shop/" + String(repeating: "x", count: 227),
        ])
    func malformed(_ source: String) throws {
        guard case .denied(.invalidArgument, _) = decide(try snapshot().withSource(), source) else {
            Issue.record("`\(source)` was not refused as an argument")
            return
        }
    }

    @Test("the Kelvin sign does not open the source that is spelt with a K")
    func lookAlike() throws {
        let kelvin = Scene.source("aws.partner/acme.example/shop/Kelvin")
        let there = try snapshot().withSource(kelvin)
        #expect(decide(there, kelvin.description) == .permitted(Scene.arn(kelvin.description)))
        let alike = kelvin.description.replacing("K", with: "\u{212A}")
        #expect(alike == kelvin.description, "the language thinks them equal")
        guard case .denied(.invalidArgument, _) = decide(there, alike) else {
            Issue.record("a look-alike was admitted")
            return
        }
    }

    @Test("a source that waits, was deleted or is suspended refuses with what comes next")
    func states() throws {
        let (now, name) = (SettableClock.start, Scene.orders)
        let waiting = try snapshot().withSource(isActive: false)
        let active = try snapshot().withSource()
        let paused = try active.deactivatingEventSource(name, account: Scene.owner, at: now).snapshot
        let deleted = try active.removingPartnerEventSource(
            name, partnerAccount: Scene.sender, account: Scene.owner, at: now
        ).snapshot
        let suspended = try active.suspendingPartnerEventSource(name, holds: false, lastSequence: nil, at: now).snapshot
        let start = "Partner event source \(name) is "
        let rows: [(Snapshot, String)] = [
            (
                waiting,
                "PENDING: account 444455556666 calls CreateEventBus with EventSourceName before 2026-12-05T06:00:00Z."
            ),
            (paused, "PENDING: account 444455556666 calls ActivateEventSource before 2026-12-05T06:00:00Z."),
            (
                deleted,
                "DELETED: its partner deleted it at 2026-11-21T06:00:00Z; the partner calls CreatePartnerEventSource "
                    + "to begin again."
            ),
            (
                suspended,
                "suspended since 2026-11-21T06:00:00Z by the operator of this gateway, who resumes it."
            ),
        ]
        for (state, message) in rows { #expect(decide(state) == .denied(.invalidState, start + message)) }
        let later = now.advanced(bySeconds: 14 * 86_400)
        guard case .denied(.invalidState, let message) = decide(paused, at: later) else {
            Issue.record("an expired source admitted an entry")
            return
        }
        #expect(message.hasPrefix(start + "DELETED: it was PENDING for 14 days until 2026-12-05T06:00:00Z"))
    }

    @Test("held events are admitted up to the last that may be held")
    func holding() throws {
        let held = try snapshot().withSource().suspendingPartnerEventSource(
            Scene.orders, holds: true, lastSequence: Domain.Sequence(7), at: SettableClock.start
        ).snapshot
        #expect(held.heldFrom(Scene.bus(Scene.orders.description))?.value == 8)
        let most = PartnerAdmission.maximumHeldEvents
        #expect(decide(held, last: 7) == .permitted(ordersBus))
        #expect(decide(held, last: 7 + most - 1) == .permitted(ordersBus))
        guard case .denied(.limitExceeded, _) = decide(held, last: 7 + most) else {
            Issue.record("more was held than may be")
            return
        }
    }

    @Test("detail types outside the contract are refused, the test event never is")
    func contract() throws {
        let agreed = try snapshot().withSource(detailTypes: ["order.*", "Refund"])
        for type in ["order.", "order.placed", "Refund", "IsthmusPartnerTest"] {
            #expect(decide(agreed, type: type) == .permitted(ordersBus), "\(type)")
        }
        for type in ["order", "Order.placed", "refund", "Refunds", "IsthmusPartnerTest2"] {
            guard case .denied(.notAuthorizedForDetailType, _) = decide(agreed, type: type) else {
                Issue.record("`\(type)` was admitted")
                continue
            }
        }
    }

    @Test("a bus of a partner takes nothing by PutEvents, whether it is there or not")
    func publishing() throws {
        let there = try snapshot().withSource()
        let admission = Admission()
        for name in [Scene.orders.description, "aws.partner/acme.example/shop/absent"] {
            for principal in [Scene.publisher, Scene.administrator] {
                admission.begin(
                    CallerFacts(Callers.caller(principal), there), there, now: SettableClock.start)
                let verdict = admission.decide(
                    Entry(), busReference: Array(Scene.arn(name).utf8), decisionID: UniqueID(high: 1, low: 2))
                guard case .denial(let denial) = verdict else {
                    Issue.record("a partner bus took an entry of \(principal)")
                    continue
                }
                #expect(denial.code == .invalidArgument)
                #expect(denial.message.hasSuffix("the bus receives from its partner event source only."))
            }
        }
    }
}
