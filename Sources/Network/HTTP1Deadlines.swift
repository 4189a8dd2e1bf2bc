/// Which deadline of `ConnectionLimits` runs on an HTTP/1.1 connection, and whether it has passed. Times are monotonic
/// nanoseconds.
struct HTTP1Deadlines {
    /// What the tick found.
    enum OnTick: Equatable {
        case nothing
        /// Answer 408 and close.
        case timeout(Refusal.Deadline)
        /// Close quietly: nothing was asked and nothing is owed.
        case idle
    }

    private enum Running {
        case idle(since: UInt64)
        case head(since: UInt64)
        case body(since: UInt64)
        case answering
        case closing(since: UInt64)
    }

    private let limits: ConnectionLimits
    private var running: Running

    /// The first header block is awaited from the start of the connection.
    init(limits: ConnectionLimits, start: UInt64) {
        self.limits = limits
        running = .head(since: start)
    }

    /// The session has moved on: starts the deadline of its new phase, or lets the old one run on.
    mutating func observe(_ session: HTTP1Session, now: UInt64) {
        if session.wantsClose {
            // Its last words have the time of an idle connection to be read.
            if case .closing = running { return }
            running = .closing(since: now)
        } else if session.isInsideHead {
            if case .head = running { return }
            running = .head(since: now)
        } else if session.isInsideBody {
            if case .body = running { return }
            running = .body(since: now)
        } else if session.isAnswering {
            running = .answering
        } else if session.hasTakenRequest {
            if case .idle = running { return }
            running = .idle(since: now)
        }
    }

    /// Reading was withheld for `nanoseconds`: the peer is not to blame for that time.
    mutating func postpone(by nanoseconds: UInt64) {
        switch running {
        case .idle(let since): running = .idle(since: since + nanoseconds)
        case .head(let since): running = .head(since: since + nanoseconds)
        case .body(let since): running = .body(since: since + nanoseconds)
        case .answering, .closing: break
        }
    }

    func tick(now: UInt64, bodyBytes: Int) -> OnTick {
        switch running {
        case .answering: return .nothing
        case .idle(let since), .closing(let since): return now >= since + limits.idleNanoseconds ? .idle : .nothing
        case .head(let since):
            return now >= since + limits.headerBlockNanoseconds ? .timeout(.headerBlock) : .nothing
        case .body(let since):
            if now >= since + limits.bodyNanoseconds { return .timeout(.body) }
            guard now > since + limits.bodyGraceNanoseconds else { return .nothing }
            let owed = (now - since - limits.bodyGraceNanoseconds) / .second * UInt64(limits.bodyBytesPerSecond)
            return UInt64(bodyBytes) < owed ? .timeout(.bodyRate) : .nothing
        }
    }
}
