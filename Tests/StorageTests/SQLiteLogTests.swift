import Bus
import Cryptography
import Domain
import Foundation
import GRDB
import Synchronization
import Testing

@testable import Storage

@Suite struct SQLiteLogTests {
    /// Small limits: copies of the write-ahead log and index rows happen within a few commits.
    static var configuration: LogConfiguration {
        var configuration = LogConfiguration(region: "eu-central-1")
        configuration.pageBytes = 4096
        configuration.checkpointBytes = 65_536
        configuration.commitBytes = 65_536
        configuration.reserveBytes = 65_536
        return configuration
    }

    private static let start = Timestamp(seconds: 1_800_000_000)

    static func open(
        _ directory: ScratchDirectory, _ clock: HeldClock, _ configuration: LogConfiguration = configuration,
        watch: LogWatch = LogWatch { error in Issue.record("the log failed: \(error)") },
        monotonic: @escaping @Sendable () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }
    ) throws -> SQLiteEventLog {
        let home = try DataDirectory(path: directory.path)
        let key = try MasterKey(in: home, hasLog: SQLiteEventLog.exists(in: home), random: .system)
        return try SQLiteEventLog(
            in: home, key: key, configuration: configuration, clock: clock.clock,
            monotonic: monotonic, watch: watch)
    }

    @Test("events, sequences and explicit keys survive a restart, over many blocks and index writes")
    func restart() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        var expected: [String] = []
        for round in 0..<3 {
            let log = try Self.open(directory, clock)
            let loop = TestLoop(log)
            #expect(log.lastSequence(of: BusNumber(1))?.value ?? 0 == UInt64(expected.count))
            #expect(try log.details() == expected)
            for index in 0..<300 {
                let detail = "{\"r\":\(round),\"i\":\(index)}"
                let place = UInt64(expected.count + 1)
                #expect(loop.append(TestLoop.request(detail)) == [stored(place...place)])
                expected.append(detail)
            }
            if round == 0 {
                #expect(
                    loop.append(TestLoop.request("k", guarded: TestLoop.key("once"), mask: 9)) == [stored(301...301)])
                expected.append("k")
            } else {
                #expect(
                    loop.append(TestLoop.request("k", guarded: TestLoop.key("once"))) == [repeated(301...301, mask: 9)])
            }
            log.stop()
        }
    }

    @Test("headers chain from block to block of a bus")
    func chain() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        let log = try Self.open(directory, clock)
        let loop = TestLoop(log)
        for _ in 0..<10 { _ = loop.append(TestLoop.request("a"), TestLoop.request("b", bus: 2)) }
        log.stop()
        let database = try DatabaseQueue(path: directory.path + "/log.sqlite")
        for bus in 1...2 {
            let headers = try database.read { db in
                try Data.fetchAll(db, sql: "SELECT header FROM block WHERE bus = ? ORDER BY first", arguments: [bus])
            }
            var previous = Digest.zero
            var next: UInt64 = 1
            for bytes in headers {
                let (header, digest) = try #require(BlockHeader.decode([UInt8](bytes)[...]))
                #expect(header.previous == previous)
                #expect(header.first.value == next)
                #expect(header.policyRevision == 7)
                #expect(header.region == "eu-central-1")
                previous = digest
                next = header.last.value + 1
            }
            #expect(next == 11)
        }
    }

    @Test(
        "a changed byte of a stored block is noticed, and its neighbours are still read",
        arguments: ["header", "body", "digest"])
    func damage(column: String) throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        var configuration = Self.configuration
        configuration.recentBlockBytes = 0
        do {
            let log = try Self.open(directory, clock, configuration)
            for detail in ["a", "b", "c"] { _ = TestLoop(log).append(TestLoop.request(detail)) }
            log.stop()
        }
        try DatabaseQueue(path: directory.path + "/log.sqlite").write { db in
            var bytes = [UInt8](try Data.fetchOne(db, sql: "SELECT \(column) FROM block WHERE first = 2")!)
            bytes[bytes.count / 2] ^= 1
            try db.execute(sql: "UPDATE block SET \(column) = ? WHERE first = 2", arguments: [Data(bytes)])
        }
        let log = try Self.open(directory, clock, configuration)
        defer { log.stop() }
        func event(_ sequence: UInt64) throws -> String {
            try log.event(at: Position(bus: BusNumber(1), sequence: Domain.Sequence(sequence))).frame.detail.text
        }
        #expect(try event(1) == "a")
        #expect(try event(3) == "c")
        #expect(throws: EventLogError.damaged(BusNumber(1), first: 2)) { try event(2) }
    }

    @Test(
        "a column of a type that was never written is a damaged block to its readers, and ends nothing",
        arguments: ["header = 'text'", "body = 7", "digest = 1.5", "count = 'x'", "bus = x'00'"])
    func wrongTypes(change: String) throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        var configuration = Self.configuration
        configuration.recentBlockBytes = 0
        do {
            let log = try Self.open(directory, clock, configuration)
            for detail in ["a", "b", "c"] { _ = TestLoop(log).append(TestLoop.request(detail)) }
            log.stop()
        }
        try DatabaseQueue(path: directory.path + "/log.sqlite").write { db in
            try db.execute(sql: "UPDATE block SET \(change) WHERE first = 2")
        }
        let log = try Self.open(directory, clock, configuration)
        defer { log.stop() }
        #expect(throws: EventLogError.self) {
            try log.event(at: Position(bus: BusNumber(1), sequence: Domain.Sequence(2)))
        }
        let third = try log.event(at: Position(bus: BusNumber(1), sequence: Domain.Sequence(3)))
        #expect(third.frame.detail.text == "c")
    }

    @Test(
        "a row of a type or an amount that was never written refuses the start, and says which",
        arguments: [
            ("UPDATE bus SET digest = 7", "table `bus`"), ("UPDATE bus SET bytes = 'x'", "table `bus`"),
            ("UPDATE bus SET bytes = -1", "table `bus`"), ("UPDATE bus SET bytes = 1 << 62", "table `bus`"),
            ("UPDATE bus SET bytes = 9223372036854775807", "table `bus`"),
            ("UPDATE bus SET next = 0", "table `bus`"), ("UPDATE bus SET next = 1 << 48", "table `bus`"),
            ("UPDATE bus SET next = 1 << 49", "table `bus`"),
            ("UPDATE meta SET value = 'x' WHERE name = 'indexed'", "table `meta`, `indexed`"),
            ("UPDATE meta SET value = 9223372036854775807 WHERE name = 'indexed'", "table `meta`, `indexed`"),
            ("UPDATE keys SET id = 9223372036854775807", "table `keys`, row 9223372036854775807"),
            ("UPDATE keys SET entries = 7", "table `keys`, row 1"),
            ("UPDATE keys SET time = 'x'", "table `keys`, row 1"),
        ])
    func wrongRows(change: String, what: String) throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        do {
            let log = try Self.open(directory, clock)
            _ = TestLoop(log).append(TestLoop.request("k", guarded: TestLoop.key("once")))
            log.stop()
        }
        let path = directory.path + "/log.sqlite"
        try DatabaseQueue(path: path).write { db in try db.execute(sql: change) }
        #expect(throws: StorageError.damaged(path: path, what: what)) { try Self.open(directory, clock) }
    }

    @Test("retention removes whole old blocks, says so, and never gives a sequence twice")
    func retention() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        let trims = Mutex<[LogWatch.Trim]>([])
        let trimmed = DispatchSemaphore(value: 0)
        var watch = LogWatch { error in Issue.record("the log failed: \(error)") }
        watch.onTrim = { trim in
            trims.withLock { $0.append(trim) }
            trimmed.signal()
        }
        do {
            let log = try Self.open(directory, clock, watch: watch)
            for detail in ["a", "b"] { _ = TestLoop(log).append(TestLoop.request(detail), receivedAt: clock.now) }
            clock.advance(seconds: 3 * 86_400)
            _ = TestLoop(log).append(TestLoop.request("c"), receivedAt: clock.now)
            clock.advance(seconds: 5 * 86_400)
            #expect(trimmed.wait(timeout: .now() + 10) == .success)
            #expect(
                trims.withLock { $0 }
                    == [
                        LogWatch.Trim(
                            bus: BusNumber(1), first: Domain.Sequence(1), last: Domain.Sequence(2), reason: .age)
                    ])
            #expect(try log.firstSequence(of: BusNumber(1)) == Domain.Sequence(3))
            #expect(try log.details() == ["c"])
            clock.advance(seconds: 5 * 86_400)
            #expect(trimmed.wait(timeout: .now() + 10) == .success)
            #expect(try log.details().isEmpty)
            log.stop()
        }
        let log = try Self.open(directory, clock)
        #expect(log.lastSequence(of: BusNumber(1)) == Domain.Sequence(3))
        #expect(TestLoop(log).append(TestLoop.request("d")) == [stored(4...4)])
        log.stop()
    }

    @Test("events held back are kept past their age, and removed once they are released")
    func heldEvents() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        let trims = Mutex<[LogWatch.Trim]>([])
        let held = Mutex<Domain.Sequence?>(Domain.Sequence(2))
        let trimmed = DispatchSemaphore(value: 0)
        var watch = LogWatch { error in Issue.record("the log failed: \(error)") }
        watch.heldFrom = { _ in held.withLock { $0 } }
        watch.onTrim = { trim in
            trims.withLock { $0.append(trim) }
            trimmed.signal()
        }
        let log = try Self.open(directory, clock, watch: watch)
        defer { log.stop() }
        for detail in ["a", "b", "c"] { _ = TestLoop(log).append(TestLoop.request(detail), receivedAt: clock.now) }
        clock.advance(seconds: 8 * 86_400)
        #expect(trimmed.wait(timeout: .now() + 10) == .success)
        #expect(trims.withLock { $0.map(\.last.value) } == [1])
        #expect(try log.details() == ["b", "c"])
        held.withLock { $0 = nil }
        #expect(trimmed.wait(timeout: .now() + 10) == .success)
        #expect(trims.withLock { $0.map(\.last.value) } == [1, 3])
        #expect(try log.details().isEmpty)
    }

    @Test("a bus over its size loses its oldest blocks only")
    func sizeLimit() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        let trimmed = DispatchSemaphore(value: 0)
        var watch = LogWatch { error in Issue.record("the log failed: \(error)") }
        watch.onTrim = { trim in if trim.reason == .size { trimmed.signal() } }
        var configuration = Self.configuration
        configuration.retentionBytesPerBus = 20_000
        let log = try Self.open(directory, clock, configuration, watch: watch)
        let detail = String(repeating: "x", count: 4000)
        for _ in 0..<10 { _ = TestLoop(log).append(TestLoop.request(detail), receivedAt: clock.now) }
        #expect(trimmed.wait(timeout: .now() + 10) == .success)
        let kept = try log.read(bus: BusNumber(1), from: Domain.Sequence(1), limitBytes: .max)
        #expect(kept.last?.position.sequence.value == 10)
        #expect(kept.count >= 3 && kept.count <= 4)
        log.stop()
    }

    @Test("a log of format 1 opens with its events, and lets webhooks act once from then on")
    func earlierFormat() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        do {
            let log = try Self.open(directory, clock)
            #expect(TestLoop(log).append(TestLoop.request("a", guarded: TestLoop.key("1"))) == [stored(1...1)])
            log.stop()
        }
        try DatabaseQueue(path: directory.path + "/log.sqlite").write { db in
            try db.execute(sql: "DROP TABLE ledger; DELETE FROM meta WHERE name = 'region'; PRAGMA user_version = 1")
        }
        let message = RepeatGuard.webhook(
            source: WebhookSource("aws.partner/a/b/c"), kind: "id", id: [7])
        for round in 0..<2 {
            let log = try Self.open(directory, clock)
            defer { log.stop() }
            let outcomes = TestLoop(log).append(
                TestLoop.request("a", guarded: TestLoop.key("1")), TestLoop.request("b", guarded: message))
            #expect(outcomes == [repeated(1...1, mask: 1), round == 0 ? stored(2...2) : repeated(2...2, mask: 1)])
            #expect(try log.details() == ["a", "b"])
        }
    }

    @Test("a log of a later format is left alone")
    func laterFormat() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        try Self.open(directory, clock).stop()
        let path = directory.path + "/log.sqlite"
        try DatabaseQueue(path: path).writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 4") }
        #expect(throws: StorageError.laterFormat(path: path, format: 4)) { try Self.open(directory, clock) }
    }

    @Test("a log serves the region it was begun in and no other, also one that a version before did not note")
    func otherRegion() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        let path = directory.path + "/log.sqlite"
        var elsewhere = Self.configuration
        elsewhere.region = "eu-west-1"
        for isNoted in [true, false] {
            do {
                let log = try Self.open(directory, clock)
                _ = TestLoop(log).append(TestLoop.request("a"))
                log.stop()
            }
            if !isNoted {
                try DatabaseQueue(path: path).write { db in
                    try db.execute(sql: "DELETE FROM meta WHERE name = 'region'; PRAGMA user_version = 2")
                }
            }
            #expect(
                throws: StorageError.otherRegion(path: path, region: "eu-central-1", configured: "eu-west-1")
            ) { try Self.open(directory, clock, elsewhere) }
        }
        let log = try Self.open(directory, clock)
        #expect(try log.details() == ["a", "a"])
        log.stop()
    }

    @Test("two processes cannot have one data directory")
    func locked() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        let log = try Self.open(directory, clock)
        #expect(throws: StorageError.inUse(path: directory.path + "/lock")) { try Self.open(directory, clock) }
        log.stop()
    }

    @Test("a principal's share of the keys is bounded; another principal still has room")
    func keyShare() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        var configuration = Self.configuration
        configuration.keysPerPrincipalLimit = 2
        let log = try Self.open(directory, clock, configuration)
        defer { log.stop() }
        let outcomes = TestLoop(log).append(
            TestLoop.request("a", guarded: TestLoop.key("1")), TestLoop.request("b", guarded: TestLoop.key("2")),
            TestLoop.request("c", guarded: TestLoop.key("3")),
            TestLoop.request("d", guarded: TestLoop.key("3", principal: "q")))
        #expect(outcomes == [stored(1...1), stored(2...2), .full(.keys), stored(3...3)])
    }

    @Test("names of a principal's CloudEvents leave half of its share of the keys to its explicit ones")
    func nameShare() throws {
        let directory = ScratchDirectory()
        let clock = HeldClock(Self.start)
        var configuration = Self.configuration
        configuration.keysPerPrincipalLimit = 4
        let log = try Self.open(directory, clock, configuration)
        defer { log.stop() }
        let loop = TestLoop(log)
        func name(_ id: UInt8, _ principal: String = "p") -> TestLoop.Request {
            TestLoop.request(
                "n", guarded: .cloudEvent(owner: RepeatGuard.owner(principal), bus: .zero, source: [1], id: [id]))
        }
        #expect(loop.append(name(1)) == [stored(1...1)])
        #expect(loop.append(name(2), name(3)) == [stored(2...2), stored(3...3)])
        #expect(loop.append(name(3), name(2)) == [stored(4...4), repeated(2...2)])
        #expect(loop.append(name(3, "q"), name(3, "q")) == [stored(5...5), repeated(5...5)])
        let keys = ["1", "2", "3"].map { TestLoop.request("k", guarded: TestLoop.key($0)) }
        #expect(loop.append(keys[0], keys[1], keys[2]) == [stored(6...6), stored(7...7), .full(.keys)])
    }
}
