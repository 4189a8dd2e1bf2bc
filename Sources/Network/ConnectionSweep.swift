import NIOCore

/// A look at every connection of a loop, a few in each of its turns, so that those who ask meanwhile are served.
///
/// INVARIANT: touched on the loop only. Connections that come during the sweep are not looked at: what they are judged
/// by is in force already.
final class ConnectionSweep {
    /// Connections looked at in one turn. Source: verifying a chain costs some 0.1 ms, so a turn takes 2 ms.
    static let connectionsPerTurn = 16

    private let loop: LoopState
    private let predicate: (Connection) -> Bool
    private let done: (Int) -> Void
    private var rest: [ConnectionHandler]
    private var closed = 0

    /// - Parameters:
    ///   - predicate: picks the connections to close.
    ///   - done: told how many were closed, after the last turn.
    init(_ loop: LoopState, where predicate: @escaping (Connection) -> Bool, done: @escaping (Int) -> Void) {
        self.loop = loop
        self.predicate = predicate
        self.done = done
        rest = loop.connections
    }

    /// Looks at the next few.
    func turn() {
        for handler in rest.suffix(Self.connectionsPerTurn) where predicate(handler.connection) {
            handler.closeNow()
            closed += 1
        }
        rest.removeLast(min(Self.connectionsPerTurn, rest.count))
        guard !rest.isEmpty else { return done(closed) }
        // It is safe: made and used on the loop that it goes back to.
        nonisolated(unsafe) let sweep = self
        loop.eventLoop.execute { sweep.turn() }
    }
}
