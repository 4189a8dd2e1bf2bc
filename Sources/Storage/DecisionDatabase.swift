import Cryptography
import Domain
import Foundation
import GRDB
import Registry

/// How many decision records are kept: whichever bound is met first removes the oldest.
package struct DecisionBounds: Equatable, Sendable {
    package var records: Int
    /// Of records, each with 256 bytes for its row and indexes.
    package var bytes: Int
    package var seconds: Int64

    package init(records: Int, bytes: Int, seconds: Int64) {
        self.records = records
        self.bytes = bytes
        self.seconds = seconds
    }
}

/// The table of decision records, in a database of its own. Every row carries a digest that is checked when it is read.
final class DecisionDatabase: Sendable {
    static let fileName = "decisions.sqlite"
    private static let pageBytes = 8192
    /// What a row takes beside its record: id, time, resource, digest, three index entries.
    static let rowBytes = 256
    /// What a row has in the file at least: its id, twice, and its digest.
    private static let leastRowBytes: Int64 = 64
    /// Rows removed in one transaction.
    private static let removedPerCommit = 512
    /// Rows of one page, and bytes after which it ends.
    private static let pageRows = 256
    private static let pageValueBytes = 1 << 20
    /// Rows by which one can stand before an older one: more than a queue holds.
    private static let disorder: Int64 = 65_536

    /// A record that was made.
    struct Row {
        let id: UniqueID
        let time: Timestamp
        let resource: String
        let value: [UInt8]
    }

    private let writer: DurableDatabase
    private let reader: DurableDatabase
    /// The files SQLite writes to, as they were opened.
    private let files: FilesInPlace

    init(in home: DataDirectory) throws(StorageError) {
        writer = try DurableDatabase(
            path: home.file(Self.fileName), pageBytes: Self.pageBytes, synchronous: "full")
        try writer.upgrade([{ try $0.execute(sql: Self.tables) }])
        try Self.mendTotals(of: writer)
        try home.sync()
        reader = try DurableDatabase(readingFrom: writer.path)
        files = try FilesInPlace([writer.path, writer.path + "-wal"])
    }

    /// Makes sure that a restart will find what is written: SQLite itself goes on writing to files that were removed.
    ///
    /// - Throws: `.replaced`, `.file`.
    func requireInPlace() throws(StorageError) { try files.requireInPlace() }

    private static let tables = """
        CREATE TABLE decision (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
            time INTEGER NOT NULL, resource TEXT NOT NULL, value BLOB NOT NULL, digest BLOB NOT NULL);
        CREATE INDEX decision_time ON decision (time);
        CREATE TABLE total (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        INSERT INTO total VALUES ('records', 0), ('bytes', 0);
        """

    /// Counts the rows anew where the totals cannot be theirs: beyond a bound, they would have good records removed.
    private static func mendTotals(of database: DurableDatabase) throws(StorageError) {
        let isPlausible = try database.access { db in
            func value(_ sql: String) throws -> Int64? { try GRDB.Row.fetchOne(db, sql: sql)?.integer(0) }
            let size = (try value("PRAGMA page_count") ?? 0) * (try value("PRAGMA page_size") ?? 0)
            guard let records = try value("SELECT value FROM total WHERE name = 'records'"),
                let bytes = try value("SELECT value FROM total WHERE name = 'bytes'"),
                (0...size / leastRowBytes).contains(records)
            else { return false }
            let own = records * Int64(rowBytes)
            return (own...own + size).contains(bytes)
        }
        if isPlausible { return }
        try database.commit { db in
            try db.execute(
                sql: """
                    INSERT OR REPLACE INTO total SELECT 'records', count(*) FROM decision;
                    INSERT OR REPLACE INTO total
                        SELECT 'bytes', coalesce(sum(length(value)), 0) + \(rowBytes) * count(*) FROM decision;
                    """)
        }
    }

    /// Stores rows together. One with the id of another takes its place.
    func insert(_ rows: [Row]) throws(StorageError) {
        try writer.commit { db in
            var records = 0
            var bytes = 0
            let old = try db.cachedStatement(sql: "SELECT length(value) FROM decision WHERE id = ?")
            let drop = try db.cachedStatement(sql: "DELETE FROM decision WHERE id = ?")
            let insert = try db.cachedStatement(
                sql: "INSERT INTO decision (id, time, resource, value, digest) VALUES (?, ?, ?, ?, ?)")
            for row in rows {
                let id = Data(row.id.bytes)
                if let length = try Int.fetchOne(old, arguments: [id]) {
                    try drop.execute(arguments: [id])
                    records -= 1
                    bytes -= length + Self.rowBytes
                }
                try insert.execute(arguments: [
                    id, row.time.milliseconds, row.resource, Data(row.value), Data(Self.digest(of: row).bytes),
                ])
                records += 1
                bytes += row.value.count + Self.rowBytes
            }
            try Self.count(records, bytes, in: db)
        }
    }

    /// Removes the oldest rows that are past the bounds, some hundreds of them.
    ///
    /// - Returns: how many were removed, and whether more are past the bounds.
    func trim(to bounds: DecisionBounds, now: Timestamp) throws(StorageError) -> (removed: Int, hasMore: Bool) {
        let totals = try totals()
        let cutoff = now.milliseconds - bounds.seconds * 1000
        let oldest = try oldest()
        var excess = (records: totals.records - bounds.records, bytes: totals.bytes - bounds.bytes)
        var removed = (records: 0, bytes: 0, last: Int64(0))
        for row in oldest {
            guard excess.records > 0 || excess.bytes > 0 || row.time < cutoff else { break }
            excess.records -= 1
            excess.bytes -= row.bytes
            removed = (removed.records + 1, removed.bytes + row.bytes, row.sequence)
        }
        guard removed.records > 0 else { return (0, false) }
        try writer.commit { db in
            try db.execute(sql: "DELETE FROM decision WHERE sequence <= ?", arguments: [removed.last])
            try Self.count(-removed.records, -removed.bytes, in: db)
        }
        return (removed.records, removed.records == Self.removedPerCommit)
    }

