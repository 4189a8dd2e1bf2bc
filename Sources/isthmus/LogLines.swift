import Foundation

/// The way of log lines to standard error: a bounded queue and one thread that writes, so that whoever does not read
/// the log stops no event loop.
///
/// `@unchecked Sendable`: the state is read and written only between `lock` and `unlock` of `condition`.
final class LogLines: @unchecked Sendable {
    /// Bytes that may wait. Source: half a second of the most lines that the rate limit lets through, of every event.
    static let waitingBytes = 1024 * 1024

    private let write: @Sendable ([UInt8]) -> Void
    private let limit: Int
    private let condition = NSCondition()
    private var waiting: [UInt8] = []
    private var isWriting = false

    /// Starts the thread. It ends with the process.
    ///
    /// - Parameter write: writes whole lines and returns when the system has taken them, however long that takes.
    init(waitingBytes limit: Int = LogLines.waitingBytes, write: @escaping @Sendable ([UInt8]) -> Void) {
        self.limit = limit
        self.write = write
        Thread.detachNewThread { [self] in run() }
    }

    /// Takes a line with its line feed; `false` when as much waits as may. Never waits for the writer.
    func offer(_ line: [UInt8]) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard waiting.count + line.count <= limit else { return false }
        waiting += line
        condition.broadcast()
        return true
    }

    /// Returns when everything offered before is written, at the latest after `seconds`; `false` when it is not.
    @discardableResult
    func flush(withinSeconds seconds: Double) -> Bool {
        let end = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while !waiting.isEmpty || isWriting {
            guard condition.wait(until: end) else { return waiting.isEmpty && !isWriting }
        }
        return true
    }

    private func run() {
        while true {
            condition.lock()
            while waiting.isEmpty { condition.wait() }
            let lines = waiting
            waiting = []
            isWriting = true
            condition.unlock()
            write(lines)
            condition.lock()
            isWriting = false
            condition.broadcast()
            condition.unlock()
        }
    }
}
