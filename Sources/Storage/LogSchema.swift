import Bus
import Cryptography
import Domain
import Foundation
import GRDB

/// The tables of the log, and what is read from them when it is opened.
///
/// ```
/// block  one row a block: id (ascending over all buses), bus, first, count, time (latest receipt, ms),
///        digest of the header, header, body
/// place  where the blocks of a bus are: (bus, first) → id, time, bytes; written in groups, the rest is found by
///        reading `block`
/// bus    the end of each bus's chain as of the last group: next sequence, digest, bytes kept
/// keys   one row a commit that had explicit idempotency keys
/// ledger one row a commit that had events that act once (since format 2)
/// meta   indexed (the last block id that `place` has), key check, region (since format 3)
/// ```
enum LogSchema {
    static let fileName = "log.sqlite"

    /// Makes the tables of a new database; checks the format, key and region of an old one.
    static func prepare(
        _ database: DurableDatabase, region: String, keyCheck: Digest, keyPath: String
    ) throws(StorageError) {
        try database.upgrade([
            { db in
                try db.execute(sql: tables)
                try db.execute(
                    sql: "INSERT INTO meta (name, value) VALUES ('key check', ?), ('indexed', 0)",
                    arguments: [Data(keyCheck.bytes)])
            },
            { db in try db.execute(sql: ledger) },
            { db in
                try db.execute(
                    sql: "INSERT INTO meta (name, value) VALUES ('region', ?)",
                    arguments: [try newestRegion(db) ?? region])
            },
        ])
        let stored = try database.access { db in
            try Data.fetchOne(db, sql: "SELECT value FROM meta WHERE name = 'key check'")
        }
        guard let stored, ConstantTime.isEqual([UInt8](stored), keyCheck.bytes) else { throw .wrongKey(path: keyPath) }
        let begun = try database.access { db in
            try String.fetchOne(db, sql: "SELECT value FROM meta WHERE name = 'region'")
        }
        guard begun == region else {
            throw .otherRegion(path: database.path, region: begun ?? "", configured: region)
        }
    }

    /// The region of the newest block.
    private static func newestRegion(_ db: Database) throws -> String? {
        let header = try Data.fetchOne(db, sql: "SELECT header FROM block ORDER BY id DESC LIMIT 1")
        return header.flatMap { BlockHeader.decode([UInt8]($0)[...])?.header.region }
    }

    private static let ledger =
        "CREATE TABLE ledger (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, entries BLOB NOT NULL);"

    private static let tables = """
        CREATE TABLE block (
            id INTEGER PRIMARY KEY, bus INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
            time INTEGER NOT NULL, digest BLOB NOT NULL, header BLOB NOT NULL, body BLOB NOT NULL);
        CREATE TABLE place (
            bus INTEGER NOT NULL, first INTEGER NOT NULL, id INTEGER NOT NULL, time INTEGER NOT NULL,
            bytes INTEGER NOT NULL, PRIMARY KEY (bus, first)) WITHOUT ROWID;
        CREATE TABLE bus (
            number INTEGER PRIMARY KEY, next INTEGER NOT NULL, digest BLOB NOT NULL, bytes INTEGER NOT NULL);
        CREATE TABLE keys (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, entries BLOB NOT NULL);
        CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) WITHOUT ROWID;
        """
}

/// What the database held when it was opened.
struct LogRecovery {
    var heads: [BusNumber: BusHead] = [:]
    /// Blocks that `place` does not have yet, in the order of their commits.
    var unindexed: [UnindexedBlock] = []
    var nextBlockID: Int64 = 1
    var nextKeyRow: Int64 = 1
    var nextLedgerRow: Int64 = 1

