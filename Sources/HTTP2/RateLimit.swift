/// How many at once and how many a second after that.
package struct RateLimit: Equatable, Sendable {
    /// 1 …: what may come at once.
    package var burst: UInt64
    /// 1 … 1,000,000,000.
    package var perSecond: UInt64

    package init(burst: UInt64, perSecond: UInt64) {
        precondition(burst > 0 && perSecond > 0 && perSecond <= 1_000_000_000)
        self.burst = burst
        self.perSecond = perSecond
    }

    /// Nanoseconds until one token is back.
    var interval: UInt64 { 1_000_000_000 / perSecond }
}

/// A token bucket in one word: the moment at which it will be full again.
///
/// Time is a parameter (monotonic nanoseconds), so the same calls always give the same answers. A clock that steps back
/// gives no tokens.
///
/// Source: the generic cell rate algorithm, ITU-T I.371.
package struct TokenBucket: Sendable {
    private var fullAt: UInt64 = 0

    package init() {}

    /// Takes one token; false when none is left, and then nothing changes.
    package mutating func take(_ limit: RateLimit, now: UInt64) -> Bool {
        let base = max(fullAt, now)
        guard base - now <= (limit.burst - 1) * limit.interval else { return false }
        fullAt = base + limit.interval
        return true
    }

    /// How many tokens are missing, rounded up.
    package func used(_ limit: RateLimit, now: UInt64) -> UInt64 {
        fullAt <= now ? 0 : (fullAt - now + limit.interval - 1) / limit.interval
    }
}
