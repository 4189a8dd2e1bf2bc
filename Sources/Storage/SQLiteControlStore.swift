import Cryptography
import Foundation
import GRDB
import Glibc
package import Registry

/// The control plane on disk: a database of its own beside the log, so that neither waits for the other.
///
/// Every record carries a digest that is checked when it is loaded.
package final class SQLiteControlStore: ControlStore {
    static let fileName = "control.sqlite"
    private static let pageBytes = 4096
    /// The longest key. Source: `ControlRecord.key`.
    private static let keyBytesLimit = 1024
    /// The newest format of the tables.
    private static let formats = 1

    private let database: DurableDatabase
    private let files: FilesInPlace
    /// Keeps the lock on the data directory as long as the store.
    private let home: DataDirectory

    /// Opens the store, or makes it. Until it is closed, the log of the same directory looks after its files.
    ///
    /// - Throws: `.laterFormat`, `.weakened`, `.database`, `.directorySync`, `.file`.
    package init(in home: DataDirectory) throws(StorageError) {
        self.home = home
        database = try DurableDatabase(
            path: home.file(Self.fileName), pageBytes: Self.pageBytes, synchronous: "full")
        try database.upgrade([{ try $0.execute(sql: Self.table) }])
        try home.sync()
        let files = try FilesInPlace([database.path, database.path + "-wal"])
        self.files = files
        home.needs.add(Self.fileName) { () throws(StorageError) in try files.requireInPlace() }
    }

    private static let table = """
        CREATE TABLE record (
            kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, digest BLOB NOT NULL,
            PRIMARY KEY (kind, key)) WITHOUT ROWID
        """

    package func load() throws(ControlStoreError) -> [ControlRecord] {
        try Self.records(of: database, sql: "SELECT kind, key, value, digest FROM record")
    }

    /// The records of one kind in a data directory that a gateway may have open: it goes on writing meanwhile, and
    /// nothing is changed.
    ///
    /// - Parameter directory: the path of the data directory; where no gateway has run yet, nothing is found.
    /// - Throws: `.unreadable`, also for the tables of a later version and a file that this user may not read.
    package static func records(
        of kind: ControlRecord.Kind, inDirectory directory: String
    ) throws(ControlStoreError) -> [ControlRecord] {
        let path = directory + "/" + fileName
        guard Glibc.access(path, F_OK) == 0 || errno != ENOENT else { return [] }
        let database: DurableDatabase
        do throws(StorageError) {
            database = try DurableDatabase(readingFrom: path)
            try database.refuseLater(than: formats)
        } catch {
            throw .unreadable(reason: error.description)
        }
        let columns = "SELECT kind, key, value, digest FROM record "
        return try records(of: database, sql: columns + "WHERE kind = '\(kind.rawValue)' ORDER BY key")
    }

    private static func records(
        of database: DurableDatabase, sql: String
    ) throws(ControlStoreError) -> [ControlRecord] {
        let rows = try reading(database) { db in try Row.fetchAll(db, sql: sql) }
        var records: [ControlRecord] = []
        records.reserveCapacity(rows.count)
        for row in rows {
            guard let name = row.text(0), let key = row.text(1), let value = row.bytes(2), let stored = row.bytes(3)
            else { throw .unreadable(reason: "a record is not as it was stored") }
            guard let kind = ControlRecord.Kind(rawValue: name) else {
                throw .unreadable(reason: "record `\(key)` is of the unknown kind `\(name)`")
            }
            let record = ControlRecord(kind: kind, key: key, value: [UInt8](value))
            guard Digest(column: stored) == digest(of: record) else {
                throw .unreadable(reason: "\(name) `\(key)` is not as it was stored")
            }
            records.append(record)
        }
        return records
    }

    package func commit(_ changes: [ControlChange]) throws(ControlStoreError) {
        do throws(StorageError) {
            try database.commit { db in
                for change in changes { try Self.apply(change, to: db) }
            }
            try files.requireInPlace()
            // Rare and small: the write-ahead log is copied at once and never grows.
            _ = try database.checkpointUnlessFull()
        } catch  where error.isFull || error.isBusy {
            throw .full
        } catch {
            throw .unknownOutcome(reason: error.description)
        }
    }

    /// Closes the store; a later call fails.
    package func close() throws(StorageError) {
        // The last connection takes the write-ahead log's file with it.
        home.needs.remove(Self.fileName)
        try database.close()
    }

    private static func apply(_ change: ControlChange, to db: Database) throws {
        switch change {
        case .put(let record):
            precondition((1...keyBytesLimit).contains(record.key.utf8.count))
            try db.execute(
                sql: "INSERT OR REPLACE INTO record (kind, key, value, digest) VALUES (?, ?, ?, ?)",
                arguments: [record.kind.rawValue, record.key, Data(record.value), Data(digest(of: record).bytes)])
        case .remove(let kind, let key):
            try db.execute(sql: "DELETE FROM record WHERE kind = ? AND key = ?", arguments: [kind.rawValue, key])
        }
    }

    private static func digest(of record: ControlRecord) -> Digest {
        var hasher = SHA256()
        hasher.update(Array("\(record.kind.rawValue)\0\(record.key)\0".utf8))
        hasher.update(record.value)
        return hasher.finalize()
    }

    private static func reading<Value>(
        _ database: DurableDatabase, _ body: (Database) throws -> Value
    ) throws(ControlStoreError) -> Value {
        do throws(StorageError) {
            return try database.access(body)
        } catch {
            throw .unreadable(reason: error.description)
        }
    }
}
