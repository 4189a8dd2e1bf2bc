package import Domain
import Glibc

/// The machine's clocks, read where a floor may touch the machine; everything above takes them as parameters.
///
/// Source: clock_gettime(2).
package enum SystemClock {
    /// Nanoseconds of a clock that never goes back and says nothing about the time of day. Cost: one vDSO call.
    package static func monotonicNanoseconds() -> UInt64 {
        let time = read(CLOCK_MONOTONIC)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// The time of day, in milliseconds.
    package static func wallClock() -> Timestamp {
        let time = read(CLOCK_REALTIME)
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    private static func read(_ clock: clockid_t) -> timespec {
        var time = timespec()
        let result = clock_gettime(clock, &time)
        precondition(result == 0, "clock_gettime refused a clock that Linux always has")
        return time
    }
}
