import Bus
import Glibc
import Synchronization

/// What the loops hand to the writer: bounded by bytes, taken whole.
///
/// `@unchecked Sendable`: `state` is read and written only between `lock` and `unlock` of the one pthread mutex.
final class WaitingBatches: @unchecked Sendable {
    private struct State {
        var batches: [AppendBatch] = []
        var requests = 0
        /// The writer sleeps until so many requests wait; 0 while it is awake.
        var wakesAt = 0
        var isStopping = false
        var hasErrand = false
    }

    /// What the writer should do next.
    enum Turn {
        case commit([AppendBatch])
        /// Nothing waits: a moment for upkeep.
        case idle
        /// Nothing waits and nothing will.
        case end
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state = State()
    private let bytesLimit: Int
    /// Bytes that wait or are in the commit under way.
    let waitingBytes = Atomic<Int>(0)

    init(bytesLimit: Int) {
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

    /// Adds a batch, or says why not.
    func add(_ batch: AppendBatch) -> AppendOutcome.FullReason? {
        pthread_mutex_lock(mutex)
        let (reason, isAwaited) = enqueue(batch)
        pthread_mutex_unlock(mutex)
        // After the lock, or the writer would wake only to wait for it.
        if isAwaited { pthread_cond_signal(condition) }
        return reason
    }

    /// Under the lock: why the batch is not taken, or whether the writer waited for it.
    private func enqueue(_ batch: AppendBatch) -> (AppendOutcome.FullReason?, isAwaited: Bool) {
        guard !state.isStopping else { return (.stopped, false) }
        let bytes = batch.bytes.count
        guard waitingBytes.load(ordering: .relaxed) + bytes <= bytesLimit else { return (.queue, false) }
        waitingBytes.add(bytes, ordering: .relaxed)
        state.requests += batch.requests.count
        state.batches.append(batch)
        let isAwaited = state.wakesAt > 0 && state.requests >= state.wakesAt
        if isAwaited { state.wakesAt = 0 }
        return (nil, isAwaited)
    }

    /// Takes what waits, in order, until `bytes` or `requests` are reached; waits up to `milliseconds` for the first,
    /// and
    /// then as long as `window` says for the others.
    func take(bytes: Int, requests: Int, milliseconds: Int, window: inout GroupWindow) -> Turn {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if state.batches.isEmpty { park(until: 1, nanoseconds: Int64(milliseconds) * 1_000_000) }
        let isErrand = state.hasErrand
        state.hasErrand = false
        guard !state.batches.isEmpty else { return state.isStopping ? .end : .idle }
        if !isErrand { park(until: min(window.target, requests), nanoseconds: GroupWindow.nanoseconds) }
        let isMet = state.requests >= window.target
        var taken = 0
        var takenBytes = 0
        var takenRequests = 0
        while taken < state.batches.count, takenBytes < bytes, takenRequests < requests {
            takenBytes += state.batches[taken].bytes.count
            takenRequests += state.batches[taken].requests.count
            taken += 1
        }
        state.requests -= takenRequests
        window.note(requests: takenRequests, isMet: isMet)
        if taken == state.batches.count {
            var batches: [AppendBatch] = []
            batches.reserveCapacity(taken)
            swap(&batches, &state.batches)
            return .commit(batches)
        }
        let batches = Array(state.batches[..<taken])
        state.batches.removeFirst(taken)
        return .commit(batches)
    }

    /// The commit that held these bytes has ended.
    func settle(bytes: Int) { waitingBytes.subtract(bytes, ordering: .relaxed) }

    /// Lets the writer have an idle turn now, for work that is not an append.
    func nudge() {
        pthread_mutex_lock(mutex)
        state.hasErrand = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Takes no more batches; the writer commits what waits and ends.
    func stop() {
        pthread_mutex_lock(mutex)
        state.isStopping = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Sleeps until `requests` wait, the time is over, or something else is to be done.
    private func park(until requests: Int, nanoseconds: Int64) {
        guard state.requests < requests, !state.isStopping, !state.hasErrand else { return }
        var deadline = timespec()
        clock_gettime(CLOCK_MONOTONIC, &deadline)
        let total = Int64(deadline.tv_nsec) + nanoseconds
        deadline.tv_sec += Int(total / 1_000_000_000)
        deadline.tv_nsec = Int(total % 1_000_000_000)
        state.wakesAt = requests
        while state.requests < requests, !state.isStopping, !state.hasErrand {
            if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
        }
        state.wakesAt = 0
    }
}
