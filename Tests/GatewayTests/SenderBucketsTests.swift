import Domain
import Registry
import Synchronization
import TestKit
import Testing

@testable import Gateway

private let put = "events:PutEvents"
private let unproven = MeteredActions.unproven

private func sender(_ number: UInt64) -> SenderQuotas.Sender { .account(AccountID(unchecked: number)) }

/// Quotas as a snapshot of `generation` carries them.
private func snapshot(_ quotas: SenderQuotas, after previous: Snapshot? = nil) throws -> Snapshot {
    let declaration = try Scene.declaration(senderQuotas: quotas)
    guard let previous else { return try Scene.snapshot(declaration) }
    return try previous.adopting(declaration, at: SettableClock.start).snapshot
}

private func quotas(_ perSecond: Int, _ burst: Int) -> SenderQuotas {
    SenderQuotas(everybody: [put: Quota(perSecond: perSecond, burst: burst)])
}

@Suite struct SenderBucketsTests {
    @Test("a sender has one bucket whoever asks, and each action its own")
    func oneBucket() throws {
        let buckets = SenderBuckets()
        buckets.adopt(try snapshot(quotas(1, 2)), at: 0)
        let bucket = buckets.bucket(of: sender(1), put, at: 0)
        #expect(bucket === buckets.bucket(of: sender(1), put, at: 0))
        #expect(bucket !== buckets.bucket(of: sender(2), put, at: 0))
        #expect(bucket !== buckets.bucket(of: sender(1), "events:TagResource", at: 0))
        #expect(bucket.ask(1, at: 0) == .taken)
        #expect(bucket.take(2, at: 0) == .taken)
        #expect(bucket.ask(1, at: 0) == .refused(afterNanoseconds: 1_000_000_000))
        #expect(buckets.bucket(of: sender(2), put, at: 0).take(2, at: 0) == .taken)
    }

