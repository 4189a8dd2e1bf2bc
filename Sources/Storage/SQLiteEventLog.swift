package import Bus
import Cryptography
package import Domain
import Glibc
import Synchronization

/// The block log in SQLite: one writer thread, group commit, one row a block.
///
/// A success is given after the fdatasync of the write-ahead log returned. Source:
/// sqlite.org/pragma.html#pragma_synchronous for why `FULL` is needed in WAL mode, sqlite.org/wal.html for the rest.
package final class SQLiteEventLog: EventLog {
    private let waiting: WaitingBatches
    private let directory: BlockDirectory
    private let reader: LogReader
    private let database: DurableDatabase
    private let subscriptions: CommitSubscriptions
    private let thread: WriterThread
    /// Keeps the lock on the data directory as long as the log.
    private let home: DataDirectory

    /// Whether a log was begun in this data directory before.
    ///
    /// - Throws: `.logMissing` when only the control tables are left, which are made after the log: a new one would
    ///   give sequences and event ids a second time.
    package static func exists(in directory: DataDirectory) throws(StorageError) -> Bool {
        if directory.holds(LogSchema.fileName) { return true }
        guard !directory.holds(SQLiteControlStore.fileName) else {
            throw .logMissing(path: directory.file(LogSchema.fileName))
        }
        return false
    }

    /// Opens the log, or makes it, and starts its writer.
    ///
    /// - Parameters:
    ///   - monotonic: nanoseconds that never go back.
    ///   - watch: what the program is told; its `onFatal` must end the process within a second.
    /// - Throws: why the log refuses to start; the text of the error says what to do.
    package init(
        in home: DataDirectory, key: MasterKey, configuration: LogConfiguration, clock: WallClock,
        monotonic: @escaping @Sendable () -> UInt64, watch: LogWatch
    ) throws(StorageError) {
        try configuration.requireDurable()
        let path = home.file(LogSchema.fileName)
        let seal: BlockSeal
        do throws(CryptographyError) {
            seal = try BlockSeal(key: key.key(for: .leafSalts).bytes)
        } catch { throw .wrongKey(path: home.file(MasterKey.fileName)) }
        var reserve = ReserveFile(in: home, byteCount: configuration.reserveBytes)
        do throws(StorageError) {
            database = try Self.openDatabase(path, configuration, key, home)
        } catch  where error.isFullAtStart && reserve.releaseLeftover() {
            database = try Self.openDatabase(path, configuration, key, home)
        }
        try home.sync()
        // Room of its own for the write-ahead log: commits then neither wait for block allocation nor meet a full disk
        // first.
        do throws(StorageError) {
            try FileBytes.extend(path + "-wal", to: configuration.checkpointBytes + configuration.commitBytes)
        } catch  where error.isNoSpace {}
        let files = try FilesInPlace([path, path + "-wal", home.lockPath])
        let memory = LogMemory(configuration: configuration)
        let recovery = try LogRecovery(reading: database, memory: memory)
        memory.heads = recovery.heads
        directory = BlockDirectory(recovery: recovery, bodyBytesLimit: configuration.recentBlockBytes)
        reader = try LogReader(path: path, connections: configuration.readers, directory: directory, seal: seal)
        _ = try reserve.hold()
        waiting = WaitingBatches(bytesLimit: configuration.waitingBytesLimit)
        subscriptions = CommitSubscriptions()
        self.home = home
        let writer = LogWriter(
            parts: LogWriter.Parts(
                configuration: configuration, database: database, files: files, needs: home.needs, directory: directory,
                seal: seal, memory: memory, waiting: waiting, subscriptions: subscriptions, watch: watch, clock: clock,
                monotonic: monotonic),
            recovery: recovery, reserve: reserve)
        thread = try WriterThread { writer.run() }
    }

    private static func openDatabase(
        _ path: String, _ configuration: LogConfiguration, _ key: MasterKey, _ home: DataDirectory
    ) throws(StorageError) -> DurableDatabase {
        let database = try DurableDatabase(
            path: path, pageBytes: configuration.pageBytes, synchronous: configuration.synchronous)
        try LogSchema.prepare(
            database, region: configuration.region, keyCheck: key.key(for: .check),
            keyPath: home.file(MasterKey.fileName))
        return database
    }

    package var waitingBytes: Int { waiting.waitingBytes.load(ordering: .relaxed) }

    package func submit(_ batch: consuming AppendBatch) {
        guard let reason = waiting.add(batch) else { return }
        batch.completions.publish(
            batch.requests.map { AppendCompletion(token: $0.token, outcome: .full(reason)) })
    }

    package func read(
        bus: BusNumber, from sequence: Domain.Sequence, limitBytes: Int
    ) throws(EventLogError) -> [StoredEvent] {
        try reader.read(bus: bus, from: sequence, limitBytes: limitBytes)
    }

    package func event(at position: Position) throws(EventLogError) -> StoredEvent {
        try reader.event(at: position)
    }

    package func lastSequence(of bus: BusNumber) -> Domain.Sequence? { directory.last(of: bus) }

    package func firstSequence(of bus: BusNumber) throws(EventLogError) -> Domain.Sequence? {
        try reader.firstSequence(of: bus)
    }

    package func subscribe(to bus: BusNumber, wake: @escaping @Sendable () -> Void) -> CommitSubscription? {
        subscriptions.add(bus: bus, wake: wake)
    }

    package func stop() {
        waiting.stop()
        thread.join()
        // Everything is committed: a failure to close loses nothing, and the next open says what is wrong.
        do throws(StorageError) {
            try reader.close()
            try database.close()
        } catch {}
    }
}
