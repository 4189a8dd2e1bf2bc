import Bus
package import Domain

/// How a log is kept. The defaults are the product's; a test makes them small.
package struct LogConfiguration: Sendable {
    /// The region that block headers name.
    package var region: String
    /// SQLite's `journal_mode`: only `wal` is accepted.
    package var journalMode = "wal"
    /// SQLite's `synchronous`: only `full` and `extra` are accepted.
    package var synchronous = "full"
    /// Bytes of a database page, when the database is made. Measured with 1 KB events, at 4, 8, 16 and 32 KiB: a
    /// commit of one event costs 67, 67, 63 and 67 µs CPU, an event in a commit of 512 costs 3.3, 3.1, 2.6 and 3.0 µs.
    package var pageBytes = 16 * 1024
    /// Bytes in the write-ahead log at which it is copied into the database. Below 32 MiB the pause of the writer
    /// stays short.
    package var checkpointBytes = 8 * 1024 * 1024
    /// Bytes kept aside so that deletes commit on a full disk. Source: DURABILITY 2.
    package var reserveBytes = 64 * 1024 * 1024
    /// Bytes that may wait for a commit.
    package var waitingBytesLimit = EventLogLimits.waitingBytes
    /// Bytes and requests after which the writer takes no more into one commit: keeps a commit near 2 ms of hashing
    /// and copying.
    package var commitBytes = 2 * 1024 * 1024
    package var commitRequests = 4096
    /// Explicit idempotency keys and names of CloudEvents kept, and the part of them one principal may have; names take
    /// no more than half of either. Each takes about 100 bytes on disk and 64 in memory.
    package var keysLimit = 1_000_000
    package var keysPerPrincipalLimit = 250_000
    /// Webhook events remembered, and the part of them one source may have. Each takes what a key takes; one with a
    /// nonce counts twice.
    package var ledgerLimit = 2_000_000
    package var ledgerPerSourceLimit = 1_000_000
    /// Retries of SDKs recognised, the oldest forgotten first.
    package var recentRequestsLimit = 200_000
    /// How long an event is kept. Source: DURABILITY 2.
    package var retentionSeconds: Int64 = 7 * 86_400
    /// How many bytes of blocks one bus may keep.
    package var retentionBytesPerBus: Int64 = 16 << 30
    /// Bytes of just-committed blocks that are kept in memory for readers.
    package var recentBlockBytes = 16 * 1024 * 1024
    /// Connections that read.
    package var readers = 2

    package init(region: String) { self.region = region }

    /// How long an explicit key is kept. Source: DURABILITY 1.
    static let keySeconds: Int64 = 86_400
    /// How long a webhook's event is remembered: vendors retry for three days. Source: THREATS, head.
    static let ledgerSeconds: Int64 = 72 * 3600
    /// How long an SDK's retry is recognised. Source: DURABILITY 1.
    static let recentRequestSeconds: UInt64 = 300
    /// Blocks whose place is known in memory only, until one transaction writes their index rows: bounds the work at
    /// open, and saves each commit an index page.
    static let unindexedBlocksLimit = 256
    /// Blocks removed in one transaction, so that a trim never holds up appends for long.
    static let trimmedBlocksPerCommit = 256

    func requireDurable() throws(StorageError) {
        guard journalMode.lowercased() == "wal" else {
            throw .weakened(setting: "journal_mode", value: journalMode, required: "wal")
        }
        guard ["full", "extra"].contains(synchronous.lowercased()) else {
            throw .weakened(setting: "synchronous", value: synchronous, required: "full")
        }
    }
}

/// What the log tells the program. Called from the writer's thread: note it and return.
package struct LogWatch: Sendable {
    /// What one commit cost.
    package struct Commit: Sendable {
        package let events: Int
        package let bytes: Int
        /// From taking the batches to the end of the commit.
        package let nanoseconds: UInt64
    }

    /// What retention removed.
    package struct Trim: Hashable, Sendable {
        package enum Reason: String, Sendable {
            case age
            case size
        }

        package let bus: BusNumber
        package let first: Domain.Sequence
        package let last: Domain.Sequence
        package let reason: Reason
    }

    /// The disk failed: nothing is acknowledged any more, the process must end within a second.
    package var onFatal: @Sendable (StorageError) -> Void
    package var onTrim: @Sendable (Trim) -> Void = { _ in }
    /// The first event of a bus that retention keeps, whatever its age and the bus's size; `nil` when there is none.
    package var heldFrom: @Sendable (BusNumber) -> Domain.Sequence? = { _ in nil }
    /// The disk became full (`true`) or has room again.
    package var onFull: @Sendable (Bool) -> Void = { _ in }
    /// The reserve was removed or cut by somebody else; it is made again as soon as the disk has room for it.
    package var onReserveLost: @Sendable () -> Void = {}
    package var onCommit: @Sendable (Commit) -> Void = { _ in }

    package init(onFatal: @escaping @Sendable (StorageError) -> Void) { self.onFatal = onFatal }
}
