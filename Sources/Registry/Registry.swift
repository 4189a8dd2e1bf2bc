import Synchronization

/// Holds the snapshot in force. Readers look at `revision`, an atomic, and fetch the snapshot only when it moved.
package final class Registry: Sendable {
    private let current: Mutex<Snapshot>
    private let published: Atomic<UInt64>

    package init(_ snapshot: Snapshot) {
        current = Mutex(snapshot)
        published = Atomic(snapshot.revision)
    }

    /// The revision in force. Cost: one atomic load.
    package var revision: UInt64 { published.load(ordering: .acquiring) }

    /// The snapshot in force. Cost: one lock.
    package var snapshot: Snapshot { current.withLock { $0 } }

    /// Puts a snapshot in force, after its changes are durable. Only the control plane, which is serial, calls it.
    package func install(_ snapshot: Snapshot) {
        current.withLock { $0 = snapshot }
        published.store(snapshot.revision, ordering: .releasing)
    }
}
