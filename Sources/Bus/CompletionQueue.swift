import Synchronization

/// The way back from the log writer to one event loop: outcomes gather here, and the loop is woken once.
package final class CompletionQueue: Sendable {
    private let waiting = Mutex<[AppendCompletion]>([])
    private let wake: @Sendable () -> Void
    /// What the loop takes back of what it handed to the log.
    package let withdrawals = Withdrawals()

    /// - Parameter wake: makes the loop call `drain` soon; called from any thread, never under a lock.
    package init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    /// Adds what one commit decided for this loop. The loop is woken unless an earlier wake-up has still to be drained.
    package func publish(_ completions: [AppendCompletion]) {
        guard !completions.isEmpty else { return }
        let isFirst = waiting.withLock { waiting in
            let isFirst = waiting.isEmpty
            waiting.append(contentsOf: completions)
            return isFirst
        }
        if isFirst { wake() }
    }

    /// Adds one outcome.
    package func publish(_ completion: AppendCompletion) {
        let isFirst = waiting.withLock { waiting in
            waiting.append(completion)
            return waiting.count == 1
        }
        if isFirst { wake() }
    }

    /// Takes everything that waits, in the order it was decided, by swapping arrays: `taken` is emptied, its storage
    /// reused.
    package func drain(into taken: inout [AppendCompletion]) {
        taken.removeAll(keepingCapacity: true)
        waiting.withLock { swap(&$0, &taken) }
    }
}
