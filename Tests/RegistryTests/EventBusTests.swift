import Domain
import JSON
import Registry
import TestKit
import Testing

@Suite("Event buses of the control plane")
struct EventBusTests {
    let snapshot: Snapshot

    init() throws { snapshot = try Scene.snapshot(try Scene.declaration()) }

    @Test("a bus is made once; the second attempt and an account elsewhere are refused")
    func creation() throws {
        let made = try snapshot.addingEventBus(Scene.bus("orders"), properties: .made(description: "all orders"))
        #expect(made.snapshot.revision == snapshot.revision + 1)
        #expect(made.snapshot.bus(Scene.bus("orders"))?.properties.description == "all orders")
        #expect(snapshot.bus(Scene.bus("orders")) == nil, "a transition changes nothing in place")
        #expect(
            fault { () throws(ControlFault) in
                try made.snapshot.addingEventBus(Scene.bus("orders"), properties: .made())
            } == ControlFault(.resourceAlreadyExists, "Event bus orders already exists."))
        #expect(
            fault { () throws(ControlFault) in
                try snapshot.addingEventBus(Scene.bus("orders", of: Scene.foreign), properties: .made())
            }?.code == .accessDenied)
    }

    @Test("an unknown bus is deleted without complaint, the default bus is not")
    func deletion() throws {
        let unknown = try snapshot.removingEventBus(Scene.bus("nope"))
        #expect(unknown.changes.isEmpty)
        #expect(
            fault { () throws(ControlFault) in try snapshot.removingEventBus(Scene.bus("default")) }
                == ControlFault(.validation, "Cannot delete event bus default."))
        let made = try snapshot.addingEventBus(Scene.bus("orders"), properties: .made()).snapshot
        let gone = try made.removingEventBus(Scene.bus("orders"))
        #expect(gone.changes == [.remove(kind: .eventBus, key: "444455556666/orders")])
        #expect(gone.snapshot.bus(Scene.bus("orders")) == nil)
    }

    @Test("a bus number is never given twice, not even after its bus was deleted and the gateway restarted")
    func numbers() throws {
        let store = InMemoryControlStore()
        let declaration = try Scene.declaration()
        var current = try Snapshot.loading(try store.load(), declaration: declaration)
        var given: Set<BusNumber> = []
        let adopted = try current.adopting(declaration, at: now)
        try store.commit(adopted.changes)
        for bus in adopted.snapshot.buses.values { given.insert(bus.number) }
        for round in 0..<5 {
            current = try Snapshot.loading(try store.load(), declaration: declaration)
            let made = try current.addingEventBus(Scene.bus("orders"), properties: .made())
            try store.commit(made.changes)
            let number = try #require(made.snapshot.bus(Scene.bus("orders"))).number
            #expect(given.insert(number).inserted, "round \(round) gave \(number) again")
            try store.commit(try made.snapshot.removingEventBus(Scene.bus("orders")).changes)
        }
    }

    @Test("an account may have as many buses as its quota says and not one more")
    func quota() throws {
        var quotas = Declaration.Quotas()
        quotas.busesPerAccount = 3
        var current = try Scene.snapshot(try Scene.declaration(quotas: quotas))
        for name in ["a", "b"] { current = try current.addingEventBus(Scene.bus(name), properties: .made()).snapshot }
        #expect(current.buses(of: Scene.owner).map(\.id.name.description) == ["a", "b", "default"])
        #expect(
            fault { () throws(ControlFault) in try current.addingEventBus(Scene.bus("c"), properties: .made()) }
                == ControlFault(.limitExceeded, "The requested resource exceeds the maximum number allowed."))
        current = try current.addingEventBus(Scene.bus("c", of: Scene.sender), properties: .made()).snapshot
        #expect(current.buses(of: Scene.sender).count == 2)
    }

    @Test("a seed past the quota is refused with the name of its bus")
    func seedPastQuota() throws {
        var quotas = Declaration.Quotas()
        quotas.busesPerAccount = 2
        let seeds = ["a", "b", "c"].map {
            Declaration.Seed(id: Scene.bus($0), description: nil, policy: nil, tags: [])
        }
        let declaration = try Scene.declaration(seeds: seeds, quotas: quotas)
        let empty = try Snapshot.loading([], declaration: declaration)
        #expect(
            fault { () throws(ControlFault) in try empty.adopting(declaration, at: now) }
                == ControlFault(
                    .limitExceeded,
                    "event bus `c` of account \(Scene.owner): The requested resource exceeds the maximum number "
                        + "allowed."
                ))
    }

    @Test("a change of an unknown bus is refused")
    func unknownBus() {
        let missing = ControlFault(.resourceNotFound, "Event bus nope does not exist.")
        let id = Scene.bus("nope")
        #expect(fault { () throws(ControlFault) in try snapshot.changingEventBus(id, at: now) { _ in } } == missing)
        #expect(fault { () throws(ControlFault) in try snapshot.taggingEventBus(id, [], at: now) } == missing)
        #expect(fault { () throws(ControlFault) in try snapshot.untaggingEventBus(id, keys: [], at: now) } == missing)
        #expect(
            fault { () throws(ControlFault) in try snapshot.removingStatement(sid: nil, from: id, at: now) } == missing)
        #expect(
            fault { () throws(ControlFault) in try snapshot.replacingPolicy(of: id, with: [:], at: now) } == missing)
    }

    @Test("tags are merged by key, 50 at most, each within its lengths")
    func tags() throws {
        let id = Scene.bus("default")
        func tag(_ tags: [BusTag]) -> ControlFault? {
            fault { () throws(ControlFault) in try snapshot.taggingEventBus(id, tags, at: now) }
        }
        let fifty = (0..<50).map { BusTag(key: "k\($0)", value: "") }
        let full = try snapshot.taggingEventBus(id, fifty, at: now.advanced(bySeconds: 9)).snapshot
        #expect(full.bus(id)?.properties.tags == fifty)
        #expect(full.bus(id)?.properties.modifiedAt == now.advanced(bySeconds: 9))
        let again = try full.taggingEventBus(id, [BusTag(key: "k7", value: "v")], at: now).snapshot
        #expect(again.bus(id)?.properties.tags.count == 50)
        #expect(again.bus(id)?.properties.tags[7].value == "v")
        #expect(
            fault { () throws(ControlFault) in
                try full.taggingEventBus(id, [BusTag(key: "one more", value: "")], at: now)
            }
                == ControlFault(.limitExceeded, "The requested resource exceeds the maximum number allowed."))
        #expect(tag((0..<51).map { BusTag(key: "k\($0)", value: "") })?.code == .limitExceeded)
        let long = String(repeating: "é", count: 128)
        #expect(tag([BusTag(key: long, value: long + long)]) == nil)
        #expect(tag([BusTag(key: long + "x", value: "")])?.code == .validation)
        #expect(tag([BusTag(key: "k", value: long + long + "x")])?.code == .validation)
        #expect(tag([BusTag(key: "", value: "")])?.code == .validation)
        #expect(tag([BusTag(key: "AWS:x", value: "")])?.code == .validation)
        #expect(
            tag([BusTag(key: "a", value: ""), BusTag(key: "a", value: "")])?.message
                == "Duplicate tag keys are not allowed.")
        let fewer = try full.untaggingEventBus(id, keys: ["k0", "unknown"], at: now).snapshot
        #expect(fewer.bus(id)?.properties.tags.count == 49)
    }
}
