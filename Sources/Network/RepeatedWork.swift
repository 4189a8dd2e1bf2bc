import NIOCore
import NIOPosix

/// Work that is done again and again until it is cancelled: for the owner of the process, never for a request.
package final class RepeatedWork: Sendable {
    private let task: RepeatedTask
    private let loop: any EventLoop

    init(_ task: RepeatedTask, on loop: any EventLoop) {
        self.task = task
        self.loop = loop
    }

    /// Ends it; what is under way is done first.
    package func cancel() async {
        let ended = loop.makePromise(of: Void.self)
        task.cancel(promise: ended)
        do { try await ended.futureResult.get() } catch {
            // It was cancelled before.
        }
    }
}

extension EventLoops {
    /// Does `body` each `seconds`, counted from the end of the time before.
    package func repeating(everySeconds seconds: Int64, _ body: @escaping @Sendable () async -> Void) -> RepeatedWork {
        let loop = group.next()
        let pause = TimeAmount.seconds(seconds)
        let task = loop.scheduleRepeatedAsyncTask(initialDelay: pause, delay: pause) { _ in
            loop.makeFutureWithTask { await body() }
        }
        return RepeatedWork(task, on: loop)
    }
}
