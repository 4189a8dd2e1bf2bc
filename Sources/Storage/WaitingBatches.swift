import Bus
import Synchronization

/// What the loops hand to the writer: bounded by bytes, taken whole.
///
/// `@unchecked Sendable`: `state` is read and written only under the one monitor.
final class WaitingBatches: @unchecked Sendable {
    private struct State {
        var batches: [AppendBatch] = []
        var requests = 0
        /// The writer sleeps until so many requests wait; 0 while it is awake.
        var wakesAt = 0
        var isStopping = false
    }

    /// What the writer should do next.
    enum Turn {
        case commit([AppendBatch])
        /// Nothing waits: a moment for upkeep.
        case idle
        /// Nothing waits and nothing will.
        case end
    }

    private let monitor = Monitor()
    private var state = State()
    private let bytesLimit: Int
    /// Bytes that wait or are in the commit under way.
    let waitingBytes = Atomic<Int>(0)

    init(bytesLimit: Int) { self.bytesLimit = bytesLimit }

    /// Adds a batch, or says why not.
    func add(_ batch: AppendBatch) -> AppendOutcome.FullReason? {
        let (reason, isAwaited) = monitor.locked { enqueue(batch) }
        if isAwaited { monitor.signal() }
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
    /// and then as long as `window` says for the others.
    func take(bytes: Int, requests: Int, milliseconds: Int, window: inout GroupWindow) -> Turn {
        monitor.locked { next(bytes: bytes, requests: requests, milliseconds: milliseconds, window: &window) }
    }

    private func next(bytes: Int, requests: Int, milliseconds: Int, window: inout GroupWindow) -> Turn {
        if state.batches.isEmpty { park(until: 1, nanoseconds: Int64(milliseconds) * 1_000_000) }
        guard !state.batches.isEmpty else { return state.isStopping ? .end : .idle }
        park(until: min(window.target, requests), nanoseconds: GroupWindow.nanoseconds)
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

    /// Takes no more batches; the writer commits what waits and ends.
    func stop() {
        monitor.locked { state.isStopping = true }
        monitor.signal()
    }

    /// Sleeps until `requests` wait, the time is over, or nothing more comes.
    private func park(until requests: Int, nanoseconds: Int64) {
        guard state.requests < requests, !state.isStopping else { return }
        state.wakesAt = requests
        monitor.wait(nanoseconds: nanoseconds) { state.requests >= requests || state.isStopping }
        state.wakesAt = 0
    }
}
