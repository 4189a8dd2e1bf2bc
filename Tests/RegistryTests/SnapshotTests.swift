import AccessPolicy
import Domain
import JSON
import Registry
import TestKit
import Testing

@Suite("Snapshots, their records and declarations")
struct SnapshotTests {
    @Test("everything stored is read back as it was")
    func roundTrip() throws {
        let store = InMemoryControlStore()
        let declaration = try Scene.declaration()
        var current = try Snapshot.loading([], declaration: declaration)
        var transition = try current.adopting(declaration, at: now)
        func step() throws {
            try store.commit(transition.changes)
            current = transition.snapshot
        }
        try step()
        transition = try current.addingEventBus(
            Scene.bus("orders"),
            properties: .made(
                description: "é \"quoted\"\n", tags: [BusTag(key: "k", value: "v"), BusTag(key: "empty", value: "")],
                policy: try Scene.document(Scene.admitsSender())))
        try step()
        transition = try current.adding(key("AKIAAAAAAAAAAAAAAAAA"))
        try step()
        transition = try current.disablingAccessKey("AKIAAAAAAAAAAAAAAAAA")
        try step()
        let read = try Snapshot.loading(try store.load(), declaration: declaration)
        #expect(read.buses.count == current.buses.count)
        for bus in current.buses.values {
            let other = try #require(read.bus(bus.id))
            #expect(other.number == bus.number)
            #expect(other.properties.description == bus.properties.description)
            #expect(other.properties.tags == bus.properties.tags)
            #expect(other.properties.policy == bus.properties.policy)
            #expect(other.properties.createdAt == bus.properties.createdAt)
            #expect((other.policy == nil) == (bus.policy == nil))
        }
        let stored = try #require(read.accessKeys["AKIAAAAAAAAAAAAAAAAA"])
        #expect(!stored.isEnabled)
        #expect(stored.sealedSecret == [1, 2, 3])
        #expect(stored.principal == Scene.publisher)
    }

