/// What a sender may spend on an action: a rate, and how much of it may be saved up.
///
/// Source: THREATS 4.6.
package struct Quota: Hashable, Sendable {
    /// Units a second that can be written down; above it a unit would last less than a microsecond.
    package static let perSecondRange = 1...1_000_000
    /// Units that may be saved up.
    package static let burstRange = 1...10_000_000

    /// Units that come back each second.
    package let perSecond: Int
    /// Units of a bucket that was left alone.
    package let burst: Int

    /// - Parameters: both within their ranges, or this is our bug.
    package init(perSecond: Int, burst: Int) {
        precondition(Self.perSecondRange.contains(perSecond) && Self.burstRange.contains(burst))
        self.perSecond = perSecond
        self.burst = burst
    }

    /// Both within their ranges, or nil.
    package init?(checking perSecond: Int, burst: Int) {
        guard Self.perSecondRange.contains(perSecond), Self.burstRange.contains(burst) else { return nil }
        self.init(perSecond: perSecond, burst: burst)
    }

    /// The lower rate and the lower burst: what keeps to it keeps to both.
    package func stricter(_ other: Quota) -> Quota {
        Quota(perSecond: min(perSecond, other.perSecond), burst: min(burst, other.burst))
    }

    /// How long `units` take to come back, rounded up: at most a thousandth too long.
    package func nanoseconds(for units: Int) -> UInt64 {
        let rate = UInt64(perSecond)
        return (UInt64(units) * 1_000_000_000 + rate - 1) / rate
    }

    /// What a request with events costs: its entries, and one for each 64 KiB begun of its content.
    package static func cost(entries: Int, contentBytes: Int) -> Int { entries + (contentBytes + 65_535) / 65_536 }
}

/// One sender's balance as one moment: when it will be full again. Time is a parameter.
///
/// A request that costs more than a whole bucket passes when the bucket is full, and the next ones wait for what it
/// took: a quota can slow a sender down, it never makes a request impossible.
/// Source: ITU-T I.371, annex A, the generic cell rate algorithm as a virtual schedule.
package struct TokenBucket: Equatable, Sendable {
    /// What asking for units led to.
    package enum OnTake: Equatable, Sendable {
        case taken
        /// Nothing was taken; the same question is answered with yes after so long, if nobody else takes meanwhile.
        case refused(afterNanoseconds: UInt64)
    }

    /// The moment, in monotonic nanoseconds, from which on the bucket is full.
    package private(set) var fullAt: UInt64

    /// A bucket that is full from `fullAt` on; full at once by default.
    package init(fullAt: UInt64 = 0) { self.fullAt = fullAt }

    /// Takes `units` at `now` when the bucket holds them.
    package mutating func take(_ units: Int, of quota: Quota, at now: UInt64) -> OnTake {
        let missing = fullAt > now ? fullAt - now : 0
        let price = quota.nanoseconds(for: units)
        let room = quota.nanoseconds(for: quota.burst)
        guard missing == 0 || missing + price <= room else {
            return .refused(afterNanoseconds: price < room ? missing + price - room : missing)
        }
        fullAt = max(fullAt, now) + price
        return .taken
    }

    /// The bucket under another quota: the same units are owed, and never more than the whole bucket.
    package func held(from quota: Quota, to next: Quota, at now: UInt64) -> TokenBucket {
        guard fullAt > now else { return TokenBucket() }
        let (high, low) = (fullAt - now).multipliedFullWidth(by: UInt64(quota.perSecond))
        let owed = high < 1_000_000_000 ? UInt64(1_000_000_000).dividingFullWidth((high, low)).quotient : .max
        let units = Int(clamping: min(owed, UInt64(next.burst)))
        return TokenBucket(fullAt: now + next.nanoseconds(for: units))
    }
}
