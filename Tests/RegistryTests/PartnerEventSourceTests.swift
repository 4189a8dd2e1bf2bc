import Domain
import Registry
import TestKit
import Testing

private let day: Int64 = 86_400

private func source(_ snapshot: Snapshot, _ name: PartnerEventSourceName = Scene.orders) -> PartnerEventSource? {
    snapshot.partnerEventSource(named: name)
}

private func create(
    _ snapshot: Snapshot, _ name: PartnerEventSourceName = Scene.orders, by partner: AccountID = Scene.sender,
    for account: AccountID = Scene.owner, at now: Timestamp = now
) throws(ControlFault) -> Transition {
    try snapshot.addingPartnerEventSource(name, partnerAccount: partner, account: account, at: now)
}

@Suite("Partner event sources")
struct PartnerEventSourceTests {
    let snapshot: Snapshot

    init() throws { snapshot = try Scene.snapshot(try Scene.partnerDeclaration()) }

    @Test("a source waits for its customer, whose bus makes it active")
    func handshake() throws {
        let made = try create(snapshot).snapshot
        #expect(source(made)?.state(at: now) == .pending(expiresAt: now.advanced(bySeconds: 14 * day)))
        #expect(source(made)?.account == Scene.owner)
        let active = try made.withBus()
        #expect(source(active)?.state(at: now) == .active)
        #expect(active.bus(EventBusID(account: Scene.owner, name: EventBusName(Scene.orders))) != nil)
        let paused = try active.deactivatingEventSource(Scene.orders, account: Scene.owner, at: now).snapshot
        #expect(source(paused)?.state(at: now).name == "PENDING")
        let again = try paused.activatingEventSource(Scene.orders, account: Scene.owner, at: now).snapshot
        #expect(source(again)?.state(at: now) == .active)
    }

    @Test("a source that waits 14 days is deleted at that millisecond, not one earlier")
    func expiry() throws {
        let made = try create(snapshot).snapshot
        let end = now.advanced(bySeconds: 14 * day)
        let before = Timestamp(milliseconds: end.milliseconds - 1)
        #expect(source(made)?.state(at: before).name == "PENDING")
        #expect(source(made)?.state(at: end) == .deleted(at: end, .expiry))
        #expect(throws: Never.self) { try made.withBus(at: before) }
        let refused = fault { () throws(ControlFault) in try made.addingBus(at: end) }
        #expect(refused?.code == .invalidState)
        #expect(refused?.message.hasSuffix("the partner calls CreatePartnerEventSource to begin again.") == true)
    }

    @Test("what expired is taken out of the store by the next operation on partners, a source with a bus remembered")
    func settling() throws {
        let other = Scene.source("aws.partner/acme.example/shop/returns")
        let both = try create(create(snapshot).snapshot, other).snapshot.withBus()
        let paused = try both.deactivatingEventSource(Scene.orders, account: Scene.owner, at: now).snapshot
        let later = now.advanced(bySeconds: 14 * day)
        let third = Scene.source("aws.partner/acme.example/shop/refunds")
        let next = try create(paused, third, at: later)
        #expect(next.changes.contains(.remove(kind: .partnerEventSource, key: other.description)))
        #expect(source(next.snapshot, other) == nil)
        #expect(source(next.snapshot)?.state(at: later) == .deleted(at: later, .expiry))
        #expect(next.changes.count == 3)
    }

