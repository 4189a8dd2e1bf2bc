package import Cryptography
package import Domain
import Synchronization

/// The signatures that were accepted lately, for listeners that take each only once. Shared by all event loops.
///
/// A signature is kept for 10 min 30 s: the two tolerances, before and after, and a margin. The memory does not survive
/// the process; therefore nothing counts that was signed before it began, give or take how far a signer's clock may be
/// ahead on such a listener. The same line moves on with what is forgotten, so that a clock set back opens nothing.
/// When there is no room the answer is no.
/// Cost: a lock, a hash and a set's insertion for each signed request of such a listener.
///
/// - Source: THREATS §3.3
package final class ReplayWindow: Sendable {
    /// How long a signature is kept.
    package static let seconds: Int64 = 630
    /// How far ahead a signer's clock may be: what was accepted before a restart is never dated later than the restart
    /// and this.
    package static let aheadSeconds: Int64 = 5
    /// Signatures kept: some 790 a second all the time, in at most some 120 MB.
    package static let capacity = 500_000

    /// Why a signature does not count.
    package enum Refusal: Error, Equatable, Sendable {
        /// It was accepted before.
        case repeated
        /// It was made before the memory began, or the clock was set back behind what is forgotten already.
        case beforeMemory
        /// It is dated too far ahead.
        case ahead
        /// As many signatures are kept as may be.
        case noRoom
    }

    /// The key's id and its signature over one request. The id is part of it although two keys cannot share one.
    private struct Mark: Hashable {
        let accessKeyID: String
        let signature: Digest
    }

    private struct State {
        /// What was signed at this second or before does not count.
        var floor: Int64
        var marks: Set<Mark> = []
        /// The same marks in the order they came, with the second to forget them and the second they were signed in.
        var order: [(mark: Mark, until: Int64, signedAt: Int64)] = []
        /// How many at the start of `order` are forgotten.
        var forgotten = 0
    }

    private let capacity: Int
    private let state: Mutex<State>

    /// A memory that begins at `start`.
    package convenience init(start: Timestamp) { self.init(start: start, capacity: Self.capacity) }

    init(start: Timestamp, capacity: Int) {
        self.capacity = capacity
        state = Mutex(State(floor: start.seconds + Self.aheadSeconds))
    }

    /// Signatures kept now.
    var count: Int { state.withLock { $0.marks.count } }

    /// Takes note of an accepted signature.
    ///
    /// - Returns: why it does not count; `nil` when it does, which it does once.
    package func accept(accessKeyID: String, signature: Digest, signedAt: Timestamp, now: Timestamp) -> Refusal? {
        let mark = Mark(accessKeyID: accessKeyID, signature: signature)
        return state.withLock { state in
            Self.forget(&state, now.seconds)
            guard !state.marks.contains(mark) else { return .repeated }
            guard signedAt.seconds > state.floor else { return .beforeMemory }
            guard signedAt.seconds <= now.seconds + Self.aheadSeconds else { return .ahead }
            guard state.marks.count < capacity else { return .noRoom }
            state.marks.insert(mark)
            state.order.append((mark, now.seconds + Self.seconds, signedAt.seconds))
            return nil
        }
    }

    private static func forget(_ state: inout State, _ now: Int64) {
        while state.forgotten < state.order.count, state.order[state.forgotten].until <= now {
            let (mark, _, signedAt) = state.order[state.forgotten]
            state.marks.remove(mark)
            state.floor = max(state.floor, signedAt)
            state.forgotten += 1
        }
        // Half of it is gone: moving the rest costs each mark one step.
        guard state.forgotten > 1024, state.forgotten * 2 > state.order.count else { return }
        state.order.removeFirst(state.forgotten)
        state.forgotten = 0
    }
}
