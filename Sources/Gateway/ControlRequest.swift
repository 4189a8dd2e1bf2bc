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

    private let waitingBytes = Mutex(0)
    private let stream: AsyncStream<ControlRequest>
    private let entrance: AsyncStream<ControlRequest>.Continuation

    package init() {
        (stream, entrance) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.capacity))
    }

    /// Whether the call was taken; `false` means the line is full or closed.
    func offer(_ request: ControlRequest) -> Bool {
        let bytes = request.content.count
        let hasRoom = waitingBytes.withLock { waiting in
            guard waiting + bytes <= Self.waitingBytesLimit else { return false }
            waiting += bytes
            return true
        }
        guard hasRoom else { return false }
        if case .enqueued = entrance.yield(request) { return true }
        giveBack(bytes)
        return false
    }

    private func giveBack(_ bytes: Int) { waitingBytes.withLock { $0 -= bytes } }

    /// Ends the line: what waits is still answered.
    package func close() { entrance.finish() }

    /// Answers calls until the line is closed and empty. The owner of the process runs it once.
    package func run(with plane: ControlPlane) async {
        for await request in stream {
            let response = await plane.answer(request)
            giveBack(request.content.count)
            request.answers.publish(.init(token: request.token, response: response))
        }
    }
}