    @Test("each step that comes too early or too late says which call comes first")
    func nextCalls() throws {
        let made = try create(snapshot).snapshot
        let active = try made.withBus()
        let deleted = try active.removingPartnerEventSource(
            Scene.orders, partnerAccount: Scene.sender, account: Scene.owner, at: now
        ).snapshot
        let paused = try active.deactivatingEventSource(Scene.orders, account: Scene.owner, at: now).snapshot
        let (name, owner) = (Scene.orders, Scene.owner)
        let again =
            "its partner deleted it at 2026-11-21T06:00:00Z; the partner calls CreatePartnerEventSource to begin again."
        let rows: [(String, Snapshot, (Snapshot) throws(ControlFault) -> Transition)] = [
            (
                "Event source \(name) has no event bus yet; call CreateEventBus with Name and EventSourceName \(name) "
                    + "first, which activates it.", made,
                { s throws(ControlFault) in try s.activatingEventSource(name, account: owner, at: now) }
            ),
            (
                "Event source \(name) is PENDING already; call CreateEventBus to receive its events.", made,
                { s throws(ControlFault) in try s.deactivatingEventSource(name, account: owner, at: now) }
            ),
            (
                "Event source \(name) is PENDING already; call ActivateEventSource to receive its events.", paused,
                { s throws(ControlFault) in try s.deactivatingEventSource(name, account: owner, at: now) }
            ),
            (
                "Event bus \(name) already exists; call ActivateEventSource to receive its events.", paused,
                { s throws(ControlFault) in try s.addingBus(at: now) }
            ),
            (
                "Event source \(name) is ACTIVE already.", active,
                { s throws(ControlFault) in try s.activatingEventSource(name, account: owner, at: now) }
            ),
            ("Event bus \(name) already exists.", active, { s throws(ControlFault) in try s.addingBus(at: now) }),
            (
                "Event source \(name) is DELETED: \(again)", deleted,
                { s throws(ControlFault) in try s.activatingEventSource(name, account: owner, at: now) }
            ),
            (
                "Event source \(name) is DELETED: \(again)", deleted,
                { s throws(ControlFault) in try s.deactivatingEventSource(name, account: owner, at: now) }
            ),
            (
                "Event source \(name) does not exist for account \(Scene.sender); its partner calls "
                    + "CreatePartnerEventSource first.", made,
                { s throws(ControlFault) in try s.activatingEventSource(name, account: Scene.sender, at: now) }
            ),
            (
                "Partner event source \(name) already exists for account \(owner).", made,
                { s throws(ControlFault) in try create(s) }
            ),
        ]
        for (message, state, plan) in rows {
            #expect(fault { () throws(ControlFault) in try plan(state) }?.message == message)
        }
    }

    @Test("the bus of a deleted source stays, and the source is forgotten with it")
    func deletion() throws {
        let active = try create(snapshot).snapshot.withBus()
        let bus = EventBusID(account: Scene.owner, name: EventBusName(Scene.orders))
        let deleted = try active.removingPartnerEventSource(
            Scene.orders, partnerAccount: Scene.sender, account: Scene.owner, at: now
        ).snapshot
        #expect(deleted.bus(bus) != nil)
        #expect(deleted.partnerEventSource(of: bus)?.state(at: now) == .deleted(at: now, .deletion))
        let gone = try deleted.removingEventBus(bus, at: now)
        #expect(gone.snapshot.partners.sources.isEmpty)
        #expect(gone.changes.contains(.remove(kind: .partnerEventSource, key: Scene.orders.description)))
        let waiting = try create(snapshot).snapshot.removingPartnerEventSource(
            Scene.orders, partnerAccount: Scene.sender, account: Scene.owner, at: now
        ).snapshot
        #expect(waiting.partners.sources.isEmpty, "nobody has to be told")
        let unbound = try active.removingEventBus(bus, at: now).snapshot
        #expect(source(unbound)?.state(at: now) == .pending(expiresAt: now.advanced(bySeconds: 14 * day)))
    }

    @Test("a bus that keeps held events is not deleted before they are let go")
    func heldBus() throws {
        let bus = EventBusID(account: Scene.owner, name: EventBusName(Scene.orders))
        let held = try create(snapshot).snapshot.withBus().suspendingPartnerEventSource(
            Scene.orders, holds: true, lastSequence: nil, at: now
        ).snapshot
        let refused = fault { () throws(ControlFault) in try held.removingEventBus(bus, at: now) }
        #expect(refused?.code == .invalidState)
        #expect(refused?.message.contains("`isthmus partner resume` first") == true)
        let deleted = try held.removingPartnerEventSource(
            Scene.orders, partnerAccount: Scene.sender, account: Scene.owner, at: now
        ).snapshot
        #expect(fault { () throws(ControlFault) in try deleted.removingEventBus(bus, at: now) }?.code == .invalidState)
        let resumed = try held.resumingPartnerEventSource(Scene.orders, at: now).snapshot
        #expect(try resumed.removingEventBus(bus, at: now).snapshot.bus(bus) == nil)
    }

