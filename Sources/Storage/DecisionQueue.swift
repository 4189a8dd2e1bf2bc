import Registry

/// Decision records that wait for the archive's thread: bounded by number and by bytes, all together and of a sender.
///
/// `@unchecked Sendable`: `state` is read and written only under the one monitor.
final class DecisionQueue: @unchecked Sendable {
    private struct State {
        var drafts: [DecisionDraft] = []
        var shares: DecisionShares
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

    private let monitor = Monitor()
    private var state: State

    init(countLimit: Int, bytesLimit: Int) {
        state = State(shares: DecisionShares(count: countLimit, bytes: bytesLimit))
    }

    /// Adds a draft; `false` when there is no room for it or its sender has its share, or the queue was stopped.
    func add(_ draft: DecisionDraft) -> Bool {
        monitor.locked {
            guard !state.isStopping, state.shares.add(draft) else { return false }
            state.drafts.append(draft)
            state.accepted += 1
            if state.drafts.count == 1 { monitor.broadcast() }
            return true
        }
    }

    /// Takes what waits, in order, `count` at most; waits up to `milliseconds` for the first.
    func take(count: Int, milliseconds: Int) -> Turn {
        monitor.locked {
            wait(milliseconds) { !state.drafts.isEmpty || state.isStopping }
            guard !state.drafts.isEmpty else { return state.isStopping ? .end : .idle }
            let taken = Array(state.drafts.prefix(count))
            state.drafts.removeFirst(taken.count)
            state.shares.remove(taken)
            return .write(taken)
        }
    }

    /// The commit that held so many drafts has ended.
    func settle(count: Int) {
        monitor.locked {
            state.settled += count
            state.isStuck = false
            monitor.broadcast()
        }
    }

    /// The disk takes nothing now; waits a moment before the next try.
    ///
    /// - Returns: `false` when the queue was stopped meanwhile.
    func pause(milliseconds: Int) -> Bool {
        monitor.locked {
            state.isStuck = true
            monitor.broadcast()
            wait(milliseconds) { state.isStopping }
            return !state.isStopping
        }
    }

    /// Returns when all that was added before is committed, or that will not happen soon.
    func waitForCommit(milliseconds: Int) {
        monitor.locked {
            let wanted = state.accepted
            wait(milliseconds) { state.settled >= wanted || state.isStuck || state.isStopping }
        }
    }

    /// Takes no more drafts; the thread writes what waits and ends.
    func stop() {
        monitor.locked {
            state.isStopping = true
            monitor.broadcast()
        }
    }

    /// Drops what waits and takes no more: the disk failed.
    func fail() {
        monitor.locked {
            state.isStopping = true
            state.isStuck = true
            state.drafts = []
            monitor.broadcast()
        }
    }

    private func wait(_ milliseconds: Int, until isDone: () -> Bool) {
        monitor.wait(nanoseconds: Int64(milliseconds) * 1_000_000, until: isDone)
    }
}
