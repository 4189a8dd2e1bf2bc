import Synchronization

/// What a loop takes back of what it handed to the log: requests whose senders are gone.
///
/// A request can be withdrawn until the log begins with its batch; then it can not, for a commit under way is not
/// undone. One for each loop, made with its completion queue: a request costs nothing until it is withdrawn, a batch
/// one lock that is hardly ever waited for.
package final class Withdrawals: Sendable {
    private struct State {
        /// The number of the last batch that the log has begun with.
        var begun: UInt64 = 0
        /// Requests withdrawn from batches that it has not begun with.
        var tokens: Set<UInt64> = []
    }

    private let state = Mutex(State())

    init() {}

    /// Requests whose withdrawal has yet to meet their batch: their bytes still wait for the log.
    package var count: Int { state.withLock { $0.tokens.count } }

    /// Withdraws requests of one batch, all of them or none. The loop's own call; each request at most once.
    ///
    /// - Parameters:
    ///   - tokens: as given to `AppendBatch.endRequest`.
    ///   - batch: the batch's `number`.
    /// - Returns: whether it was in time. Then nothing of them is stored, no guard of theirs is kept, and no outcome
    ///   comes, but for `.full` where the batch was refused as a whole: hand its token to `forget`.
    package func withdraw(_ tokens: some Swift.Sequence<UInt64>, of batch: UInt64) -> Bool {
        state.withLock { state in
            guard batch > state.begun else { return false }
            for token in tokens { state.tokens.insert(token) }
            return true
        }
    }

    /// An outcome came for a request that was withdrawn: the log will not begin with its batch.
    package func forget(_ token: UInt64) {
        state.withLock { _ = $0.tokens.remove(token) }
    }

    /// The log begins with a batch: those of its requests that were withdrawn.
    func begin(_ batch: UInt64, _ requests: [AppendRequest]) -> Set<UInt64> {
        state.withLock { state in
            state.begun = batch
            guard !state.tokens.isEmpty else { return [] }
            var found: Set<UInt64> = []
            for request in requests where state.tokens.remove(request.token) != nil { found.insert(request.token) }
            return found
        }
    }
}
