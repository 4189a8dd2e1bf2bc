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

    /// What waits.
    private struct Waiting {
        var bytes = 0
        var calls: [String: Int] = [:]
    }

    private let waiting = Mutex(Waiting())
    private let stream: AsyncStream<ControlWork>
    private let entrance: AsyncStream<ControlWork>.Continuation

    package init() {
        (stream, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.capacity))
    }

    /// Whether the call was taken; see `offer` of any work.
    func offer(_ request: ControlRequest) -> Bool { offer(.call(request)) }

    /// Whether the call was taken; `false` means the line is full or closed.
    func offer(_ work: ControlWork) -> Bool {
        let bytes = work.contentBytes
        let principal = work.principal
        let hasRoom = waiting.withLock { waiting in
            let calls = waiting.calls[principal, default: 0]
            guard waiting.bytes + bytes <= Self.waitingBytesLimit, calls < Self.principalShare else { return false }
            waiting.bytes += bytes
            waiting.calls[principal] = calls + 1
            return true
        }
        guard hasRoom else { return false }
        if case .enqueued = entrance.yield(work) { return true }
        leave(work)
        return false
    }

    private func leave(_ work: ControlWork) {
        waiting.withLock { waiting in
            waiting.bytes -= work.contentBytes
            let principal = work.principal
            let calls = (waiting.calls[principal] ?? 0) - 1
            waiting.calls[principal] = calls > 0 ? calls : nil
        }
    }

    /// Ends the line: what waits is still answered.
    package func close() { entrance.finish() }

    /// Answers calls until the line is closed and empty. The owner of the process runs it once.
    package func run(with plane: ControlPlane) async {
        for await work in stream {
            let response =
                switch work {
                case .call(let request): await plane.answer(request)
                case .join(let call): await plane.answer(call)
                }
            leave(work)
            work.publish(response)
        }
    }
}
