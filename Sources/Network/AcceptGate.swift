import Synchronization

/// Counts what all listeners of a process share and says whether one more may come. Source: THREATS 2.1.
package final class AcceptGate: Sendable {
    /// Whether an accepted socket may go on.
    enum OnAccept {
        case admitted
        case overBudget
        case overHandshaking
    }

    private struct Counts {
        var open = 0
        var accepted = 0
        var handshaking: [String: Int] = [:]
        var principals: [String: Int] = [:]
    }

    private let budgets: ConnectionBudgets
    private let counts = Mutex(Counts())
    let bodies: BodyBudget

    package init(budgets: ConnectionBudgets = ConnectionBudgets()) {
        self.budgets = budgets
        bodies = BodyBudget(limit: budgets.bodyBytes)
    }

    /// Connections open now, for the metrics.
    package var openConnections: Int { counts.withLock { $0.open } }

    /// Connections let in since this was last asked, for the metrics.
    package func takeAccepted() -> Int {
        counts.withLock { counts in
            defer { counts.accepted = 0 }
            return counts.accepted
        }
    }

    /// Counts a new connection in; every `.admitted` is matched by one `leave`.
    ///
    /// - Parameter block: the addresses whose unfinished handshakes it counts to; `nil` while they are not known.
    func enter(block: String?) -> OnAccept {
        counts.withLock { counts in
            guard counts.open < budgets.connections else { return .overBudget }
            if let block {
                let handshaking = counts.handshaking[block, default: 0]
                guard handshaking < budgets.handshakingPerAddress else { return .overHandshaking }
                counts.handshaking[block] = handshaking + 1
            }
            counts.open += 1
            counts.accepted += 1
            return .admitted
        }
    }

    /// Counts the handshake of a connection whose address was not known when it came; `false` when its block has too
    /// many. A `true` is matched by one `finishHandshake`.
    func beginHandshake(block: String) -> Bool {
        counts.withLock { counts in
            let handshaking = counts.handshaking[block, default: 0]
            guard handshaking < budgets.handshakingPerAddress else { return false }
            counts.handshaking[block] = handshaking + 1
            return true
        }
    }

    /// The handshake is over, one way or the other.
    func finishHandshake(block: String) {
        counts.withLock { Self.decrement(&$0.handshaking, block) }
    }

    /// The connection is gone.
    func leave(principal: String?) {
        counts.withLock { counts in
            counts.open -= 1
            if let principal { Self.decrement(&counts.principals, principal) }
        }
    }

    /// Counts a connection to its principal; `false` when the principal has its share already.
    func occupy(principal: String) -> Bool {
        counts.withLock { counts in
            let held = counts.principals[principal, default: 0]
            guard held < budgets.connectionsPerPrincipal else { return false }
            counts.principals[principal] = held + 1
            return true
        }
    }

    /// Gives a principal's place back before the connection ends.
    func vacate(principal: String) {
        counts.withLock { Self.decrement(&$0.principals, principal) }
    }

    private static func decrement(_ counts: inout [String: Int], _ key: String) {
        let left = (counts[key] ?? 0) - 1
        counts[key] = left > 0 ? left : nil
    }
}
