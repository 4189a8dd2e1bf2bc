import Synchronization

/// What a restart has to find again besides the log: each who opens such a file says how to look after it, and the
/// writer of the log looks each second. So an idle gateway, too, stops before it promises what would be lost with it.
final class RestartNeeds: Sendable {
    /// Looks whether a file is as it was opened. Opens nothing: connections may have taken the last descriptor.
    typealias Look = @Sendable () throws(StorageError) -> Void

    /// A function in a struct of its own: one that stands directly under a lock is wrapped once more at each access.
    private struct Need {
        let look: Look
    }

    private let needs = Mutex<[String: Need]>([:])

    /// Looks after the file `name` from now on, in place of an earlier look by that name.
    func add(_ name: String, _ look: @escaping Look) {
        needs.withLock { $0[name] = Need(look: look) }
    }

    /// The file may go: it was closed.
    func remove(_ name: String) {
        needs.withLock { $0[name] = nil }
    }

    /// Looks after all of them.
    ///
    /// - Throws: what the first look that failed says.
    func require() throws(StorageError) {
        // A copy, so that nobody waits for the disk under the lock.
        let all = needs.withLock { Array($0.values) }
        for need in all { try need.look() }
    }
}
