import Registry
import Synchronization

/// One sender's bucket for one action, shared by all event loops without a lock.
final class SenderBucket: Sendable {
    /// The place of a bucket that was taken out of the table: whoever holds it asks for the one in force.
    private static let retired = UInt64.max

    let quota: Quota
    private let fullAt: Atomic<UInt64>
    /// When a refusal is recorded again.
    private let recordsAt = Atomic<UInt64>(0)

    init(_ bucket: TokenBucket, quota: Quota) {
        self.quota = quota
        fullAt = Atomic(bucket.fullAt)
    }

    /// Takes `units`; `nil` when the bucket is retired.
    func take(_ units: Int, at now: UInt64) -> TokenBucket.OnTake? {
        var seen = fullAt.load(ordering: .relaxed)
        while seen != Self.retired {
            var bucket = TokenBucket(fullAt: seen)
            let outcome = bucket.take(units, of: quota, at: now)
            guard case .taken = outcome else { return outcome }
            let (isExchanged, original) = fullAt.weakCompareExchange(
                expected: seen, desired: bucket.fullAt, ordering: .relaxed)
            if isExchanged { return .taken }
            seen = original
        }
        return nil
    }

    /// What `take` would answer now, without taking.
    func ask(_ units: Int, at now: UInt64) -> TokenBucket.OnTake? {
        let seen = fullAt.load(ordering: .relaxed)
        guard seen != Self.retired else { return nil }
        var bucket = TokenBucket(fullAt: seen)
        return bucket.take(units, of: quota, at: now)
    }

    /// Gives `units` back that were taken.
    func giveBack(_ units: Int) {
        let price = quota.nanoseconds(for: units)
        var seen = fullAt.load(ordering: .relaxed)
        while seen != Self.retired {
            let (isExchanged, original) = fullAt.weakCompareExchange(
                expected: seen, desired: seen - min(seen, price), ordering: .relaxed)
            if isExchanged { return }
            seen = original
        }
    }

    /// Whether a refusal at `now` is to be recorded: one a second is, or a sender past its quota would push everybody
    /// else's records out of the archive.
    func mayRecord(at now: UInt64) -> Bool {
        let seen = recordsAt.load(ordering: .relaxed)
        return now >= seen
            && recordsAt.compareExchange(expected: seen, desired: now + 1_000_000_000, ordering: .relaxed).exchanged
    }

    /// Retires a bucket that is full: a new one in its place is its equal.
    func retire(ifFullAt now: UInt64) -> Bool {
        let seen = fullAt.load(ordering: .relaxed)
        return seen <= now
            && fullAt.compareExchange(expected: seen, desired: Self.retired, ordering: .relaxed).exchanged
    }

    /// Retires the bucket and tells how it stood.
    func retire() -> TokenBucket { TokenBucket(fullAt: fullAt.exchange(Self.retired, ordering: .relaxed)) }
}

/// The buckets of all senders, made when they first spend something.
///
/// Bounded: full buckets are dropped when the table is, for a new one is their equal. Senders that find no place even
/// then share one bucket an action, with everybody's quota.
/// Cost: a connection keeps its bucket; the lock is taken when a connection asks for one.
package final class SenderBuckets: Sendable {
    /// Buckets kept. Source: the most accounts of a configuration, 10,000, each with six actions under way.
    static let capacity = 65_536
    /// Buckets of addresses kept: more than are open at once by the standard budget of connections have no use.
    static let addressCapacity = 8192
    /// How long the table is left alone after a look for full buckets.
    static let sweepNanoseconds: UInt64 = 1_000_000_000

    private struct Key: Hashable {
        let sender: SenderQuotas.Sender
        let action: String
    }

    private struct Table {
        var revision: UInt64 = 0
        var quotas = SenderQuotas()
        var buckets: [Key: SenderBucket] = [:]
        var overflow: [String: SenderBucket] = [:]
        var sweepsAt: UInt64 = 0
    }

    private let capacity: Int
    private let table = Mutex(Table())

    package convenience init() { self.init(capacity: Self.capacity) }

    init(capacity: Int) { self.capacity = capacity }

    /// Buckets kept now, without those shared by senders that found no place.
    var count: Int { table.withLock { $0.buckets.count } }

    /// Puts the quotas of `snapshot` in force, once a revision; what senders have spent stays spent.
    func adopt(_ snapshot: Snapshot, at now: UInt64) {
        table.withLock { table in
            guard snapshot.revision > table.revision else { return }
            table.revision = snapshot.revision
            let quotas = snapshot.senderQuotas
            guard quotas != table.quotas else { return }
            table.quotas = quotas
            for (key, bucket) in table.buckets {
                let quota = quotas.quota(of: key.sender, key.action)
                guard quota != bucket.quota else { continue }
                let held = bucket.retire().held(from: bucket.quota, to: quota, at: now)
                table.buckets[key] = SenderBucket(held, quota: quota)
            }
            for (action, bucket) in table.overflow {
                let quota = Self.overflowQuota(table, action)
                guard quota != bucket.quota else { continue }
                let held = bucket.retire().held(from: bucket.quota, to: quota, at: now)
                table.overflow[action] = SenderBucket(held, quota: quota)
            }
        }
    }

    /// The bucket in force of `sender` for `action`.
    func bucket(of sender: SenderQuotas.Sender, _ action: String, at now: UInt64) -> SenderBucket {
        table.withLock { table in
            let key = Key(sender: sender, action: action)
            if let bucket = table.buckets[key] { return bucket }
            if table.buckets.count >= capacity { Self.sweep(&table, now) }
            guard table.buckets.count < capacity else { return Self.overflow(&table, action) }
            let bucket = SenderBucket(TokenBucket(), quota: table.quotas.quota(of: sender, action))
            table.buckets[key] = bucket
            return bucket
        }
    }

    private static func sweep(_ table: inout Table, _ now: UInt64) {
        guard now >= table.sweepsAt else { return }
        table.sweepsAt = now + sweepNanoseconds
        table.buckets = table.buckets.filter { !$0.value.retire(ifFullAt: now) }
        // Whoever shares a bucket may find a place of its own now; what was spent from the shared one stays spent.
        table.overflow = table.overflow.mapValues { SenderBucket($0.retire(), quota: $0.quota) }
    }

    private static func overflow(_ table: inout Table, _ action: String) -> SenderBucket {
        if let bucket = table.overflow[action] { return bucket }
        let bucket = SenderBucket(TokenBucket(), quota: overflowQuota(table, action))
        table.overflow[action] = bucket
        return bucket
    }

    private static func overflowQuota(_ table: Table, _ action: String) -> Quota {
        SenderQuotas(everybody: table.quotas.everybody).quota(of: .partner(""), action)
    }
}
