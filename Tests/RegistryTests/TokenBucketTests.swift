import Cryptography
import Domain
import Testing

@testable import Registry

/// A bucket as one would explain it: tokens that drip in each nanosecond, in billionths of a unit, never above the rim.
private struct NaiveBucket {
    let quota: Quota
    var tokens: Int
    var last: Int = 0

    init(_ quota: Quota) {
        self.quota = quota
        tokens = quota.burst * 1_000_000_000
    }

    mutating func take(_ units: Int, at now: Int) -> Bool {
        let rim = quota.burst * 1_000_000_000
        tokens = min(rim, tokens + (now - last) * quota.perSecond)
        last = now
        guard tokens == rim || tokens >= units * 1_000_000_000 else { return false }
        tokens -= units * 1_000_000_000
        return true
    }
}

@Suite struct TokenBucketTests {
    private let quota = Quota(perSecond: 10, burst: 20)

    @Test("a bucket left alone gives its burst at once, and then its rate")
    func burstThenRate() {
        var bucket = TokenBucket()
        let start: UInt64 = 5_000_000_000
        for _ in 0..<20 { #expect(bucket.take(1, of: quota, at: start) == .taken) }
        #expect(bucket.take(1, of: quota, at: start) == .refused(afterNanoseconds: 100_000_000))
        #expect(bucket.take(1, of: quota, at: start + 99_999_999) == .refused(afterNanoseconds: 1))
        #expect(bucket.take(1, of: quota, at: start + 100_000_000) == .taken)
        #expect(bucket.take(2, of: quota, at: start + 100_000_000) == .refused(afterNanoseconds: 200_000_000))
    }

    @Test("a request dearer than a whole bucket passes when the bucket is full, and is paid for afterwards")
    func dearerThanBurst() {
        var bucket = TokenBucket()
        #expect(bucket.take(30, of: quota, at: 0) == .taken)
        #expect(bucket.take(1, of: quota, at: 0) == .refused(afterNanoseconds: 1_100_000_000))
        #expect(bucket.take(30, of: quota, at: 2_999_999_999) == .refused(afterNanoseconds: 1))
        #expect(bucket.take(30, of: quota, at: 3_000_000_000) == .taken)
    }

    @Test("a refusal takes nothing, and its time is exact")
    func exactWait() {
        var bucket = TokenBucket()
        #expect(bucket.take(15, of: quota, at: 0) == .taken)
        let before = bucket
        guard case .refused(let wait) = bucket.take(10, of: quota, at: 0) else { return #expect(Bool(false)) }
        #expect(bucket == before)
        #expect(bucket.take(10, of: quota, at: wait - 1) == .refused(afterNanoseconds: 1))
        #expect(bucket.take(10, of: quota, at: wait) == .taken)
    }

    @Test("a larger quota carries the units that are owed, not the time they would have taken")
    func largerQuota() {
        var bucket = TokenBucket()
        #expect(bucket.take(20, of: quota, at: 0) == .taken)
        let large = Quota(perSecond: 1000, burst: 100)
        var held = bucket.held(from: quota, to: large, at: 0)
        #expect(held.take(81, of: large, at: 0) == .refused(afterNanoseconds: 1_000_000))
        #expect(held.take(80, of: large, at: 0) == .taken)
        #expect(bucket.held(from: quota, to: large, at: 2_000_000_000) == TokenBucket())
        let most = TokenBucket(fullAt: .max - 1).held(
            from: Quota(perSecond: 1_000_000, burst: 1), to: large, at: 0)
        #expect(most == TokenBucket(fullAt: 100_000_000))
    }

    @Test("a smaller quota forgives what is owed beyond a whole bucket")
    func smallerQuota() {
        var bucket = TokenBucket()
        #expect(bucket.take(20, of: quota, at: 0) == .taken)
        let small = Quota(perSecond: 10, burst: 5)
        var held = bucket.held(from: quota, to: small, at: 0)
        #expect(held.take(1, of: small, at: 0) == .refused(afterNanoseconds: 100_000_000))
        #expect(held.take(5, of: small, at: 500_000_000) == .taken)
    }

    @Test("entries and each 64 KiB begun are what a request costs", arguments: [
        (1, 0, 1), (1, 1, 2), (10, 65_536, 11), (10, 65_537, 12), (10, 1_048_576, 26),
    ])
    func cost(entries: Int, bytes: Int, units: Int) {
        #expect(Quota.cost(entries: entries, contentBytes: bytes) == units)
    }

    @Test("it answers as a naive bucket does, request by request", arguments: 0..<40 as Range<UInt64>)
    func naiveModel(seed: UInt64) {
        var random = Xorshift(seed: seed)
        // Rates that divide a second, so that the naive bucket's sums are exact, too.
        let rates = [1, 2, 5, 10, 64, 1000, 15_625, 1_000_000]
        let quota = Quota(perSecond: rates[random.below(rates.count)], burst: 1 + random.below(200))
        var bucket = TokenBucket()
        var naive = NaiveBucket(quota)
        var now = 0
        let step = 2 * 1_000_000_000 / quota.perSecond
        for _ in 0..<3000 {
            now += random.below(4) == 0 ? 0 : random.below(8) == 0 ? 40 * step : random.below(step + 1)
            let units = random.below(20) == 0 ? quota.burst + random.below(5) : 1 + random.below(4)
            let taken = bucket.take(units, of: quota, at: UInt64(now)) == .taken
            #expect(taken == naive.take(units, at: now), "seed \(seed) at \(now)")
        }
    }

    @Test(
        "whatever the rate, a sender never gets more than burst and rate together",
        arguments: 0..<20 as Range<UInt64>)
    func neverMore(seed: UInt64) {
        var random = Xorshift(seed: seed)
        let quota = Quota(perSecond: 1 + random.below(1_000_000), burst: 1 + random.below(1000))
        var bucket = TokenBucket()
        var now: UInt64 = 0
        var taken = 0
        for _ in 0..<5000 {
            now += UInt64(random.below(2_000_000_000 / quota.perSecond + 1))
            if bucket.take(1, of: quota, at: now) == .taken { taken += 1 }
        }
        let most = Double(quota.burst) + Double(quota.perSecond) * Double(now) / 1e9
        #expect(Double(taken) <= most + 1, "seed \(seed)")
        #expect(Double(taken) >= min(5000, most) * 0.45, "seed \(seed)")
    }
}

@Suite struct SenderQuotasTests {
    private let account = AccountID(unchecked: 111_122_223_333)

    @Test("the most particular quota counts: own action, own every action, then everybody's in the same order")
    func precedence() {
        func quota(_ rate: Int) -> Quota { Quota(perSecond: rate, burst: 1) }
        let put = "events:PutEvents"
        let quotas = SenderQuotas(
            everybody: [put: quota(3), "*": quota(4)],
            overrides: [.account(account): [put: quota(1), "*": quota(2)], .partner("aws.partner/a"): [put: quota(9)]])
        #expect(quotas.quota(of: .account(account), put) == quota(1))
        #expect(quotas.quota(of: .account(account), "events:ListEventBuses") == quota(2))
        #expect(quotas.quota(of: .account(AccountID(unchecked: 1)), put) == quota(3))
        #expect(quotas.quota(of: .account(AccountID(unchecked: 1)), "events:ListEventBuses") == quota(4))
        #expect(quotas.quota(of: .partner("aws.partner/a"), put) == quota(9))
        #expect(quotas.quota(of: .partner("aws.partner/b"), put) == quota(3))
    }

    @Test("the stricter of the configuration's and the invitation's quota holds, rate and burst each")
    func invited() throws {
        let (own, everybody) = (Quota(perSecond: 50, burst: 10), Quota(perSecond: 80, burst: 90))
        let put = "events:PutPartnerEvents"
        let declared = SenderQuotas(
            everybody: [put: everybody], overrides: [.partner("aws.partner/acme.com"): ["*": own]])
        for (partner, offered, expected) in [
            ("acme.com", Quota(perSecond: 100, burst: 5), Quota(perSecond: 50, burst: 5)),
            ("acme.com", Quota(perSecond: 1, burst: 500), Quota(perSecond: 1, burst: 10)),
            ("acme.com", Quota(perSecond: 100, burst: 500), own),
            ("other.com", Quota(perSecond: 79, burst: 91), Quota(perSecond: 79, burst: 90)),
        ] {
            let terms = Invitations.terms(partner: partner, quota: offered)
            let membership = Invitation.Membership(
                key: SHA256.hash([1]), boundAt: terms.createdAt, certificates: [], trustBundle: [],
                made: .init(bus: false, name: false))
            let held = declared.holding(to: [terms.id: Invitation(terms: terms, state: .bound(membership))])
            #expect(held.quota(of: .partner("aws.partner/\(partner)"), put) == expected)
            #expect(held.quota(of: .partner("aws.partner/third.com"), put) == everybody)
            #expect(held.quota(of: .account(terms.partnerAccount), put) == everybody)
            let waiting = declared.holding(to: [terms.id: Invitation(terms: terms, state: .invited)])
            #expect(waiting == declared)
        }
    }

    @Test("without a word in the configuration every action has a quota")
    func standard() {
        let quotas = SenderQuotas()
        #expect(quotas.quota(of: .account(account), "events:PutEvents") == SenderQuotas.standard["events:PutEvents"])
        #expect(quotas.quota(of: .account(account), "events:X") == SenderQuotas.standard["*"])
    }
}

/// A generator of the test's own, for its seeds to mean the same tomorrow. Source: Marsaglia, "Xorshift RNGs", 2003.
private struct Xorshift {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func below(_ bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state % UInt64(bound))
    }
}