    @Test("a contract outlives deletion for the account it was made with, until another is made")
    func contract() throws {
        func make(_ snapshot: Snapshot, _ types: [String]?, for account: AccountID = Scene.owner) throws -> Snapshot {
            try snapshot.addingPartnerEventSource(
                Scene.orders, partnerAccount: Scene.sender, account: account, detailTypes: types, at: now
            ).snapshot
        }
        let deleted = try make(snapshot, ["order.*"]).withBus().removingPartnerEventSource(
            Scene.orders, partnerAccount: Scene.sender, account: Scene.owner, at: now
        ).snapshot
        #expect(try source(make(deleted, nil))?.detailTypes == ["order.*"])
        #expect(try source(make(deleted, ["*"]))?.detailTypes == ["*"])
        #expect(try source(make(deleted, nil, for: Scene.sender))?.detailTypes == nil)
    }

    @Test("a partner's name belongs to one account, and both are named to another")
    func ownership() throws {
        let refused = fault { () throws(ControlFault) in try create(snapshot, by: Scene.owner) }
        #expect(
            refused
                == ControlFault(
                    .accessDenied,
                    "The partner acme.example is account 111122223333, not account 444455556666."))
        let unknown = fault { () throws(ControlFault) in
            try create(snapshot, Scene.source("aws.partner/nobody.example/a/b"))
        }
        #expect(unknown?.code == .accessDenied)
        let start = "No account is the partner nobody.example, and account 111122223333"
        #expect(unknown?.message.hasPrefix(start) == true)
        let registered = try snapshot.registeringPartner(
            Scene.partner("nobody.example"), account: Scene.foreign, at: now
        ).snapshot
        #expect(registered.partnerAccount(of: Scene.partner("nobody.example")) == Scene.foreign)
        for name in [Scene.acme, Scene.partner("nobody.example")] {
            let taken = fault { () throws(ControlFault) in
                try registered.registeringPartner(name, account: Scene.owner, at: now)
            }
            #expect(taken?.code == .resourceAlreadyExists)
        }
        let back = registered.unregisteringPartner(Scene.partner("nobody.example"), at: now).snapshot
        #expect(back.partnerAccount(of: Scene.partner("nobody.example")) == nil)
    }

    @Test("a source is deleted by its partner only, and for the account it is bound to")
    func deletionByOthers() throws {
        let made = try create(snapshot).snapshot
        func refusal(_ partner: AccountID, _ account: AccountID) -> ErrorCode? {
            fault { () throws(ControlFault) in
                try made.removingPartnerEventSource(Scene.orders, partnerAccount: partner, account: account, at: now)
            }?.code
        }
        #expect(refusal(Scene.foreign, Scene.owner) == .accessDenied)
        #expect(refusal(Scene.sender, Scene.sender) == .validation)
        #expect(refusal(Scene.sender, Scene.owner) == nil)
    }

    @Test("an account without buses here takes no source")
    func foreignCustomer() throws {
        let refused = fault { () throws(ControlFault) in try create(snapshot, for: Scene.foreign) }
        #expect(refused?.code == .validation)
        #expect(refused?.message.contains("999988887777 has no event buses on this gateway") == true)
    }

    @Test("a partner has as many sources as its quota, deleted ones not counted")
    func quota() throws {
        var quotas = Declaration.Quotas()
        quotas.eventSourcesPerPartner = 2
        var current = try Scene.snapshot(try Scene.partnerDeclaration(quotas: quotas))
        let names = (0..<3).map { Scene.source("aws.partner/acme.example/shop/\($0)") }
        current = try create(create(current, names[0]).snapshot, names[1]).snapshot
        #expect(
            fault { () throws(ControlFault) in try create(current, names[2]) }?.code == .limitExceeded)
        #expect(throws: Never.self) { try current.withSource(Scene.tickets) }
        let later = now.advanced(bySeconds: 14 * day)
        #expect(throws: Never.self) { try create(current, names[2], at: later) }
    }

    @Test("ten thousand sources are found by name, and what is stored reads back as it was")
    func storage() throws {
        let store = InMemoryControlStore()
        let declaration = try Scene.partnerDeclaration()
        let (name, owner) = (Scene.orders, Scene.owner)
        var final = snapshot
        func commit(_ transition: Transition) throws {
            try store.commit(transition.changes)
            final = transition.snapshot
        }
        try commit(try create(final))
        try commit(try final.addingBus(at: now))
        try commit(
            try final.suspendingPartnerEventSource(name, holds: true, lastSequence: Domain.Sequence(41), at: now))
        try commit(
            try final.addingPartnerEventSource(
                Scene.tickets, partnerAccount: Scene.foreign, account: owner, detailTypes: ["order.*", "*"], at: now))
        try commit(
            try final.authorizingPartner(
                .init(account: owner, partner: Scene.acme), until: now.advanced(bySeconds: 60), at: now))
        try commit(try final.registeringPartner(Scene.partner("x.example"), account: owner, at: now))
        let loaded = try Snapshot.loading(try store.load(), declaration: declaration)
        #expect(loaded.partners.sources == final.partners.sources)
        #expect(loaded.partners.authorizations == final.partners.authorizations)
        #expect(loaded.partners.registered == final.partners.registered)
        #expect(loaded.heldFrom(EventBusID(account: owner, name: EventBusName(name)))?.value == 42)
        let records = (0..<10_000).map { index in
            ControlRecord(
                kind: .partnerEventSource, key: "aws.partner/acme.example/shop/\(index)",
                value: Array(
                    #"{"partnerAccount":"111122223333","account":"444455556666","createdAt":1,"state":"ACTIVE"}"#.utf8))
        }
        let many = try Snapshot.loading(records, declaration: declaration)
        #expect(many.partners.sources.count == 10_000)
        let wanted = "aws.partner/acme.example/shop/9999"
        #expect(many.partnerEventSource(named: Array(wanted.utf8)[...])?.name.description == wanted)
    }

    @Test(
        "a record that no gateway wrote stops the start",
        arguments: [
            (ControlRecord.Kind.partnerEventSource, "aws.partner/a", "{}"),
            (.partnerEventSource, "aws.partner/a/b/c", #"{"partnerAccount":"1"}"#),
            (
                .partnerEventSource, "aws.partner/a/b/c",
                #"{"partnerAccount":"111122223333","account":"444455556666","createdAt":1,"state":"ASLEEP"}"#
            ),
            (
                .partnerEventSource, "aws.partner/a/b/c",
                #"{"partnerAccount":"111122223333","account":"444455556666","createdAt":1,"state":"ACTIVE","#
                    + #""suspension":{"holds":true,"since":1,"heldFrom":0}}"#
            ),
            (.partnerAuthorization, "444455556666", #"{"expiresAt":1}"#), (.partner, "a/b", "{}"),
            (.partner, "a", "nonsense"),
        ])
    func unreadable(_ kind: ControlRecord.Kind, _ key: String, _ value: String) throws {
        let record = ControlRecord(kind: kind, key: key, value: Array(value.utf8))
        #expect(loadingError([record], try Scene.partnerDeclaration()) != nil)
    }
}

extension Snapshot {
    fileprivate func addingBus(at moment: Timestamp) throws(ControlFault) -> Transition {
        try addingEventBus(for: Scene.orders, account: Scene.owner, properties: .made(), at: moment)
    }

    fileprivate func withBus(at moment: Timestamp = now) throws -> Snapshot { try addingBus(at: moment).snapshot }
}
