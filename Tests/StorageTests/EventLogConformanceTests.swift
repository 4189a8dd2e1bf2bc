import Bus
import Cryptography
import Domain
import Foundation
import Storage
import TestKit
import Testing

/// What every implementation of the seam must do; run on each.
@Suite struct EventLogConformanceTests {
    enum Implementation: CaseIterable, Sendable {
        case memory
        case sqlite

        /// A log with a queue of 64 KiB and room for four explicit keys and four events that act once.
        func make(_ directory: ScratchDirectory, _ clock: HeldClock) throws -> any EventLog {
            switch self {
            case .memory:
                return InMemoryEventLog(
                    clock: clock.clock, ticks: clock.ticks, waitingBytesLimit: 65_536, keysLimit: 4)
            case .sqlite:
                var configuration = SQLiteLogTests.configuration
                configuration.waitingBytesLimit = 65_536
                configuration.keysLimit = 4
                configuration.ledgerLimit = 4
                return try SQLiteLogTests.open(directory, clock, configuration, monotonic: clock.ticks)
            }
        }
    }

    private static let start = Timestamp(seconds: 1_800_000_000)

    private func with(_ implementation: Implementation, _ body: (TestLoop, HeldClock) throws -> Void) throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        let log = try implementation.make(directory, clock)
        defer { log.stop() }
        try body(TestLoop(log), clock)
    }

    @Test("sequences are dense and ascending per bus, across requests and batches", arguments: Implementation.allCases)
    func dense(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            #expect(loop.log.lastSequence(of: BusNumber(1)) == nil)
            #expect(try loop.log.firstSequence(of: BusNumber(1)) == nil)
            #expect(try loop.log.details().isEmpty)
            let first = loop.append(
                TestLoop.request("a", "b"), TestLoop.request("x", bus: 2), TestLoop.request("c"))
            #expect(first == [stored(1...2), stored(1...1, bus: 2), stored(3...3)])
            #expect(loop.append(TestLoop.request("d")) == [stored(4...4)])
            #expect(try loop.log.details() == ["a", "b", "c", "d"])
            #expect(try loop.log.details(bus: 2) == ["x"])
            #expect(loop.log.lastSequence(of: BusNumber(1)) == Domain.Sequence(4))
            #expect(try loop.log.firstSequence(of: BusNumber(1)) == Domain.Sequence(1))
        }
    }

    @Test(
        "a request over several buses gets a position for each event, in its order", arguments: Implementation.allCases)
    func scattered(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            let request = TestLoop.Request(events: [(1, "a"), (2, "b"), (1, "c"), (3, "d")])
            let places: [(UInt32, UInt64)] = [(1, 1), (2, 1), (1, 2), (3, 1)]
            let positions = places.map { Position(bus: BusNumber($0.0), sequence: Domain.Sequence($0.1)) }
            #expect(loop.append(request) == [.stored(Positions(positions))])
            for (position, detail) in zip(positions, ["a", "b", "c", "d"]) {
                #expect(try loop.log.event(at: position).frame.detail.text == detail)
                #expect(try loop.log.event(at: position).position == position)
            }
        }
    }

    @Test("reading starts anywhere, keeps to its limit but gives at least one", arguments: Implementation.allCases)
    func reading(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            for index in 0..<5 { _ = loop.append(TestLoop.request("{\"n\":\(index)}", "{\"m\":\(index)}")) }
            let bus = BusNumber(1)
            #expect(
                try loop.log.read(bus: bus, from: Domain.Sequence(4), limitBytes: 1).map(\.position.sequence.value) == [
                    4
                ])
            #expect(try loop.log.details(from: 8) == ["{\"m\":3}", "{\"n\":4}", "{\"m\":4}"])
            #expect(try loop.log.details(from: 11).isEmpty)
            let beyond = Position(bus: bus, sequence: Domain.Sequence(11))
            #expect(throws: EventLogError.noSuchEvent(beyond)) { try loop.log.event(at: beyond) }
        }
    }

    @Test(
        "an explicit key stores once, for its body and its principal, for 24 hours", arguments: Implementation.allCases)
    func explicitKey(implementation: Implementation) throws {
        try with(implementation) { (loop, clock) throws in
            let key = TestLoop.key("k")
            #expect(loop.append(TestLoop.request("a", "b", guarded: key, mask: 5)) == [stored(1...2)])
            #expect(loop.append(TestLoop.request("a", "b", guarded: key, mask: 7)) == [repeated(1...2, mask: 5)])
            #expect(loop.append(TestLoop.request("z", guarded: TestLoop.key("k", body: "other"))) == [.keyMismatch])
            #expect(loop.append(TestLoop.request("c", guarded: TestLoop.key("k", principal: "q"))) == [stored(3...3)])
            clock.advance(seconds: 86_399)
            #expect(loop.append(TestLoop.request("a", guarded: key)) == [repeated(1...2, mask: 5)])
            clock.advance(seconds: 1)
            #expect(loop.append(TestLoop.request("a", guarded: key)) == [stored(4...4)])
            #expect(try loop.log.details() == ["a", "b", "c", "a"])
        }
    }

    @Test(
        "a request that was withdrawn is not stored and keeps no key: a retry beside it is stored once",
        arguments: Implementation.allCases)
    func withdrawn(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            let guards = [TestLoop.key("k"), TestLoop.invocation("i"), .none]
            // The loop's tokens count from 1: these are of the batch that comes next.
            #expect(loop.completions.withdrawals.withdraw([1, 3, 5], of: 1))
            let requests = guards.flatMap { guarded in
                ["first", "retry"].map { TestLoop.request($0, guarded: guarded) }
            }
            let tokens = loop.submit(requests, number: 1)
            #expect(
                loop.outcomes([tokens[1], tokens[3], tokens[5]]) == [stored(1...1), stored(2...2), stored(3...3)])
            #expect(try loop.log.details() == ["retry", "retry", "retry"])
            #expect(!loop.completions.withdrawals.withdraw([tokens[1]], of: 1))
            #expect(loop.completions.withdrawals.count == 0)
            #expect(loop.append(TestLoop.request("late", guarded: guards[0])) == [repeated(1...1)])
        }
    }

    @Test("a key can be asked for without events, and asking keeps nothing", arguments: Implementation.allCases)
    func lookUp(implementation: Implementation) throws {
        try with(implementation) { (loop, clock) throws in
            func ask(_ key: RepeatGuard) -> [AppendOutcome] {
                loop.append(TestLoop.Request(events: [], repeatGuard: key, mask: 0))
            }
            let key = TestLoop.key("k")
            #expect(ask(key) == [.notRepeated])
            #expect(ask(key) == [.notRepeated])
            #expect(loop.append(TestLoop.request("a", "b", guarded: key, mask: 5)) == [stored(1...2)])
            #expect(ask(key) == [repeated(1...2, mask: 5)])
            #expect(ask(TestLoop.key("k", body: "other")) == [.keyMismatch])
            let together = loop.append(
                TestLoop.request("c", guarded: TestLoop.key("l"), mask: 1),
                TestLoop.Request(events: [], repeatGuard: TestLoop.key("l"), mask: 0))
            #expect(together == [stored(3...3), repeated(3...3)])
            clock.advance(seconds: 86_400)
            #expect(ask(key) == [.notRepeated])
            #expect(try loop.log.details() == ["a", "b", "c"])
        }
    }

    @Test(
        "a named event is stored once for 24 hours, and names leave half of the room to explicit keys",
        arguments: Implementation.allCases)
    func named(implementation: Implementation) throws {
        try with(implementation) { (loop, clock) throws in
            func name(_ id: String) -> RepeatGuard {
                .cloudEvent(
                    owner: RepeatGuard.owner("p"), bus: .zero, source: Array("/s".utf8)[...],
                    id: Array(id.utf8)[...])
            }
            let together = loop.append(
                TestLoop.request("e1", guarded: name("1")), TestLoop.request("e2", guarded: name("2")),
                TestLoop.request("e3", guarded: name("3")))
            #expect(together == [stored(1...1), stored(2...2), stored(3...3)])
            #expect(loop.append(TestLoop.request("x", guarded: name("1"))) == [repeated(1...1)])
            #expect(loop.append(TestLoop.request("e3", guarded: name("3"))) == [stored(4...4)])
            #expect(loop.append(TestLoop.request("k", guarded: TestLoop.key("k"))) == [stored(5...5)])
            #expect(loop.append(TestLoop.request("l", guarded: TestLoop.key("l"))) == [stored(6...6)])
            #expect(loop.append(TestLoop.request("m", guarded: TestLoop.key("m"))) == [.full(.keys)])
            #expect(loop.append(TestLoop.request("e3", guarded: name("3"))) == [stored(7...7)])
            clock.advance(seconds: 86_400)
            #expect(loop.append(TestLoop.request("e1", guarded: name("1"))) == [stored(8...8)])
        }
    }

    private func once(_ id: String, nonce: String? = nil, body: String = "b", source: String = "s") -> RepeatGuard {
        .webhook(
            source: WebhookSource(source), kind: "id", id: Array(id.utf8)[...],
            nonce: nonce.map { Array($0.utf8)[...] }, body: SHA256.hash(Array(body.utf8)))
    }

    @Test("an event that acts once is stored once for 72 hours, for its source", arguments: Implementation.allCases)
    func actsOnce(implementation: Implementation) throws {
        try with(implementation) { (loop, clock) throws in
            #expect(loop.append(TestLoop.request("a", guarded: once("1"))) == [stored(1...1)])
            #expect(loop.append(TestLoop.request("b", guarded: once("1", body: "c"))) == [repeated(1...1)])
            #expect(loop.append(TestLoop.Request(events: [], repeatGuard: once("1"))) == [repeated(1...1)])
            #expect(loop.append(TestLoop.Request(events: [], repeatGuard: once("9"))) == [.notRepeated])
            #expect(loop.append(TestLoop.request("c", guarded: once("1", source: "t"))) == [stored(2...2)])
            clock.advance(seconds: 259_199)
            #expect(loop.append(TestLoop.request("d", guarded: once("1"))) == [repeated(1...1)])
            clock.advance(seconds: 1)
            #expect(loop.append(TestLoop.request("d", guarded: once("1"))) == [stored(3...3)])
            #expect(try loop.log.details() == ["a", "c", "d"])
        }
    }

    @Test("a nonce is for one content only, and its repeat gets the first answer", arguments: Implementation.allCases)
    func nonces(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            #expect(loop.append(TestLoop.request("a", guarded: once("1", nonce: "n"))) == [stored(1...1)])
            #expect(loop.append(TestLoop.request("a", guarded: once("1", nonce: "n"))) == [repeated(1...1)])
            #expect(loop.append(TestLoop.request("b", guarded: once("2", nonce: "n", body: "c"))) == [.keyMismatch])
            #expect(loop.append(TestLoop.request("a", guarded: once("1", nonce: "m", body: "c"))) == [repeated(1...1)])
            let together = loop.append(
                TestLoop.request("c", guarded: once("3", nonce: "o"), mask: 1),
                TestLoop.request("d", guarded: once("4", nonce: "o", body: "x")))
            #expect(together == [stored(2...2), .keyMismatch])
            #expect(try loop.log.details() == ["a", "c"])
        }
    }

    @Test("no room for another event that acts once is said, and the old ones still answer",
        arguments: Implementation.allCases)
    func ledgerFull(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            for id in ["1", "2", "3"] { _ = loop.append(TestLoop.request("a", guarded: once(id))) }
            #expect(loop.append(TestLoop.request("b", guarded: once("4", nonce: "n"))) == [.full(.keys)])
            #expect(loop.append(TestLoop.request("b", guarded: once("4"))) == [stored(4...4)])
            #expect(loop.append(TestLoop.request("b", guarded: once("5"))) == [.full(.keys)])
            #expect(loop.append(TestLoop.request("b", guarded: once("1"))) == [repeated(1...1)])
            #expect(loop.append(TestLoop.request("b", guarded: TestLoop.key("k"))) == [stored(5...5)])
        }
    }

    @Test("an SDK's retry stores once within five minutes", arguments: Implementation.allCases)
    func implicitKey(implementation: Implementation) throws {
        try with(implementation) { (loop, clock) throws in
            let guarded = TestLoop.invocation("i")
            #expect(loop.append(TestLoop.request("a", guarded: guarded, mask: 3)) == [stored(1...1)])
            clock.advance(seconds: 299)
            #expect(loop.append(TestLoop.request("a", guarded: guarded)) == [repeated(1...1, mask: 3)])
            #expect(loop.append(TestLoop.request("b", guarded: TestLoop.invocation("i", body: "c"))) == [stored(2...2)])
            clock.advance(seconds: 2)
            #expect(loop.append(TestLoop.request("a", guarded: guarded)) == [stored(3...3)])
        }
    }

    @Test("a wall clock that is set anew forgets no SDK's retry", arguments: Implementation.allCases, [3600, -3600])
    func implicitKeyOverAStep(implementation: Implementation, seconds: Int64) throws {
        try with(implementation) { (loop, clock) throws in
            let guarded = TestLoop.invocation("i")
            #expect(loop.append(TestLoop.request("a", guarded: guarded)) == [stored(1...1)])
            clock.step(seconds: seconds)
            #expect(loop.append(TestLoop.request("a", guarded: guarded)) == [repeated(1...1)])
            clock.advance(seconds: 301)
            #expect(loop.append(TestLoop.request("a", guarded: guarded)) == [stored(2...2)])
        }
    }

    @Test("duplicates in one batch are stored once and told the same", arguments: Implementation.allCases)
    func duplicatesTogether(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            let outcomes = loop.append(
                TestLoop.request("a", guarded: TestLoop.key("k"), mask: 1),
                TestLoop.request("a", guarded: TestLoop.key("k"), mask: 1),
                TestLoop.request("b", guarded: TestLoop.key("k", body: "other")),
                TestLoop.request("c", guarded: TestLoop.invocation("i")),
                TestLoop.request("c", guarded: TestLoop.invocation("i")))
            #expect(outcomes == [stored(1...1), repeated(1...1), .keyMismatch, stored(2...2), repeated(2...2)])
            #expect(try loop.log.details() == ["a", "c"])
        }
    }

    @Test("no room for a new key is said, and old keys still answer", arguments: Implementation.allCases)
    func keysFull(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            for index in 1...4 {
                #expect(
                    loop.append(TestLoop.request("a", guarded: TestLoop.key("k\(index)"))) == [
                        stored(UInt64(index)...UInt64(index))
                    ])
            }
            #expect(loop.append(TestLoop.request("a", guarded: TestLoop.key("k5"))) == [.full(.keys)])
            #expect(loop.append(TestLoop.request("a", guarded: TestLoop.key("k4"))) == [repeated(4...4)])
            #expect(loop.append(TestLoop.request("a")) == [stored(5...5)])
        }
    }

    @Test(
        "a batch over the bound of waiting bytes is refused at once and stores nothing",
        arguments: Implementation.allCases)
    func queueFull(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            let big = String(repeating: "x", count: 65_536)
            #expect(loop.append(TestLoop.request(big)) == [.full(.queue)])
            #expect(loop.log.lastSequence(of: BusNumber(1)) == nil)
            #expect(loop.append(TestLoop.request("a")) == [stored(1...1)])
        }
    }

    @Test("a reader hears of a commit to its bus and to no other", arguments: Implementation.allCases)
    func subscriptions(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            let heard = DispatchSemaphore(value: 0)
            let subscription = loop.log.subscribe(to: BusNumber(1)) { heard.signal() }
            _ = loop.append(TestLoop.request("x", bus: 2))
            #expect(heard.wait(timeout: .now()) == .timedOut)
            _ = loop.append(TestLoop.request("a"))
            #expect(heard.wait(timeout: .now() + 5) == .success)
            _ = loop.append(TestLoop.request("b"))
            #expect(heard.wait(timeout: .now()) == .timedOut)
            subscription?.rearm()
            #expect(heard.wait(timeout: .now() + 5) == .success)
        }
    }

    @Test("a stopped log commits what waited and refuses what comes", arguments: Implementation.allCases)
    func stopped(implementation: Implementation) throws {
        try with(implementation) { (loop, _) throws in
            let tokens = loop.submit([TestLoop.request("a"), TestLoop.request("b")])
            loop.log.stop()
            #expect(loop.outcomes(tokens) == [stored(1...1), stored(2...2)])
            #expect(loop.append(TestLoop.request("c")) == [.full(.stopped)])
        }
    }

    @Test("random requests leave the same log as a model", arguments: Implementation.allCases, [UInt64(1), 2, 3, 4])
    func model(implementation: Implementation, seed: UInt64) throws {
        try with(implementation) { (loop, _) throws in
            var state = seed
            func random(_ bound: UInt64) -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (state >> 33) % bound
            }
            var expected: [UInt32: [String]] = [:]
            var firstAnswers: [String: AppendOutcome] = [:]
            for step in 0..<120 {
                var requests: [TestLoop.Request] = []
                var keys: [String?] = []
                for part in 0...random(5) {
                    let bus = UInt32(random(3)) + 1
                    let count = Int(random(4)) + 1
                    let key = random(3) == 0 ? "i\(random(40))" : nil
                    let details = (0..<count).map { "{\"at\":\"\(step).\(part).\($0)\"}" }
                    requests.append(
                        TestLoop.Request(
                            events: details.map { (bus, $0) },
                            repeatGuard: key.map { TestLoop.invocation($0) } ?? .none))
                    keys.append(key)
                }
                for ((request, key), outcome) in zip(zip(requests, keys), loop.outcomes(loop.submit(requests))) {
                    if let key, let first = firstAnswers[key], case .stored(let positions) = first {
                        #expect(outcome == .repeated(positions, entryMask: 1))
                        continue
                    }
                    let bus = request.events[0].bus
                    let start = UInt64(expected[bus, default: []].count)
                    expected[bus, default: []] += request.events.map(\.detail)
                    #expect(outcome == stored(start + 1...start + UInt64(request.events.count), bus: bus))
                    if let key { firstAnswers[key] = outcome }
                }
            }
            for (bus, details) in expected { #expect(try loop.log.details(bus: bus) == details) }
        }
    }
}
