import Domain
import Synchronization

/// The way back from the control plane to one event loop: answers gather here, and the loop is woken.
final class AnswerQueue: Sendable {
    struct Answer: Sendable {
        let token: UInt64
        let response: Response
    }

    private let waiting = Mutex<[Answer]>([])
    private let wake: @Sendable () -> Void

    init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

    func publish(_ answer: Answer) {
        waiting.withLock { $0.append(answer) }
        wake()
    }

    func drain() -> [Answer] {
        waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
    }
}
