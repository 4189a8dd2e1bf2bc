package import Domain
import Synchronization

/// A wall clock that stands still until it is moved.
package final class SettableClock: Sendable {
    /// 2026-11-21T06:00:00Z
    package static let start = Timestamp(seconds: 1_795_240_800)

    private let moment: Mutex<Timestamp>

    package init(_ moment: Timestamp = SettableClock.start) { self.moment = Mutex(moment) }

    /// The clock as product code takes it.
    package var clock: WallClock { WallClock { self.moment.withLock { $0 } } }

    package var now: Timestamp { moment.withLock { $0 } }

    package func advance(bySeconds seconds: Int64) {
        moment.withLock { $0 = $0.advanced(bySeconds: seconds) }
    }
}
