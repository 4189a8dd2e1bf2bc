import NIOCore
import NIOPosix

/// The event loops of a process, each with its worker.
package final class EventLoops: Sendable {
    let group: MultiThreadedEventLoopGroup
    private let states: [ObjectIdentifier: LoopState]

    /// Starts `count` loops.
    ///
    /// - Parameters:
    ///   - now: the monotonic clock, in nanoseconds.
    ///   - makeWorker: called once for each loop on the caller's thread, before anything is served, with the loop's
    /// number and
    ///     the function that asks for `onWake` from any thread.
    package init(
        count: Int, now: @escaping @Sendable () -> UInt64 = SystemClock.monotonicNanoseconds,
        makeWorker: (_ index: Int, _ wake: @escaping @Sendable () -> Void) -> LoopWorker
    ) {
        group = MultiThreadedEventLoopGroup(numberOfThreads: count)
        var states: [ObjectIdentifier: LoopState] = [:]
        for (index, loop) in group.makeIterator().enumerated() {
            let state = LoopState(eventLoop: loop, now: now)
            state.employ(makeWorker(index, { state.wake() }))
            states[ObjectIdentifier(loop)] = state
        }
        self.states = states
    }

    /// The state of the loop that `eventLoop` is.
    func state(of eventLoop: any EventLoop) -> LoopState {
        guard let state = states[ObjectIdentifier(eventLoop)] else {
            preconditionFailure("a channel runs on a loop of another group")
        }
        return state
    }

    /// Runs `body` once on every loop and returns when all have.
    func onEach(_ body: @escaping @Sendable (LoopState) -> Void) async {
        for state in states.values {
            await withCheckedContinuation { continuation in
                state.eventLoop.execute {
                    body(state)
                    continuation.resume()
                }
            }
        }
    }

    /// Closes every connection that `predicate` picks, on its own loop: a trust domain is gone, a principal is
    /// disabled. A loop looks at a few connections in each of its turns and serves others in between.
    ///
    /// - Returns: how many were closed, when the last was looked at.
    @discardableResult
    package func closeConnections(where predicate: @escaping @Sendable (Connection) -> Bool) async -> Int {
        await withTaskGroup(of: Int.self) { group in
            for state in states.values {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        state.eventLoop.execute {
                            ConnectionSweep(state, where: predicate) { continuation.resume(returning: $0) }.turn()
                        }
                    }
                }
            }
            return await group.reduce(0, +)
        }
    }

    /// Stops the loops. All listeners must be closed before.
    package func shutdown() async {
        await withCheckedContinuation { continuation in
            group.shutdownGracefully { _ in continuation.resume() }
        }
    }
}