    private func oldest() throws(StorageError) -> [(sequence: Int64, time: Int64, bytes: Int)] {
        try writer.access { db in
            try GRDB.Row.fetchAll(
                db, sql: "SELECT sequence, time, length(value) FROM decision ORDER BY sequence LIMIT ?",
                arguments: [Self.removedPerCommit]
            ).map { row in
                (row[0], Int64.fromDatabaseValue(row[1]) ?? 0, (Int.fromDatabaseValue(row[2]) ?? 0) + Self.rowBytes)
            }
        }
    }

    /// Records and bytes that are kept.
    func totals() throws(StorageError) -> (records: Int, bytes: Int) {
        try writer.access { db in
            func total(_ name: String) throws -> Int {
                try Int.fetchOne(db, sql: "SELECT value FROM total WHERE name = ?", arguments: [name]) ?? 0
            }
            return (try total("records"), try total("bytes"))
        }
    }

    func find(_ id: UniqueID) -> DecisionArchive.Finding {
        do throws(StorageError) {
            let row = try reader.access { db in
                try GRDB.Row.fetchOne(
                    db, sql: "SELECT sequence, id, time, resource, value, digest FROM decision WHERE id = ?",
                    arguments: [Data(id.bytes)])
            }
            return row.map { Self.finding($0).finding } ?? .absent
        } catch {
            return .unreadable("\(error)")
        }
    }

    func page(_ query: DecisionArchive.Query) -> DecisionArchive.Page {
        do throws(StorageError) {
            let from = query.from > 0 ? query.from : try first(since: query.since)
            let rows = try reader.access { db in
                try GRDB.Row.fetchAll(
                    db,
                    sql: """
                        SELECT sequence, id, time, resource, value, digest FROM decision
                        WHERE sequence >= ? ORDER BY sequence LIMIT \(Self.pageRows)
                        """, arguments: [from])
            }
            var findings: [(id: UniqueID, finding: DecisionArchive.Finding)] = []
            var bytes = 0
            for row in rows {
                let sequence: Int64 = row[0]
                if bytes > Self.pageValueBytes { return .init(findings: findings, next: sequence) }
                let found = Self.finding(row)
                if let time = Int64.fromDatabaseValue(row[2]), let resource = String.fromDatabaseValue(row[3]) {
                    let isWanted = query.resource == nil || query.resource == resource
                    guard time >= query.since.milliseconds, isWanted else { continue }
                }
                if case .record(let value) = found.finding { bytes += value.count }
                findings.append(found)
            }
            let last: Int64? = rows.last.map { $0[0] }
            return .init(findings: findings, next: rows.count == Self.pageRows ? last.map { $0 + 1 } : nil)
        } catch {
            return .init(findings: [(UniqueID(high: 0, low: 0), .unreadable("\(error)"))], next: nil)
        }
    }

    /// A sequence before which no row is of `time` or later. Loops hand their decisions in a little out of order.
    private func first(since time: Timestamp) throws(StorageError) -> Int64 {
        let sequence = try reader.access { db in
            try Int64.fetchOne(
                db, sql: "SELECT sequence FROM decision WHERE time >= ? ORDER BY time LIMIT 1",
                arguments: [time.milliseconds])
        }
        return max(1, (sequence ?? .max) - Self.disorder)
    }

    /// Copies the write-ahead log into the database, as far as that is possible now.
    func checkpoint() throws(StorageError) { _ = try writer.checkpointUnlessFull() }

    func close() throws(StorageError) {
        try reader.close()
        try writer.close()
    }

    private static func count(_ records: Int, _ bytes: Int, in db: Database) throws {
        let add = try db.cachedStatement(sql: "UPDATE total SET value = value + ? WHERE name = ?")
        try add.execute(arguments: [records, "records"])
        try add.execute(arguments: [bytes, "bytes"])
    }

    private static func finding(_ row: GRDB.Row) -> (id: UniqueID, finding: DecisionArchive.Finding) {
        guard let bytes = Data.fromDatabaseValue(row[1]), let id = UniqueID(bytes: [UInt8](bytes)) else {
            return (UniqueID(high: 0, low: 0), .damaged)
        }
        guard let time = Int64.fromDatabaseValue(row[2]), let resource = String.fromDatabaseValue(row[3]),
            let value = Data.fromDatabaseValue(row[4]), let digest = Data.fromDatabaseValue(row[5])
        else { return (id, .damaged) }
        let stored = Row(
            id: id, time: Timestamp(milliseconds: time), resource: resource, value: [UInt8](value))
        guard Digest(column: digest) == Self.digest(of: stored) else { return (id, .damaged) }
        return (id, .record(stored.value))
    }

    private static func digest(of row: Row) -> Digest {
        var hasher = SHA256()
        hasher.update(row.id.bytes + Array("\(row.time.milliseconds)\0\(row.resource)\0".utf8))
        hasher.update(row.value)
        return hasher.finalize()
    }
}

extension UniqueID {
    fileprivate var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 % 8))) }
    }

    fileprivate init?(bytes: [UInt8]) {
        guard bytes.count == 16 else { return nil }
        func word(_ part: ArraySlice<UInt8>) -> UInt64 { part.reduce(0) { $0 << 8 | UInt64($1) } }
        self.init(high: word(bytes[..<8]), low: word(bytes[8...]))
    }
}
