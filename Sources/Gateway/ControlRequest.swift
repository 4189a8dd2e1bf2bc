import Domain
import Identity
import Synchronization

/// One API call on its way from an event loop to the control plane.
struct ControlRequest: Sendable {
    let operation: Operation
    let content: [UInt8]
    let caller: Caller
    let requestID: UniqueID
    let token: UInt64
    let answers: AnswerQueue
}

/// The line of calls before the control plane: bounded, so that a flood of them is refused and not remembered.
package final class ControlLine: Sendable {
    /// Calls that may wait. Source: THREATS 4.6, bound queues.
    static let capacity = 256

    private let stream: AsyncStream<ControlRequest>
    private let entrance: AsyncStream<ControlRequest>.Continuation

    package init() {
        (stream, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.capacity))
    }

    /// Whether the call was taken; `false` means the line is full or closed.
    func offer(_ request: ControlRequest) -> Bool {
        if case .enqueued = entrance.yield(request) { true } else { false }
    }

    /// Ends the line: what waits is still answered.
    package func close() { entrance.finish() }

    /// Answers calls until the line is closed and empty. The owner of the process runs it once.
    package func run(with plane: ControlPlane) async {
        for await request in stream {
            let response = await plane.answer(request)
            request.answers.publish(.init(token: request.token, response: response))
        }
    }
}
