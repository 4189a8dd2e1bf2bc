import Domain
import Foundation
import GRDB
import Registry
import Synchronization
import Testing

@testable import Storage

@Suite("Archive of decisions")
struct DecisionArchiveTests {
    private static let start = Timestamp(seconds: 1_800_000_000)
    private static let wide = DecisionBounds(records: 1_000_000, bytes: 1 << 30, seconds: 30 * 86_400)

    private static func open(
        _ home: DataDirectory, _ clock: HeldClock, bounds: DecisionBounds = wide,
        queue: SQLiteDecisionArchive.QueueLimits = .init(), watch: DecisionWatch = .init()
    ) throws -> SQLiteDecisionArchive {
        try SQLiteDecisionArchive(
            in: home, bounds: bounds, queue: queue, clock: clock.clock, watch: watch)
    }

    private static func id(_ number: Int) -> UniqueID { UniqueID(high: UInt64(number), low: 7) }

    private static func draft(
        _ number: Int, at time: Timestamp = start, resource: String = "a", bytes: Int = 3, weight: Int = 1
    ) -> DecisionDraft {
        // Each of its own sender: nobody is near a share.
        let sender = DecisionDraft.Sender(principal: "p\(number)", account: AccountID(unchecked: UInt64(number)))
        return DecisionDraft(id: id(number), time: time, sender: sender, resource: resource, weight: weight) {
            [UInt8](repeating: UInt8(number % 251), count: bytes)
        }
    }

    /// Every record of the archive, page by page.
    private static func all(
        _ archive: DecisionArchive, since: Timestamp = start, resource: String? = nil
    ) -> [(id: UniqueID, finding: DecisionArchive.Finding)] {
        var query = DecisionArchive.Query(since: since, resource: resource)
        var found: [(id: UniqueID, finding: DecisionArchive.Finding)] = []
        while true {
            let page = archive.page(query)
            found += page.findings
            guard let next = page.next else { return found }
            query.from = next
        }
    }

    @Test("a record is found at once and after a restart; stopping writes out what waits")
    func restart() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let clock = HeldClock(Self.start)
        let first = try Self.open(home, clock)
        #expect(first.archive.keep(Self.draft(1)))
        #expect(first.archive.find(Self.id(1)) == .record([1, 1, 1]))
        #expect(first.archive.find(Self.id(2)) == .absent)
        for number in 2...3000 { #expect(first.archive.keep(Self.draft(number))) }
        first.stop()
        #expect(!first.archive.keep(Self.draft(3001)))
        let second = try Self.open(home, clock)
        let found = Self.all(second.archive)
        #expect(found.map(\.id) == (1...3000).map(Self.id))
        #expect(found.allSatisfy { if case .record = $0.finding { true } else { false } })
        second.stop()
    }

