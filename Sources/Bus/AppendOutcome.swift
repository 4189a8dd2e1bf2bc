package import Domain

/// The positions of a request's events, in the request's order. The usual case, one run on one bus, allocates nothing.
package struct Positions: RandomAccessCollection, Hashable, Sendable {
    private enum Storage: Hashable, Sendable {
        case run(BusNumber, first: UInt64, count: Int)
        case scattered([Position])
    }

    private let storage: Storage

    /// `count` positions of `bus`, ascending without gaps from `first`.
    package init(bus: BusNumber, first: Domain.Sequence, count: Int) {
        precondition(count >= 1)
        storage = .run(bus, first: first.value, count: count)
    }

    /// Any positions.
    package init(_ positions: [Position]) { storage = .scattered(positions) }

    /// The one run they are, when they are one: `count` positions from `first` on.
    package var run: (bus: BusNumber, first: UInt64, count: Int)? {
        if case .run(let bus, let first, let count) = storage { (bus, first, count) } else { nil }
    }

    package var startIndex: Int { 0 }

    package var endIndex: Int {
        switch storage {
        case .run(_, _, let count): count
        case .scattered(let positions): positions.count
        }
    }

    package subscript(index: Int) -> Position {
        switch storage {
        case .run(let bus, let first, let count):
            precondition(index >= 0 && index < count)
            return Position(bus: bus, sequence: Domain.Sequence(first + UInt64(index)))
        case .scattered(let positions): return positions[index]
        }
    }

    package static func == (left: Positions, right: Positions) -> Bool { left.elementsEqual(right) }

    package func hash(into hasher: inout Hasher) {
        for position in self { hasher.combine(position) }
    }
}

/// What became of a request.
package enum AppendOutcome: Hashable, Sendable {
    /// Durable: the WAL's fdatasync returned. One position an event.
    case stored(Positions)
    /// The same key and body came before: the positions of then, and the entry mask of then. Nothing was stored now.
    case repeated(Positions, entryMask: UInt32)
    /// The request had no events and its key did not come before. Nothing was stored and no key is kept.
    case notRepeated
    /// The key came before with another body. Nothing was stored: 400 `ValidationException`.
    case keyMismatch
    /// No room on the disk, in the queue or in the key table. Nothing was stored: 503, retry later.
    case full(FullReason)
    /// The disk failed during the commit: nobody knows. 500; the process stops, the restart decides.
    case unknownOutcome

    /// Where the request's events stand, when they do.
    package var positions: Positions? {
        switch self {
        case .stored(let positions), .repeated(let positions, _): positions
        case .notRepeated, .keyMismatch, .full, .unknownOutcome: nil
        }
    }

    /// What was full.
    package enum FullReason: String, Hashable, Sendable {
        /// More bytes wait for the disk than the log is willing to hold.
        case queue
        /// The file system has no room.
        case disk
        /// The table of idempotency keys, or this principal's share of it.
        case keys
        /// The log is stopping.
        case stopped
    }
}

/// The outcome of one request, on its way back to the loop.
package struct AppendCompletion: Sendable {
    package let token: UInt64
    package let outcome: AppendOutcome

    package init(token: UInt64, outcome: AppendOutcome) {
        self.token = token
        self.outcome = outcome
    }
}
