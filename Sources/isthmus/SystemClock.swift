import Domain
import Network

extension WallClock {
    /// The clock of this machine.
    static let system = WallClock { SystemClock.wallClock() }
}