    /// Reads heads and unindexed blocks; checks each unindexed block's header against its row and its chain.
    ///
    /// - Throws: `.damaged` where a row contradicts another: better no start than a wrong sequence.
    init(reading database: DurableDatabase, memory: LogMemory) throws(StorageError) {
        let path = database.path
        var heads: [BusNumber: BusHead] = [:]
        var unindexed: [UnindexedBlock] = []
        var lastID: Int64 = 0
        nextKeyRow = try Self.readKeys("keys", into: &memory.keys, of: database)
        nextLedgerRow = try Self.readKeys("ledger", into: &memory.ledger, of: database)
        try database.access { db in
            // A bus keeps no more than the database holds: an amount beyond it would have a trim remove good blocks.
            let pages = try Int64.fetchOne(db, sql: "PRAGMA page_count") ?? 0
            let most = pages * (try Int64.fetchOne(db, sql: "PRAGMA page_size") ?? 0)
            let buses = try Row.fetchCursor(db, sql: "SELECT number, next, digest, bytes FROM bus")
            while let row = try buses.next() {
                guard let (number, head) = Self.head(row), head.bytes <= most else {
                    throw StorageError.damaged(path: path, what: "table `bus`")
                }
                heads[number] = head
            }
            let indexed = try Row.fetchOne(db, sql: "SELECT value FROM meta WHERE name = 'indexed'")?.integer(0)
            guard let indexed, (0..<Int64.max).contains(indexed) else {
                throw StorageError.damaged(path: path, what: "table `meta`, `indexed`")
            }
            lastID = indexed
            let blocks = try Row.fetchCursor(
                db,
                sql: """
                    SELECT id, bus, first, count, time, digest, header, length(body) FROM block WHERE id > ? ORDER BY id
                    """, arguments: [indexed])
            while let row = try blocks.next() {
                let id = row.integer(0) ?? 0
                guard let block = UnindexedBlock(row), block.id < .max, block.follows(heads[block.bus]) else {
                    throw StorageError.damaged(path: path, what: "table `block`, row \(id)")
                }
                block.advance(&heads[block.bus, default: BusHead()])
                unindexed.append(block)
                lastID = id
            }
        }
        self.heads = heads
        self.unindexed = unindexed
        nextBlockID = lastID + 1
    }

    /// Indexes every row of a table of keys.
    ///
    /// - Returns: the id of the next row.
    private static func readKeys(
        _ table: String, into keys: inout KeyTable, of database: DurableDatabase
    ) throws(StorageError) -> Int64 {
        var last: Int64 = 0
        var filled = keys
        keys = KeyTable(limit: 0, principalLimit: 0, keptSeconds: 0)
        defer { keys = filled }
        try database.access { db in
            let rows = try Row.fetchCursor(db, sql: "SELECT id, time, entries FROM \(table) ORDER BY id")
            while let row = try rows.next() {
                last = row.integer(0) ?? 0
                guard last < .max, let seconds = row.integer(1), let entries = row.bytes(2),
                    filled.index(row: last, seconds: seconds, entries: [UInt8](entries))
                else {
                    throw StorageError.damaged(path: database.path, what: "table `\(table)`, row \(last)")
                }
            }
        }
        return last + 1
    }

    private static func head(_ row: Row) -> (BusNumber, BusHead)? {
        guard let number = row.integer(0), let next = row.integer(1), let bytes = row.integer(3),
            let stored = row.bytes(2), let digest = Digest(column: stored),
            (1...Int64(BusNumber.maximum)).contains(number), (1...Int64(Domain.Sequence.maximum)).contains(next),
            bytes >= 0
        else { return nil }
        return (BusNumber(UInt32(number)), BusHead(next: UInt64(next), digest: digest, bytes: bytes))
    }
}

/// A block that is durable and whose row in `place` is still to be written.
struct UnindexedBlock: Sendable {
    let id: Int64
    let bus: BusNumber
    let first: UInt64
    let count: Int
    let time: Int64
    let bytes: Int64
    let digest: Digest
    let previous: Digest

    /// One that was just committed.
    init(id: Int64, header: BlockHeader, digest: Digest, bodyBytes: Int) {
        self.id = id
        bus = header.busNumber
        first = header.first.value
        count = header.count
        time = header.lastTime.milliseconds
        bytes = Int64(bodyBytes)
        self.digest = digest
        previous = header.previous
    }

    /// Columns id, bus, first, count, time, digest, header, body length; `nil` unless the header says the same.
    init?(_ row: Row) {
        guard let id = row.integer(0), let stored = row.bytes(5), let bytes = row.bytes(6),
            let bodyBytes = row.integer(7),
            let (header, digest) = BlockHeader.decode([UInt8](bytes)[...]), Digest(column: stored) == digest
        else { return nil }
        self.init(id: id, header: header, digest: digest, bodyBytes: Int(bodyBytes))
        guard row.integer(1) == Int64(bus.value), row.integer(2) == Int64(first), row.integer(3) == Int64(count),
            row.integer(4) == time
        else { return nil }
    }

    var end: UInt64 { first + UInt64(count) }

    /// Whether the block is the next one of its bus.
    func follows(_ head: BusHead?) -> Bool {
        let head = head ?? BusHead()
        return head.next == first && head.digest == previous
    }

    func advance(_ head: inout BusHead) {
        head.next = end
        head.digest = digest
        head.bytes += bytes
    }
}

extension Digest {
    /// A digest column; `nil` for any other length.
    init?(column: Data) {
        do throws(CryptographyError) { self = try Digest([UInt8](column)) } catch { return nil }
    }
}
