import Glibc
import Registry

/// Decision records that wait for the archive's thread: bounded by number and by bytes.
///
/// `@unchecked Sendable`: `state` is read and written only between `lock` and `unlock` of the one pthread mutex.
final class DecisionQueue: @unchecked Sendable {
    private struct State {
        var drafts: [DecisionDraft] = []
        var bytes = 0
        /// Drafts ever taken in, and those of them whose commit has ended.
        var accepted = 0
        var settled = 0
        var isStopping = false
        /// The disk takes nothing now: who waits for a commit waits in vain.
        var isStuck = false
    }

    /// What the thread should do next.
    enum Turn {
        case write([DecisionDraft])
        /// Nothing waits: a moment for upkeep.
        case idle
        /// Nothing waits and nothing will.
        case end
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state = State()
    private let countLimit: Int
    private let bytesLimit: Int

    init(countLimit: Int, bytesLimit: Int) {
        self.countLimit = countLimit
        self.bytesLimit = bytesLimit
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        var attributes = pthread_condattr_t()
        let isReady =
            pthread_mutex_init(mutex, nil) == 0 && pthread_condattr_init(&attributes) == 0
            && pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0
            && pthread_cond_init(condition, &attributes) == 0
        precondition(isReady, "the system has no mutex to give")
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    private func locked<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Adds a draft; `false` when there is no room for it, or the queue was stopped.
    func add(_ draft: DecisionDraft) -> Bool {
        locked {
            guard !state.isStopping, state.drafts.count < countLimit, state.bytes + draft.weight <= bytesLimit else {
                return false
            }
            state.drafts.append(draft)
            state.bytes += draft.weight
            state.accepted += 1
            if state.drafts.count == 1 { pthread_cond_broadcast(condition) }
            return true
        }
    }

    /// Takes what waits, in order, `count` at most; waits up to `milliseconds` for the first.
    func take(count: Int, milliseconds: Int) -> Turn {
        locked {
            wait(milliseconds) { !state.drafts.isEmpty || state.isStopping }
            guard !state.drafts.isEmpty else { return state.isStopping ? .end : .idle }
            let taken = Array(state.drafts.prefix(count))
            state.drafts.removeFirst(taken.count)
            state.bytes -= taken.reduce(0) { $0 + $1.weight }
            return .write(taken)
        }
    }

    /// The commit that held so many drafts has ended.
    func settle(count: Int) {
        locked {
            state.settled += count
            state.isStuck = false
            pthread_cond_broadcast(condition)
        }
    }

    /// The disk takes nothing now; waits a moment before the next try.
    ///
    /// - Returns: `false` when the queue was stopped meanwhile.
    func pause(milliseconds: Int) -> Bool {
        locked {
            state.isStuck = true
            pthread_cond_broadcast(condition)
            wait(milliseconds) { state.isStopping }
            return !state.isStopping
        }
    }

    /// Returns when all that was added before is committed, or that will not happen soon.
    func waitForCommit(milliseconds: Int) {
        locked {
            let wanted = state.accepted
            wait(milliseconds) { state.settled >= wanted || state.isStuck || state.isStopping }
        }
    }

    /// Takes no more drafts; the thread writes what waits and ends.
    func stop() {
        locked {
            state.isStopping = true
            pthread_cond_broadcast(condition)
        }
    }

    /// Drops what waits and takes no more: the disk failed.
    func fail() {
        locked {
            state.isStopping = true
            state.isStuck = true
            state.drafts = []
            pthread_cond_broadcast(condition)
        }
    }

    private func wait(_ milliseconds: Int, until isDone: () -> Bool) {
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let total = Int64(deadline.tv_nsec) + Int64(milliseconds) * 1_000_000
        deadline.tv_sec += Int(total / 1_000_000_000)
        deadline.tv_nsec = Int(total % 1_000_000_000)
        while !isDone() {
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
        }
    }
}
