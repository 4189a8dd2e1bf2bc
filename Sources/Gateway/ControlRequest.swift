import Domain
import Identity
import Synchronization

/// One API call on its way from an event loop to the control plane.
struct ControlRequest: Sendable {
    let operation: Operation
    let content: [UInt8]
    let caller: Caller
    /// The call's `User-Agent` field.
    var userAgent: [UInt8]?
    let requestID: UniqueID
    let token: UInt64
    let answers: AnswerQueue
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
    private let stream: AsyncStream<ControlRequest>
    private let entrance: AsyncStream<ControlRequest>.Continuation

    package init() {
        (stream, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.capacity))
    }

    /// Whether the call was taken; `false` means the line is full or closed.
    func offer(_ request: ControlRequest) -> Bool {
        let bytes = request.content.count
        let principal = request.caller.principal.arn
        let hasRoom = waiting.withLock { waiting in
            let calls = waiting.calls[principal, default: 0]
            guard waiting.bytes + bytes <= Self.waitingBytesLimit, calls < Self.principalShare else { return false }
            waiting.bytes += bytes
            waiting.calls[principal] = calls + 1
            return true
        }
        guard hasRoom else { return false }
        if case .enqueued = entrance.yield(request) { return true }
        leave(request)
        return false
    }

    private func leave(_ request: ControlRequest) {
        waiting.withLock { waiting in
            waiting.bytes -= request.content.count
            let principal = request.caller.principal.arn
            let calls = (waiting.calls[principal] ?? 0) - 1
            waiting.calls[principal] = calls > 0 ? calls : nil
        }
    }

    /// Ends the line: what waits is still answered.
    package func close() { entrance.finish() }

    /// Answers calls until the line is closed and empty. The owner of the process runs it once.
    package func run(with plane: ControlPlane) async {
        for await request in stream {
            let response = await plane.answer(request)
            leave(request)
            request.answers.publish(.init(token: request.token, response: response))
        }
    }
}
