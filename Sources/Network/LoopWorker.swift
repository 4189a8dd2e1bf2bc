package import Domain

/// What the gateway does on one event loop: a record of functions, all called on that loop and never concurrently.
///
/// The loop calls `refuseHead` for each request whose content is late, `receive` for each complete one, `cycleEnd` once
/// after all sockets that were ready have been read, and `onWake` once after any number of wake-ups asked for since the
/// last.
package final class LoopWorker {
    /// The head of a request, its content left out, when all that was ready has been read and the content is not whole.
    /// Asked at most once a request. An answer is sent at once and the content is dropped; with `nil` the content is
    /// kept until it is whole and the request comes by `receive`.
    package let refuseHead: (borrowing Request, Connection) -> Response?
    /// One complete request. Runs to completion; the answer comes now or later through `Connection.respond`.
    ///
    /// Returns what works on it until the answer, so that it can be cancelled; `.none` where the answer is given or
    /// nothing can be cancelled.
    package let receive: (consuming Request, Connection, StreamToken) -> WorkToken
    /// Everything that was ready has been read: submit what was gathered as one batch.
    package let cycleEnd: () -> Void
    /// Someone called the wake-up function since the last time, or half a second has passed.
    package let onWake: () -> Void
    /// A request over HTTP/2 is gone before its answer: its stream was reset, by the peer or for what the peer did, or
    /// its connection ended. Cancel what can be cancelled; no answer will be sent.
    ///
    /// Over HTTP/1.1 nothing is cancelled: a peer that shuts its side may still read its answer, and there is one
    /// request at a time.
    ///
    /// Returns whether the work has ended. If not, `Connection.respond` or `Connection.release` must still be called:
    /// until then the request counts among those the peer may have at work.
    package let cancel: (WorkToken) -> Bool
    /// The connection is gone; its `attachment` is dropped afterwards.
    package let closed: (Connection) -> Void
    /// Something was refused below the gateway, for the audit log.
    package let refused: (Refusal) -> Void
    /// While `true` no socket of this loop is read: the log is behind. Set and reset on the loop, in any of the above.
    package var withholdsReading = false

    package init(
        receive: @escaping (consuming Request, Connection, StreamToken) -> WorkToken,
        refuseHead: @escaping (borrowing Request, Connection) -> Response? = { _, _ in nil },
        cycleEnd: @escaping () -> Void = {},
        onWake: @escaping () -> Void = {},
        cancel: @escaping (WorkToken) -> Bool = { _ in false },
        closed: @escaping (Connection) -> Void = { _ in },
        refused: @escaping (Refusal) -> Void = { _ in }
    ) {
        self.receive = receive
        self.refuseHead = refuseHead
        self.cycleEnd = cycleEnd
        self.onWake = onWake
        self.cancel = cancel
        self.closed = closed
        self.refused = refused
    }
}

/// Which request of a connection an answer belongs to.
package struct StreamToken: Hashable, Sendable {
    /// The HTTP/2 stream, or the running number of the request in HTTP/1.1.
    package let stream: Int32

    package init(stream: Int32) { self.stream = stream }
}

/// What the gateway works on for a request: a number of its own making, handed back when the request is to be
/// cancelled.
package struct WorkToken: Hashable, Sendable {
    /// Nothing that could be cancelled.
    package static let none = WorkToken(value: .max)

    /// Any number but the greatest.
    package let value: UInt64

    package init(value: UInt64) { self.value = value }
}
