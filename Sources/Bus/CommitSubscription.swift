package import Domain
import Synchronization

/// One reader's wish to hear of commits. Keep it as long as the wish lasts.
package final class CommitSubscription: Sendable {
    private struct State {
        var isArmed = true
        var isPending = false
    }

    package let bus: BusNumber
    private let wake: @Sendable () -> Void
    private let state = Mutex(State())

    package init(bus: BusNumber, wake: @escaping @Sendable () -> Void) {
        self.bus = bus
        self.wake = wake
    }

    /// Asks to be woken again. Wakes at once when something was committed since the last wake-up.
    package func rearm() {
        let isDue = state.withLock { state in
            let isDue = state.isPending
            state.isArmed = !isDue
            state.isPending = false
            return isDue
        }
        if isDue { wake() }
    }

    /// Tells the reader, now or when it rearms. The log calls it after a commit.
    package func notify() {
        let isDue = state.withLock { state in
            let isDue = state.isArmed
            state.isArmed = false
            state.isPending = !isDue
            return isDue
        }
        if isDue { wake() }
    }
}

/// The subscriptions of one log, held weakly and counted. Used by every implementation of the seam.
package final class CommitSubscriptions: Sendable {
    private struct Weak: Sendable {
        weak let subscription: CommitSubscription?
    }

    private struct Entries {
        var byBus: [BusNumber: [Weak]] = [:]
        /// How many there are, released ones included until `prune`.
        var count = 0

        mutating func prune() {
            byBus = byBus.mapValues { $0.filter { $0.subscription != nil } }.filter { !$0.value.isEmpty }
            count = byBus.values.reduce(0) { $0 + $1.count }
        }
    }

    private let entries = Mutex(Entries())

    package init() {}

    /// Adds one, unless `EventLogLimits.subscriptions` are open.
    package func add(bus: BusNumber, wake: @escaping @Sendable () -> Void) -> CommitSubscription? {
        let subscription = CommitSubscription(bus: bus, wake: wake)
        let isAdded = entries.withLock { entries in
            if entries.count >= EventLogLimits.subscriptions { entries.prune() }
            guard entries.count < EventLogLimits.subscriptions else { return false }
            entries.byBus[bus, default: []].append(Weak(subscription: subscription))
            entries.count += 1
            return true
        }
        return isAdded ? subscription : nil
    }

    /// Notifies the readers of `bus`.
    package func notify(_ bus: BusNumber) {
        let readers = entries.withLock { $0.byBus[bus]?.compactMap(\.subscription) }
        readers?.forEach { $0.notify() }
    }
}
