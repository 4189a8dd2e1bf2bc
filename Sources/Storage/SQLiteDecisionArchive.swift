package import Domain
package import Registry

/// What the archive of decisions tells the program. Called from its thread: note it and return.
package struct DecisionWatch: Sendable {
    /// The disk takes no records (`true`): denials are answered `ThrottlingException` once the queue is full. Or it
    /// takes them again.
    package var onFull: @Sendable (Bool) -> Void = { _ in }
    /// The disk failed: no record is taken any more, and no denial told, until a restart.
    package var onFailure: @Sendable (StorageError) -> Void = { _ in }
    /// So many of the oldest records were removed by a bound.
    package var onTrim: @Sendable (Int) -> Void = { _ in }

    package init() {}
}

/// Decision records on disk: one thread that makes what waits, commits it together, and removes the oldest.
///
/// A record survives a power cut once its commit returned; a denial is told before that.
package final class SQLiteDecisionArchive: Sendable {
    /// How much may wait; the defaults are the product's, a test makes them small.
    package struct QueueLimits: Sendable {
        /// Source: what the thread writes in about a second.
        package var records = 16_384
        package var bytes = 64 << 20

        package init() {}
    }

    private let queue: DecisionQueue
    private let database: DecisionDatabase
    private let writer: DecisionWriter
    private let thread: WriterThread
    /// Keeps the lock on the data directory as long as the archive.
    private let home: DataDirectory

    /// How long a reader waits for the commit of what it may be looking for.
    private static let commitMilliseconds = 1000

    /// Opens the archive, or makes it, and starts its thread.
    ///
    /// - Throws: `.laterFormat`, `.weakened`, `.database`, `.directorySync`.
    package init(
        in home: DataDirectory, bounds: DecisionBounds, queue limits: QueueLimits = QueueLimits(), clock: WallClock,
        watch: DecisionWatch
    ) throws(StorageError) {
        self.home = home
        let database = try DecisionDatabase(in: home)
        let queue = DecisionQueue(countLimit: limits.records, bytesLimit: limits.bytes)
        let writer = DecisionWriter(queue: queue, database: database, bounds: bounds, clock: clock, watch: watch)
        self.database = database
        self.queue = queue
        self.writer = writer
        thread = try WriterThread { writer.run() }
    }

    /// The archive as the gateway reaches it.
    package var archive: DecisionArchive {
        DecisionArchive(
            keep: { [queue] in queue.add($0) },
            find: { [queue, database] id in
                queue.waitForCommit(milliseconds: Self.commitMilliseconds)
                return database.find(id)
            },
            page: { [queue, database] query in
                if query.from == 0 { queue.waitForCommit(milliseconds: Self.commitMilliseconds) }
                return database.page(query)
            })
    }

    /// Puts other bounds in force; what is past them goes within a second or so.
    package func keep(within bounds: DecisionBounds) { writer.keep(within: bounds) }

    /// Writes what waits and ends the thread. Later drafts are refused.
    package func stop() {
        queue.stop()
        thread.join()
        // Everything is committed: a failure to close loses nothing.
        do throws(StorageError) { try database.close() } catch {}
    }
}