    @Test(
        "a damaged record stops the start and is named",
        arguments: [
            ("444455556666/orders", "{"), ("444455556666/orders", "{}"), ("444455556666/orders", "[]"),
            ("444455556666/orders", #"{"number":0,"createdAt":1,"modifiedAt":1}"#),
            ("444455556666/orders", #"{"number":16777216,"createdAt":1,"modifiedAt":1}"#),
            ("444455556666/orders", #"{"number":18446744073709551615,"createdAt":1,"modifiedAt":1}"#),
            ("444455556666/orders", #"{"number":-1,"createdAt":1,"modifiedAt":1}"#),
            ("444455556666/orders", #"{"number":1,"createdAt":1.5,"modifiedAt":1}"#),
            ("444455556666/orders", #"{"number":1,"createdAt":1,"modifiedAt":1,"tags":[["a"]]}"#),
            ("444455556666/orders", #"{"number":1,"createdAt":1,"modifiedAt":1,"policy":{}}"#),
            ("444455556666", #"{"number":1,"createdAt":1,"modifiedAt":1}"#),
            ("44445555666/orders", #"{"number":1,"createdAt":1,"modifiedAt":1}"#),
            ("444455556666/ord ers", #"{"number":1,"createdAt":1,"modifiedAt":1}"#),
        ])
    func damagedBus(_ key: String, _ value: String) throws {
        let record = ControlRecord(kind: .eventBus, key: key, value: Array(value.utf8))
        guard case .unreadable(let reason)? = loadingError([record], try Scene.declaration()) else {
            Issue.record("`\(value)` was read")
            return
        }
        #expect(reason.hasPrefix("event bus `\(key)`"))
    }

    @Test("a saved policy whose resource can match nothing stops the start, for its deny would be void")
    func voidDeny() throws {
        let deny = #"{"Effect":"Deny","Principal":"*","Action":"events:*","Resource":"*:event-bus/orders"}"#
        let policy = #"{"Version":"2012-10-17","Statement":[\#(deny)]}"#
        let value = #"{"number":1,"createdAt":1,"modifiedAt":1,"policy":\#(policy)}"#
        let record = ControlRecord(kind: .eventBus, key: "444455556666/orders", value: Array(value.utf8))
        guard case .unreadable(let reason)? = loadingError([record], try Scene.declaration()) else {
            Issue.record("a policy with a void deny was read")
            return
        }
        #expect(reason.hasPrefix("event bus `444455556666/orders`: "))
        #expect(reason.contains("/Statement/0/Resource") && reason.contains("`*:event-bus/orders` is no resource"))
    }

    @Test("two buses with one number stop the start: their events would lie in one log")
    func repeatedNumber() throws {
        let value = Array(#"{"number":7,"createdAt":1,"modifiedAt":1}"#.utf8)
        let records = ["444455556666/a", "111122223333/b"].map {
            ControlRecord(kind: .eventBus, key: $0, value: value)
        }
        guard case .unreadable(let reason)? = loadingError(records, try Scene.declaration()) else {
            Issue.record("two buses got one number")
            return
        }
        #expect(reason.contains("number 7"))
    }

    @Test("damaged keys and counters stop the start and are named")
    func damagedOthers() throws {
        let declaration = try Scene.declaration()
        for value in [
            "", "{}", #"{"principal":"x","enabled":true,"createdAt":1,"sealedSecret":"00"}"#,
            #"{"principal":"arn:aws:iam::111122223333:role/a","enabled":1,"createdAt":1,"sealedSecret":"00"}"#,
            #"{"principal":"arn:aws:iam::111122223333:role/a","enabled":true,"createdAt":1,"sealedSecret":"0g"}"#,
        ] {
            let record = ControlRecord(kind: .accessKey, key: "AKIA", value: Array(value.utf8))
            guard case .unreadable(let reason)? = loadingError([record], declaration) else {
                Issue.record("`\(value)` was read")
                return
            }
            #expect(reason.hasPrefix("access key `AKIA`"))
        }
        for value in ["", "{}", "[]", #"{"since":"1"}"#, #"{"since":1.5}"#] {
            let record = ControlRecord(kind: .role, key: Scene.worker.arn, value: Array(value.utf8))
            guard case .unreadable(let reason)? = loadingError([record], declaration) else {
                Issue.record("`\(value)` was read")
                return
            }
            #expect(reason.hasPrefix("role `\(Scene.worker.arn)`"))
        }
        for (key, value) in [
            ("last-bus-number", "-1"), ("last-bus-number", ""), ("last-bus-number", "4294967296"), ("other", "1"),
        ] {
            let record = ControlRecord(kind: .counter, key: key, value: Array(value.utf8))
            #expect(loadingError([record], declaration) == .unreadable(reason: "counter `\(key)`"))
        }
    }

    @Test("a counter at its end refuses a new bus and does not trap")
    func counterAtItsEnd() throws {
        for number in [BusNumber.maximum, .max] {
            let record = ControlRecord(kind: .counter, key: "last-bus-number", value: Array("\(number)".utf8))
            let snapshot = try Snapshot.loading([record], declaration: try Scene.declaration())
            #expect(
                fault { () throws(ControlFault) in
                    try snapshot.addingEventBus(Scene.bus("orders"), properties: .made())
                }?.code == .limitExceeded)
        }
    }

    @Test("every local account has its default bus; a seed is planted once and left alone afterwards")
    func seeds() throws {
        let seed = Declaration.Seed(
            id: Scene.bus("orders"), description: "first", policy: try Scene.document(Scene.admitsSender()), tags: [])
        let declaration = try Scene.declaration(seeds: [seed])
        let adopted = try Snapshot.loading([], declaration: declaration).adopting(declaration, at: now)
        #expect(adopted.snapshot.buses(of: Scene.owner).map(\.id.name.description) == ["default", "orders"])
        #expect(adopted.snapshot.buses(of: Scene.sender).map(\.id.name.description) == ["default"])
        #expect(adopted.snapshot.buses(of: Scene.foreign).isEmpty)
        let changed = try adopted.snapshot.changingEventBus(Scene.bus("orders"), at: now) { $0.description = "mine" }
        let again = try changed.snapshot.adopting(declaration, at: now)
        #expect(again.changes.isEmpty)
        #expect(again.snapshot.bus(Scene.bus("orders"))?.properties.description == "mine")
        #expect(again.snapshot.generation == changed.snapshot.generation + 1)
        #expect(again.snapshot.revision > changed.snapshot.revision)
    }

    @Test("a role begins when it appears, stays the same past a restart, and is another one when it comes back")
    func roles() throws {
        let store = InMemoryControlStore()
        let without = try Scene.declaration()
        let with = try Scene.declaration(members: [try Scene.role(trust: [Scene.trust(Scene.nobody.arn)])])
        var current = try Snapshot.loading([], declaration: with)
        func adopt(_ declaration: Declaration, second: Int64) throws {
            let transition = try current.adopting(declaration, at: now.advanced(bySeconds: second))
            try store.commit(transition.changes)
            current = transition.snapshot
        }
        func admits(second: Int64) -> Bool? {
            current.assumableRole(Scene.worker.arn)?.admits(sessionIssuedAt: now.advanced(bySeconds: second))
        }
        try adopt(with, second: 10)
        #expect(admits(second: 9) == false && admits(second: 10) == true)
        try adopt(with, second: 20)
        #expect(admits(second: 10) == true)
        current = try Snapshot.loading(try store.load(), declaration: with)
        try adopt(with, second: 30)
        #expect(admits(second: 9) == false && admits(second: 10) == true)
        try adopt(without, second: 40)
        #expect(admits(second: 40) == nil)
        current = try Snapshot.loading(try store.load(), declaration: without)
        try adopt(with, second: 50)
        #expect(admits(second: 49) == false && admits(second: 50) == true)
        // A clock that was ahead, and is right again.
        try adopt(with, second: 45)
        #expect(admits(second: 44) == false && admits(second: 45) == true)
    }

    @Test("a declaration of another region or partition is not adopted while the gateway runs")
    func otherRegion() throws {
        let snapshot = try Scene.snapshot(try Scene.declaration())
        let other = try Scene.declaration(region: "us-east-1")
        let refusal = fault { () throws(ControlFault) in try snapshot.adopting(other, at: now) }
        #expect(refusal?.code == .validation)
        #expect(refusal?.message.contains("restart") == true)
    }

    @Test("buses of an account that is no longer local stay stored and are not served")
    func accountGone() throws {
        let snapshot = try Scene.snapshotWithOrders([Scene.admitsSender()])
        let next = try snapshot.adopting(try Scene.declaration(isOwnerLocal: false), at: now)
        #expect(next.changes.isEmpty)
        #expect(next.snapshot.bus(Scene.bus("orders")) == nil)
        #expect(next.snapshot.buses(of: Scene.owner).isEmpty)
        let back = try next.snapshot.adopting(try Scene.declaration(), at: now)
        #expect(back.snapshot.bus(Scene.bus("orders")) != nil)
    }
}

@Suite("Access keys of the control plane")
struct AccessKeyTests {
    @Test("a key needs a declared principal, a free id and room within the quota")
    func creation() throws {
        let snapshot = try Scene.snapshot(try Scene.declaration())
        func refusal(_ key: AccessKey, _ snapshot: Snapshot) -> ErrorCode? {
            fault { () throws(ControlFault) in try snapshot.adding(key) }?.code
        }
        let unknownAccount = Principal(.role, path: "a", account: AccountID(unchecked: 1))
        #expect(refusal(key("A", of: unknownAccount), snapshot) == .validation)
        #expect(
            refusal(key("A", of: Principal(.role, path: "undeclared", account: Scene.owner)), snapshot) == .validation)
        let one = try snapshot.adding(key("A")).snapshot
        #expect(refusal(key("A"), one) == .resourceAlreadyExists)
        let two = try one.adding(key("B")).snapshot
        #expect(refusal(key("C"), two) == .limitExceeded)
        let freed = try two.disablingAccessKey("A").snapshot
        #expect(refusal(key("C"), freed) == nil)
        #expect(refusal(key("A"), freed) == .resourceAlreadyExists, "a disabled key's id is not free")
        #expect(fault { () throws(ControlFault) in try freed.disablingAccessKey("Z") }?.code == .resourceNotFound)
        #expect(refusal(key("D", of: Scene.stranger), snapshot) == nil, "a foreign account's principal may hold keys")
    }
}
