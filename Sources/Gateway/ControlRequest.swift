import Domain
import Identity
import Synchronization

/// One API call on its way from an event loop to the control plane.
struct ControlRequest: Sendable {
    /// What is asked for.
    enum Subject {
        case operation(Operation)
        /// A recorded decision, to be read.
        case decision(UniqueID)
    }

    let subject: Subject
    let content: [UInt8]
    let caller: Caller
    /// The call's `User-Agent` field.
    var userAgent: [UInt8]?
    let requestID: UniqueID
    let token: UInt64
    let answers: AnswerQueue
}

/// What waits for the control plane.
enum ControlWork: Sendable {
    case call(ControlRequest)
    case join(JoinCall)

    /// Bytes it holds while it waits.
    var contentBytes: Int {
        switch self {
        case .call(let request): request.content.count
        case .join(let call): call.content.count
        }
    }

    /// Whose share of the line it takes: the caller, or the invitation or certificate of a partner.
    var principal: String {
        switch self {
        case .call(let request): request.caller.principal.arn
        case .join(let call): call.sender
        }
    }

    func publish(_ response: Response) {
        switch self {
        case .call(let request): request.answers.publish(.init(token: request.token, response: response))
        case .join(let call): call.answers.publish(.init(token: call.token, response: response))
        }
    }
}

/// The line of calls before the control plane: bounded, so that a flood of them is refused and not remembered.
package final class ControlLine: Sendable {
    /// Calls that may wait. Source: THREATS 4.6, bound queues.
    static let capacity = 256
    /// Bytes of content that may wait. Source: four of the largest requests; a policy of 1 MiB still passes.
    static let waitingBytesLimit = 4 * Limits.wireBodyBytes
    /// Calls of one principal that may wait: whoever sends many leaves room for the others.
    static let principalShare = capacity / 8

    /// A call's place in the line, to give it up by.
    final class Place: Sendable {
        let principal: String
        let contentBytes: Int
        /// Nil once the call was begun with or dropped: its content is gone with it.
        private let work: Mutex<ControlWork?>

        fileprivate init(_ work: ControlWork) {
            principal = work.principal
            contentBytes = work.contentBytes
            self.work = Mutex(work)
        }

        /// The call, for whoever is first: the one who answers it or the one who drops it.
        fileprivate func take() -> ControlWork? { work.withLock { $0.take() } }
    }

    /// What waits.
    private struct Waiting {
        var bytes = 0
        var calls: [String: Int] = [:]
    }

    private let waiting = Mutex(Waiting())
    private let stream: AsyncStream<Place>
    private let entrance: AsyncStream<Place>.Continuation

    package init() {
        (stream, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.capacity))
    }

    /// The call's place; `nil` means the line is full or closed.
    func enter(_ work: ControlWork) -> Place? {
        let place = Place(work)
        let (bytes, principal) = (place.contentBytes, place.principal)
        let hasRoom = waiting.withLock { waiting in
            let calls = waiting.calls[principal, default: 0]
            guard waiting.bytes + bytes <= Self.waitingBytesLimit, calls < Self.principalShare else { return false }
            waiting.bytes += bytes
            waiting.calls[principal] = calls + 1
            return true
        }
        guard hasRoom else { return nil }
        if case .enqueued = entrance.yield(place) { return place }
        waiting.withLock { $0.bytes -= bytes }
        leave(place)
        return nil
    }

    /// Drops a call whose sender is gone, if nothing has begun with it; then no answer comes.
    ///
    /// Its content is gone at once. Its place stays taken until the line has come to it, and counts to its principal:
    /// nobody gets more of the line by giving calls up.
    ///
    /// - Returns: whether it was in time. A call that has begun is carried out, and answered to nobody.
    func drop(_ place: Place) -> Bool {
        guard place.take() != nil else { return false }
        waiting.withLock { $0.bytes -= place.contentBytes }
        return true
    }

    private func leave(_ place: Place) {
        waiting.withLock { waiting in
            let calls = (waiting.calls[place.principal] ?? 0) - 1
            waiting.calls[place.principal] = calls > 0 ? calls : nil
        }
    }

    /// Ends the line: what waits is still answered.
    package func close() { entrance.finish() }

    /// Answers calls until the line is closed and empty. The owner of the process runs it once.
    package func run(with plane: ControlPlane) async {
        for await place in stream {
            guard let work = place.take() else {
                leave(place)
                continue
            }
            let response =
                switch work {
                case .call(let request): await plane.answer(request)
                case .join(let call): await plane.answer(call)
                }
            waiting.withLock { $0.bytes -= place.contentBytes }
            leave(place)
            work.publish(response)
        }
    }
}
