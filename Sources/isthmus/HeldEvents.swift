import Domain
import Registry
import Synchronization

/// What retention must leave alone: events that an operator holds back. Until the registry is read, everything.
final class HeldEvents: Sendable {
    private let registry = Mutex<Registry?>(nil)

    func follow(_ registry: Registry) { self.registry.withLock { $0 = registry } }

    /// The first event of a bus that is held back; `nil` when none is.
    func first(of bus: BusNumber) -> Domain.Sequence? {
        guard let registry = registry.withLock({ $0 }) else { return Domain.Sequence(1) }
        return registry.snapshot.heldFrom(bus)
    }
}
