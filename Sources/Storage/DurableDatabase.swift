import Bus
import Cryptography
import Domain
import Foundation
import GRDB
import GRDBSQLite
import Glibc

/// One connection to a database of the data directory, set up as an acknowledgement needs it.
///
/// GRDB's errors end here: everything above sees `StorageError`.
final class DurableDatabase: Sendable {
    let path: String
    private let queue: DatabaseQueue
    private let synchronous: String

    /// How long to wait for another process (an operator's shell) that holds the database.
    private static let busySeconds = 1.0
    /// The pragmas whose weakening would make an acknowledgement a lie, with the values that are asserted.
    private static let cellCheck = "1"

    /// Opens for writing. `pageBytes` counts only when the file is made.
    init(path: String, pageBytes: Int, synchronous: String) throws(StorageError) {
        self.path = path
        self.synchronous = synchronous
        // SQLite would make the file readable by all; its companions take the mode of the database.
        try FileBytes.extend(path, to: 0)
        var configuration = Configuration()
        configuration.busyMode = .timeout(Self.busySeconds)
        configuration.label = "log"
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA page_size = \(pageBytes)")
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            try db.execute(sql: "PRAGMA synchronous = \(synchronous)")
            try db.execute(sql: "PRAGMA cell_size_check = ON")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
            try db.execute(sql: "PRAGMA secure_delete = OFF")
            try db.execute(sql: "PRAGMA foreign_keys = OFF")
        }
        queue = try translating(path) { try DatabaseQueue(path: path, configuration: configuration) }
        try assertDurable()
    }

    /// Opens for reading beside the writer.
    init(readingFrom path: String) throws(StorageError) {
        self.path = path
        synchronous = "full"
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(Self.busySeconds)
        configuration.label = "log reader"
        configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA cell_size_check = ON") }
        queue = try translating(path) { try DatabaseQueue(path: path, configuration: configuration) }
    }

    /// Brings the tables to the newest format: step N makes format N out of the one before, whole or not at all.
    ///
    /// - Throws: `.laterFormat` for tables that a later version made.
    func upgrade(_ steps: [(Database) throws -> Void]) throws(StorageError) {
        let found = try refuseLater(than: steps.count)
        guard found < steps.count else { return }
        try commit { db in
            for step in steps[found...] { try step(db) }
            try db.execute(sql: "PRAGMA user_version = \(steps.count)")
        }
    }

    /// The format of the tables.
    ///
    /// - Throws: `.laterFormat` for one above `newest`.
    @discardableResult
    func refuseLater(than newest: Int) throws(StorageError) -> Int {
        let found = try access { db in try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0 }
        guard found <= newest else { throw .laterFormat(path: path, format: found) }
        return found
    }

    /// Reads the settings back from SQLite.
    ///
    /// - Throws: `.weakened` where one is less than was asked for.
    func assertDurable() throws(StorageError) {
        let level = ["full": "2", "extra": "3"][synchronous.lowercased()] ?? "2"
        let expected = [("journal_mode", "wal"), ("synchronous", level), ("cell_size_check", Self.cellCheck)]
        for (setting, required) in expected {
            let value = try access { db in try String.fetchOne(db, sql: "PRAGMA \(setting)") } ?? "unknown"
            guard value == required else { throw .weakened(setting: setting, value: value, required: required) }
        }
    }

    /// Runs `body` outside a transaction, one caller at a time.
    func access<Value>(_ body: (Database) throws -> Value) throws(StorageError) -> Value {
        try translating(path) { try queue.writeWithoutTransaction(body) }
    }

    /// Runs `body` in one transaction that is durable when this returns. On any error nothing of it is left, but for
    /// an error of the commit itself, which says nothing either way.
    func commit(_ body: (Database) throws -> Void) throws(StorageError) {
        try access { db in
            // Prepared once: GRDB's own calls parse the two words each time.
            try db.cachedStatement(sql: "BEGIN IMMEDIATE TRANSACTION").execute()
            do {
                try body(db)
                try db.cachedStatement(sql: "COMMIT TRANSACTION").execute()
            } catch {
                // SQLite rolls back itself after most failures; what a second failure says is worth less than the
                // first.
                let cause = db.fullIfOverQuota(error, SQLITE_FCNTL_JOURNAL_POINTER)
                do { if db.isInsideTransaction { try db.rollback() } } catch {}
                throw cause
            }
        }
    }

    /// Copies what it can of the write-ahead log into the database, both synced.
    ///
    /// - Returns: whether all of it was copied, so that the next commit starts the log anew.
    func checkpoint() throws(StorageError) -> Bool {
        try access { db in
            do {
                let counts = try db.checkpoint(.passive)
                return counts.walFrameCount == counts.checkpointedFrameCount
            } catch { throw db.fullIfOverQuota(error, SQLITE_FCNTL_FILE_POINTER) }
        }
    }

    /// Bytes of pages that are free inside the database.
    func freeBytes() throws(StorageError) -> Int {
        try access { db in
            let pages = try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0
            return pages * (try Int.fetchOne(db, sql: "PRAGMA page_size") ?? 0)
        }
    }

    func close() throws(StorageError) { try translating(path) { try queue.close() } }
}

extension Database {
    /// `error`; SQLITE_FULL where a write met a used-up disk quota, which SQLite takes for a failure of the disk.
    ///
    /// Asked of the one file that was written to: SQLite notes no errno for the connection when a COMMIT fails.
    ///
    /// - Parameter file: SQLITE_FCNTL_JOURNAL_POINTER: the write-ahead log; SQLITE_FCNTL_FILE_POINTER: the database.
    /// - Source: sqlite.org/c3ref/c_fcntl_begin_atomic_write.html
    fileprivate func fullIfOverQuota(_ error: any Error, _ file: Int32) -> any Error {
        guard let failure = error as? DatabaseError, failure.extendedResultCode == .SQLITE_IOERR_WRITE
        else { return error }
        var opened: UnsafeMutablePointer<sqlite3_file>?
        var code: Int32 = 0
        guard sqlite3_file_control(sqliteConnection, "main", file, &opened) == SQLITE_OK, let opened,
            let control = opened.pointee.pMethods?.pointee.xFileControl,
            control(opened, SQLITE_FCNTL_LAST_ERRNO, &code) == SQLITE_OK, code == EDQUOT
        else { return error }
        return DatabaseError(resultCode: .SQLITE_FULL)
    }
}

extension StorageError {
    /// SQLite's SQLITE_FULL: nothing was stored, and it is no fault of the disk.
    var isFull: Bool {
        guard case .database(_, let code) = self else { return false }
        return code & 0xFF == DatabaseError.SQLITE_FULL.rawValue
    }

    /// The disk has no room for SQLite to begin with: a full disk at the start, with its shared memory file still to
    /// be made.
    var isFullAtStart: Bool {
        guard case .database(_, let code) = self else { return false }
        return isFull || code == DatabaseError.SQLITE_IOERR_SHMSIZE.rawValue
    }

    /// Another process held the database for longer than the wait: nothing was begun.
    var isBusy: Bool {
        guard case .database(_, let code) = self else { return false }
        return code & 0xFF == DatabaseError.SQLITE_BUSY.rawValue
    }
}

/// Runs GRDB calls and makes their errors this module's.
private func translating<Value>(_ path: String, _ body: () throws -> Value) throws(StorageError) -> Value {
    do {
        return try body()
    } catch let error as StorageError {
        throw error
    } catch let error as DatabaseError {
        throw .database(path: path, code: error.extendedResultCode.rawValue)
    } catch {
        throw .database(path: path, code: DatabaseError.SQLITE_ERROR.rawValue)
    }
}