    @Test("a later record of the same decision takes the place of the first")
    func replaced() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let archive = try Self.open(home, HeldClock(Self.start))
        #expect(archive.archive.keep(Self.draft(1, bytes: 3)))
        #expect(archive.archive.keep(Self.draft(1, bytes: 5)))
        #expect(archive.archive.find(Self.id(1)) == .record([1, 1, 1, 1, 1]))
        archive.stop()
        let database = try DecisionDatabase(in: home)
        let totals = try database.totals()
        #expect(totals.records == 1 && totals.bytes == 5 + DecisionDatabase.rowBytes)
        try database.close()
    }

    @Test(
        "totals that cannot be those of the rows are counted anew, and no record goes by them",
        arguments: [
            "value = 'x'", "value = -1", "value = 1 << 62", "value = -9223372036854775807 - 1",
            "value = 9223372036854775807", "value = value - 300 WHERE name = 'bytes'",
            "value = value + 99 WHERE name = 'records'", "name = name || 's'",
        ])
    func damagedTotals(change: String) throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        var database = try DecisionDatabase(in: home)
        for number in 0..<10 {
            try database.insert([.init(id: Self.id(number), time: Self.start, resource: "a", value: [1, 2, 3, 4])])
        }
        try database.close()
        try DatabaseQueue(path: home.file(DecisionDatabase.fileName)).write { db in
            try db.execute(sql: "UPDATE total SET \(change)")
        }
        database = try DecisionDatabase(in: home)
        #expect(try database.trim(to: Self.wide, now: Self.start).removed == 0)
        let totals = try database.totals()
        #expect(totals.records == 10 && totals.bytes == 10 * (4 + DecisionDatabase.rowBytes))
        try database.close()
    }

    @Test(
        "the oldest go first when the number, the bytes or the age is past its bound",
        arguments: ["number", "bytes", "age"])
    func bounds(kind: String) throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let database = try DecisionDatabase(in: home)
        for number in 0..<1000 {
            let time = Self.start.advanced(bySeconds: Int64(number))
            try database.insert([.init(id: Self.id(number), time: time, resource: "a", value: [1, 2, 3, 4])])
        }
        var bounds = Self.wide
        switch kind {
        case "number": bounds.records = 400
        case "bytes": bounds.bytes = 400 * (4 + DecisionDatabase.rowBytes)
        default: bounds.seconds = 399
        }
        let now = Self.start.advanced(bySeconds: 999)
        let turns = try (0..<3).map { _ in try database.trim(to: bounds, now: now) }
        #expect(turns.map(\.removed) == [512, 88, 0])
        #expect(turns.map(\.hasMore) == [true, false, false])
        let totals = try database.totals()
        #expect(totals.records == 400 && totals.bytes == 400 * (4 + DecisionDatabase.rowBytes))
        #expect(database.find(Self.id(599)) == .absent)
        #expect(database.find(Self.id(600)) == .record([1, 2, 3, 4]))
        try database.close()
    }

    @Test("the thread removes what is past the bounds, also when they are made narrower")
    func narrower() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let removed = Atomic<Int>(0)
        let gate = DispatchSemaphore(value: 0)
        var watch = DecisionWatch()
        watch.onTrim = { count in
            if removed.add(count, ordering: .relaxed).newValue >= 90 { gate.signal() }
        }
        let archive = try Self.open(home, HeldClock(Self.start), watch: watch)
        for number in 0..<100 { #expect(archive.archive.keep(Self.draft(number))) }
        #expect(archive.archive.find(Self.id(0)) != .absent)
        archive.keep(within: DecisionBounds(records: 10, bytes: 1 << 30, seconds: 86_400))
        #expect(gate.wait(timeout: .now() + 20) == .success)
        #expect(Self.all(archive.archive).map(\.id) == (90..<100).map(Self.id))
        archive.stop()
    }

    @Test("a full queue refuses, by number and by bytes, and takes again what it has room for")
    func fullQueue() throws {
        let queue = DecisionQueue(countLimit: 2, bytesLimit: 100)
        #expect(queue.add(Self.draft(1, weight: 50)))
        #expect(queue.add(Self.draft(2, weight: 50)))
        #expect(!queue.add(Self.draft(3, weight: 0)))
        guard case .write(let one) = queue.take(count: 1, milliseconds: 0) else {
            Issue.record("nothing was taken")
            return
        }
        #expect(one.map(\.id) == [Self.id(1)])
        #expect(!queue.add(Self.draft(4, weight: 51)))
        #expect(queue.add(Self.draft(4, weight: 50)))
        queue.stop()
        #expect(!queue.add(Self.draft(5)))
    }

    @Test("a queue whose disk failed takes nothing more, and who waits for a commit waits no longer")
    func failedQueue() throws {
        let queue = DecisionQueue(countLimit: 2, bytesLimit: 100)
        #expect(queue.add(Self.draft(1)))
        queue.fail()
        #expect(!queue.add(Self.draft(2)))
        queue.waitForCommit(milliseconds: 60_000)
        guard case .end = queue.take(count: 1, milliseconds: 60_000) else {
            Issue.record("the thread would go on")
            return
        }
    }

    @Test("a row that was changed is damaged, whichever column it is, and its neighbours are read", arguments: [
        "value = x'00'", "digest = x'00'", "time = time + 1", "resource = 'b'", "value = 'text'", "digest = 7",
    ])
    func damage(change: String) throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let archive = try Self.open(home, HeldClock(Self.start))
        for number in 1...3 { #expect(archive.archive.keep(Self.draft(number))) }
        archive.stop()
        let other = try DatabaseQueue(path: directory.path + "/" + DecisionDatabase.fileName)
        try other.write { try $0.execute(sql: "UPDATE decision SET \(change) WHERE sequence = 2") }
        try other.close()
        let again = try Self.open(home, HeldClock(Self.start))
        #expect(again.archive.find(Self.id(2)) == .damaged)
        #expect(again.archive.find(Self.id(3)) == .record([3, 3, 3]))
        let findings = Self.all(again.archive).map(\.finding)
        #expect(findings == [.record([1, 1, 1]), .damaged, .record([3, 3, 3])])
        again.stop()
    }

    @Test("pages are bounded, in order, of one resource and of no earlier time when that is asked for")
    func pages() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let archive = try Self.open(home, HeldClock(Self.start))
        for number in 0..<1000 {
            let time = Self.start.advanced(bySeconds: Int64(number))
            #expect(archive.archive.keep(Self.draft(number, at: time, resource: number.isMultiple(of: 2) ? "a" : "b")))
        }
        let page = archive.archive.page(.init(since: Self.start, resource: nil))
        #expect(page.findings.count == 256 && page.next == 257)
        let late = Self.all(archive.archive, since: Self.start.advanced(bySeconds: 500), resource: "b")
        #expect(late.map(\.id) == stride(from: 501, to: 1000, by: 2).map(Self.id))
        #expect(Self.all(archive.archive, since: Self.start.advanced(bySeconds: 5000)).isEmpty)
        archive.stop()
    }

    @Test("an archive that a later version wrote is refused")
    func laterFormat() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        try Self.open(home, HeldClock(Self.start)).stop()
        let path = directory.path + "/" + DecisionDatabase.fileName
        let other = try DatabaseQueue(path: path)
        try other.writeWithoutTransaction { try $0.execute(sql: "PRAGMA user_version = 2") }
        try other.close()
        #expect(throws: StorageError.laterFormat(path: path, format: 2)) {
            try Self.open(home, HeldClock(Self.start))
        }
    }
}