    @Test("buckets that are full again make room; a bucket that was dropped sends its holder back to the table")
    func sweep() throws {
        let buckets = SenderBuckets(capacity: 3)
        buckets.adopt(try snapshot(quotas(1, 10)), at: 0)
        let held = buckets.bucket(of: sender(1), put, at: 0)
        #expect(held.take(1, at: 0) == .taken)
        for number in 2...3 { #expect(buckets.bucket(of: sender(UInt64(number)), put, at: 0).take(5, at: 0) == .taken) }
        #expect(buckets.count == 3)
        _ = buckets.bucket(of: sender(4), put, at: 2_000_000_000)
        #expect(buckets.count == 3)
        #expect(held.take(1, at: 2_000_000_000) == nil)
        #expect(held.ask(1, at: 2_000_000_000) == nil)
        #expect(buckets.bucket(of: sender(2), put, at: 2_000_000_000).ask(10, at: 2_000_000_000) != .taken)
    }

    @Test("a million addresses, each of which spends, keep no more buckets than the table holds")
    func millionAddresses() throws {
        let buckets = SenderBuckets(capacity: SenderBuckets.addressCapacity)
        buckets.adopt(try snapshot(SenderQuotas(everybody: [unproven: Quota(perSecond: 1, burst: 2)])), at: 0)
        var most = 0
        var taken = 0
        for number in 0..<1_000_000 {
            // 400 addresses a millisecond: the look for full buckets of each second falls in between.
            let now = UInt64(number) * 2_500
            let bucket = buckets.bucket(of: .address(String(number)), unproven, at: now)
            if bucket.take(1, at: now) == .taken { taken += 1 }
            if number % 1000 == 0 { most = max(most, buckets.count) }
        }
        #expect(most == SenderBuckets.addressCapacity && buckets.count <= SenderBuckets.addressCapacity)
        // Each second all places are found full again and given to others; those without one share 2 units, and 1
        // a second: in 2.5 s not one more.
        #expect(taken <= 3 * SenderBuckets.addressCapacity + 2 + 2, "\(taken)")
    }

    @Test("senders that find no place share one bucket, and leave it when there is room")
    func overflow() throws {
        let buckets = SenderBuckets(capacity: 1)
        buckets.adopt(try snapshot(quotas(1, 4)), at: 0)
        #expect(buckets.bucket(of: sender(1), put, at: 0).take(4, at: 0) == .taken)
        let shared = buckets.bucket(of: sender(2), put, at: 0)
        #expect(shared === buckets.bucket(of: sender(3), put, at: 0))
        #expect(shared !== buckets.bucket(of: sender(3), "events:TagResource", at: 0))
        #expect(shared.take(4, at: 0) == .taken)
        #expect(buckets.count == 1)
        let own = buckets.bucket(of: sender(3), put, at: 5_000_000_000)
        #expect(own !== shared)
        #expect(shared.take(1, at: 5_000_000_000) == nil)
        #expect(own.take(4, at: 5_000_000_000) == .taken)
    }

    @Test("what senders without a place spent together stays spent when the table is looked through or reloaded")
    func overflowStaysSpent() throws {
        let buckets = SenderBuckets(capacity: 1)
        let first = try snapshot(quotas(1, 100))
        buckets.adopt(first, at: 0)
        func shared(_ now: UInt64) -> SenderBucket { buckets.bucket(of: sender(2), put, at: now) }
        #expect(buckets.bucket(of: sender(1), put, at: 0).take(100, at: 0) == .taken)
        #expect(shared(0).take(100, at: 0) == .taken)
        for second in 1...3 {
            let now = UInt64(second) * 1_000_000_000
            #expect(shared(now).take(1, at: now) == .taken)
            #expect(shared(now).take(1, at: now) == .refused(afterNanoseconds: 1_000_000_000))
        }
        let now: UInt64 = 3_000_000_000
        buckets.adopt(try snapshot(quotas(1, 50), after: first), at: now)
        #expect(shared(now).quota.burst == 50)
        #expect(shared(now).take(1, at: now) == .refused(afterNanoseconds: 1_000_000_000))
        #expect(buckets.count == 1)
    }

    @Test("a reload changes the quota and not what was spent; an older snapshot changes nothing")
    func reload() throws {
        let buckets = SenderBuckets()
        let first = try snapshot(quotas(1, 10))
        buckets.adopt(first, at: 0)
        let old = buckets.bucket(of: sender(1), put, at: 0)
        #expect(old.take(10, at: 0) == .taken)
        let second = try snapshot(quotas(2, 4), after: first)
        buckets.adopt(second, at: 0)
        #expect(old.take(1, at: 0) == nil)
        let new = buckets.bucket(of: sender(1), put, at: 0)
        #expect(new.take(1, at: 0) == .refused(afterNanoseconds: 500_000_000))
        #expect(new.take(4, at: 2_000_000_000) == .taken)
        buckets.adopt(first, at: 0)
        #expect(new === buckets.bucket(of: sender(1), put, at: 0))
    }

    @Test("a change of one sender's quota leaves the buckets of all others alone")
    func others() throws {
        let buckets = SenderBuckets()
        let first = try snapshot(quotas(1, 10))
        buckets.adopt(first, at: 0)
        let other = buckets.bucket(of: sender(1), put, at: 0)
        let changed = buckets.bucket(of: sender(2), put, at: 0)
        let stricter = SenderQuotas(
            everybody: quotas(1, 10).everybody, overrides: [sender(2): [put: Quota(perSecond: 1, burst: 3)]])
        buckets.adopt(try snapshot(stricter, after: first), at: 0)
        #expect(other === buckets.bucket(of: sender(1), put, at: 0))
        #expect(other.take(10, at: 0) == .taken)
        #expect(changed.take(1, at: 0) == nil)
        #expect(buckets.bucket(of: sender(2), put, at: 0).quota.burst == 3)
    }

    @Test("units given back can be taken again, never more than were taken, and none of a retired bucket")
    func givenBack() throws {
        let buckets = SenderBuckets()
        let first = try snapshot(quotas(1, 10))
        buckets.adopt(first, at: 0)
        let bucket = buckets.bucket(of: sender(1), put, at: 0)
        #expect(bucket.take(10, at: 0) == .taken)
        bucket.giveBack(4)
        #expect(bucket.take(4, at: 0) == .taken)
        #expect(bucket.take(1, at: 0) == .refused(afterNanoseconds: 1_000_000_000))
        bucket.giveBack(20)
        #expect(bucket.take(10, at: 0) == .taken)
        #expect(bucket.take(1, at: 0) == .refused(afterNanoseconds: 1_000_000_000))
        buckets.adopt(try snapshot(quotas(1, 5), after: first), at: 0)
        bucket.giveBack(10)
        #expect(bucket.take(1, at: 0) == nil)
    }

    @Test("loops that take from one bucket at once get its burst together, and not one unit more")
    func concurrent() async throws {
        let buckets = SenderBuckets()
        buckets.adopt(try snapshot(quotas(1, 5000)), at: 0)
        let bucket = buckets.bucket(of: sender(1), put, at: 0)
        let taken = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                group.addTask { (0..<2000).count { _ in bucket.take(1, at: 0) == .taken } }
            }
            return await group.reduce(0, +)
        }
        #expect(taken == 5000)
    }
}
