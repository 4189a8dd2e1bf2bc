package import Domain

/// Why the log could not read.
package enum EventLogError: Error, Hashable, Sendable {
    /// The bus has no event at this sequence: not yet, or not any more (retention).
    case noSuchEvent(Position)
    /// A stored block does not carry the digest it was stored with; it is not given out.
    case damaged(BusNumber, first: UInt64)
    /// The disk could not be read; `code` is SQLite's extended result code.
    case unreadable(code: Int32)
    /// The log has stopped.
    case stopped
}

extension EventLogError: CustomStringConvertible {
    /// What is wrong and what to do.
    package var description: String {
        switch self {
        case .noSuchEvent(let position):
            "bus \(position.bus.value) has no event \(position.sequence.value): not yet, or retention removed it"
        case .damaged(let bus, let first):
            "the block of bus \(bus.value) from event \(first) on is damaged: restore `log.sqlite` from the backup"
        case .unreadable(let code): "SQLite failed with code \(code): look at the disk"
        case .stopped: "the gateway is stopping: ask again when it runs"
        }
    }
}

/// The durable log of admitted events: appended by the loops through one writer, read by anyone.
///
/// Seam: SQLite in `Storage`, an in-memory fake in the tests; both pass one conformance suite.
package protocol EventLog: AnyObject, Sendable {
    /// Hands a batch to the writer. Never blocks. Every request of it that is not withdrawn before the writer begins
    /// with it is answered exactly once through the batch's completion queue, in the order of the requests within one
    /// bus; when the queue of waiting bytes is full the answer `.full(.queue)` is there before this returns.
    func submit(_ batch: consuming AppendBatch)

    /// Bytes that wait for a commit: what a loop looks at before it reads more from its sockets.
    var waitingBytes: Int { get }

    /// Events of one bus in order, from `sequence` on: as many as fit `limitBytes`, and at least one if there is any.
    ///
    /// A `sequence` that retention has removed continues at the oldest event kept; one beyond the end gives none.
    func read(
        bus: BusNumber, from sequence: Domain.Sequence, limitBytes: Int
    ) throws(EventLogError) -> [StoredEvent]

    /// One event by its place.
    ///
    /// - Throws: `.noSuchEvent` where the bus has none.
    func event(at position: Position) throws(EventLogError) -> StoredEvent

    /// The newest event of a bus that is durable, or `nil` for a bus that never had one.
    func lastSequence(of bus: BusNumber) -> Domain.Sequence?

    /// The oldest event of a bus that is kept, or `nil` when none is.
    func firstSequence(of bus: BusNumber) throws(EventLogError) -> Domain.Sequence?

    /// Calls `wake` after each commit that added to `bus`, from the writer's thread: it must only note the fact and
    /// return. Coalesced: after a call there is none until `CommitSubscription.rearm`. Ends when the subscription is
    /// released.
    ///
    /// - Returns: `nil` when `EventLogLimits.subscriptions` are open.
    func subscribe(to bus: BusNumber, wake: @escaping @Sendable () -> Void) -> CommitSubscription?

    /// Commits what waits, answers it, and returns when the writer has ended. Later batches are answered
    /// `.full(.stopped)`.
    func stop()
}

/// Limits of the seam.
package enum EventLogLimits {
    /// Open subscriptions, all buses together. Source: each is a tail or a rule's reader; far above the rules of a bus.
    package static let subscriptions = 10_000
    /// Bytes that may wait for a commit before `.full(.queue)`. Source: THREATS 4.6, bound queues; about a second of
    /// disk.
    package static let waitingBytes = 64 * 1024 * 1024
}
