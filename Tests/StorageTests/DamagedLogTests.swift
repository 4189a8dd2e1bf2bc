import Bus
import Domain
import Foundation
import GRDB
import Synchronization
import Testing

@testable import Storage

@Suite("A log some of whose rows are damaged")
struct DamagedLogTests {
    private let directory = ScratchDirectory()
    private let clock = HeldClock(Timestamp(seconds: 1_800_000_000))
    private var path: String { directory.path + "/log.sqlite" }

    /// Changes the database beside the log.
    private func change(_ sql: String, _ arguments: StatementArguments = []) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        try DatabaseQueue(path: path, configuration: configuration).write { db in
            try db.execute(sql: sql, arguments: arguments)
        }
    }

    /// How a log ended.
    private final class End: Sendable {
        private let error = Mutex<StorageError?>(nil)
        private let ended = DispatchSemaphore(value: 0)

        var watch: LogWatch {
            LogWatch { [self] error in
                self.error.withLock { $0 = error }
                ended.signal()
            }
        }

        func wait() -> StorageError? {
            ended.wait(timeout: .now() + 10) == .success ? error.withLock { $0 } : nil
        }
    }

    @Test("a bus may keep as many bytes as its database has, and not one more", arguments: [-1, 0, 1])
    func mostBytes(above: Int) throws {
        try SQLiteLogTests.open(directory, clock).stop()
        try change(
            """
            INSERT INTO bus SELECT 1, 1, zeroblob(32), page_count * page_size + ?
            FROM pragma_page_count, pragma_page_size
            """, [above])
        do {
            try SQLiteLogTests.open(directory, clock).stop()
            #expect(above <= 0)
        } catch let error as StorageError {
            #expect(above > 0 && error == .damaged(path: path, what: "table `bus`"), "\(error)")
        }
    }

    @Test(
        "an index row that was never written so ends the log by name, and has nothing removed",
        arguments: [
            "time = 'x'", "bytes = 'x'", "bytes = -1", "bytes = 1 << 62", "id = x'00'", "first = 0", "first = -7",
            "first = 'x'", "first = 1 << 48", "first = 1 << 40",
        ])
    func place(damage: String) throws {
        do {
            let log = try SQLiteLogTests.open(directory, clock)
            _ = TestLoop(log).append(TestLoop.request("a"))
            log.stop()
        }
        try change("UPDATE place SET \(damage)")
        clock.advance(seconds: 30 * 86_400)
        let end = End()
        let log = try SQLiteLogTests.open(directory, clock, watch: end.watch)
        // The last of them is a sequence that there might be.
        if damage.hasPrefix("first"), damage != "first = 1 << 40" {
            #expect(throws: EventLogError.damaged(BusNumber(1), first: 0)) {
                try log.firstSequence(of: BusNumber(1))
            }
        }
        _ = TestLoop(log).append(TestLoop.request("b"))
        #expect(end.wait() == .damaged(path: path, what: "table `place`, bus 1"))
        log.stop()
        let first = try DatabaseQueue(path: path).read { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM block WHERE first = 1")
        }
        #expect(first == 1)
    }

    @Test("a row of keys that is damaged while the log runs ends it by name when the keys' time is over")
    func keys() throws {
        let end = End()
        let ticks = Ticks()
        let log = try SQLiteLogTests.open(directory, clock, watch: end.watch, monotonic: { ticks.next() })
        defer { log.stop() }
        _ = TestLoop(log).append(TestLoop.request("k", guarded: TestLoop.key("once")))
        try change("UPDATE keys SET entries = 7")
        clock.advance(seconds: 2 * 86_400)
        _ = TestLoop(log).append(TestLoop.request("b"))
        #expect(end.wait() == .damaged(path: path, what: "table `keys`, row 1"))
    }
}
