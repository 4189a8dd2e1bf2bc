import Domain
import Registry
import Synchronization

/// The archive's thread: makes what waits, commits it together, removes the oldest.
final class DecisionWriter: Sendable {
    private let queue: DecisionQueue
    private let database: DecisionDatabase
    private let bounds: Mutex<DecisionBounds>
    private let clock: WallClock
    private let watch: DecisionWatch

    private static let recordsPerCommit = 512
    private static let idleMilliseconds = 1000
    /// The wait before a full disk is tried again.
    private static let fullMilliseconds = 200
    /// Commits between two copies of the write-ahead log.
    private static let commitsPerCheckpoint = 16

    init(
        queue: DecisionQueue, database: DecisionDatabase, bounds: DecisionBounds, clock: WallClock,
        watch: DecisionWatch
    ) {
        self.queue = queue
        self.database = database
        self.bounds = Mutex(bounds)
        self.clock = clock
        self.watch = watch
    }

    func keep(within bounds: DecisionBounds) { self.bounds.withLock { $0 = bounds } }

    /// Works until the queue is stopped and empty, or the disk fails.
    func run() {
        var commits = 0
        var hasMore = false
        do throws(StorageError) {
            while true {
                switch queue.take(count: Self.recordsPerCommit, milliseconds: hasMore ? 0 : Self.idleMilliseconds) {
                case .write(let drafts):
                    try write(drafts)
                    commits += 1
                    if commits % Self.commitsPerCheckpoint == 0 { try database.checkpoint() }
                case .idle:
                    if commits % Self.commitsPerCheckpoint != 0 { try database.checkpoint() }
                    commits = 0
                    try database.requireInPlace()
                case .end:
                    try database.checkpoint()
                    return
                }
                hasMore = try trim()
            }
        } catch {
            queue.fail()
            watch.onFailure(error)
        }
    }

    private func write(_ drafts: [DecisionDraft]) throws(StorageError) {
        let rows = drafts.map {
            DecisionDatabase.Row(id: $0.id, time: $0.time, resource: $0.resource, value: $0.make())
        }
        var isFull = false
        while true {
            do throws(StorageError) {
                try database.insert(rows)
                try database.requireInPlace()
                if isFull { watch.onFull(false) }
                return queue.settle(count: rows.count)
            } catch  where error.isFull || error.isBusy {
                if !isFull { watch.onFull(true) }
                isFull = true
                // INVARIANT: a full disk ends no shutdown: what it does not take is lost, and was said.
                guard queue.pause(milliseconds: Self.fullMilliseconds) else { return queue.settle(count: rows.count) }
            }
        }
    }

    /// - Returns: whether more is past the bounds.
    private func trim() throws(StorageError) -> Bool {
        let bounds = bounds.withLock { $0 }
        do throws(StorageError) {
            let done = try database.trim(to: bounds, now: clock.now())
            if done.removed > 0 { watch.onTrim(done.removed) }
            return done.hasMore
        } catch  where error.isFull || error.isBusy {
            return false
        }
    }
}
