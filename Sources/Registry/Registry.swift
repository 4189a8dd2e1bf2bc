package import Cryptography
import Identity
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

    /// The store of the trust domain that an unverified certificate claims to be of; `nil` when it claims none that is
    /// configured. Stores of different domains are never merged. Source: FEDERATION 1.
    package func trustStore(claimedBy leaf: Certificate) -> CertificateStore? {
        guard leaf.names.uris.count == 1, let name = SpiffeID.claimedTrustDomain(leaf.names.uris[0]) else { return nil }
        return snapshot.trustDomains[name]?.store
    }
}
