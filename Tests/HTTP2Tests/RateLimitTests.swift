import Testing

@testable import HTTP2

@Suite("A token bucket")
struct RateLimitTests {
    @Test("gives its burst at once, then one token an interval, and nothing when the clock steps back")
    func edges() {
        let limit = RateLimit(burst: 3, perSecond: 2)
        var bucket = TokenBucket()
        func isTaken(at now: UInt64) -> Bool { bucket.take(limit, now: now) }
        let start: UInt64 = 7_000_000_000
        #expect(bucket.used(limit, now: start) == 0)
        for taken in 1...3 as ClosedRange<UInt64> {
            #expect(isTaken(at: start))
            #expect(bucket.used(limit, now: start) == taken)
        }
        #expect(!isTaken(at: start))
        #expect(!isTaken(at: start + 499_999_999))
        #expect(isTaken(at: start + 500_000_000))
        #expect(!isTaken(at: start + 500_000_000))
        #expect(!isTaken(at: start - 1_000_000_000))
        #expect(bucket.used(limit, now: start + 2_000_000_000) == 0)
        for _ in 1...3 { #expect(isTaken(at: start + 60_000_000_000)) }
        #expect(!isTaken(at: start + 60_000_000_000))
    }

    @Test("agrees with a naive bucket over random walks of time", arguments: 1...20 as ClosedRange<UInt64>)
    func naive(seed: UInt64) {
        let limit = RateLimit(burst: 1 + seed % 7, perSecond: 1 + seed * 3 % 11)
        var bucket = TokenBucket()
        func isTaken(at now: UInt64) -> Bool { bucket.take(limit, now: now) }
        var now: UInt64 = 1_000_000_000_000
        // Tokens in nanoseconds of an interval, so that nothing is rounded.
        var credit = limit.burst * limit.interval
        var state = seed
        for _ in 0..<2000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let step = state >> 33 & 0x3FFF_FFFF
            now += step
            credit = min(credit + step, limit.burst * limit.interval)
            let expected = credit >= limit.interval
            if expected { credit -= limit.interval }
            #expect(isTaken(at: now) == expected)
        }
    }
}
