import Bus
import Cryptography
import Domain
import Foundation
import GRDB

/// The one writer of the log: takes what waits, builds one block a bus, commits once, answers, wakes each loop once.
///
/// `@unchecked Sendable`: made by the thread that opens the log and then used by the writer's thread alone.
final class LogWriter: @unchecked Sendable {
    /// Whether appends are tried.
    enum DiskState {
        case roomy
        /// Refuse until the monotonic moment, then look again.
        case full(retryAt: UInt64)
    }

    struct Parts {
        let configuration: LogConfiguration
        let database: DurableDatabase
        /// The log's own files, and the lock that keeps a second process away.
        let files: FilesInPlace
        /// What else a restart has to find again.
        let needs: RestartNeeds
        let directory: BlockDirectory
        let seal: BlockSeal
        let memory: LogMemory
        let waiting: WaitingBatches
        let subscriptions: CommitSubscriptions
        let watch: LogWatch
        let clock: WallClock
        let monotonic: @Sendable () -> UInt64
    }

    let parts: Parts
    var configuration: LogConfiguration { parts.configuration }
    var database: DurableDatabase { parts.database }
    var memory: LogMemory { parts.memory }
    var reserve: ReserveFile
    var disk = DiskState.roomy
    var nextBlockID: Int64
    var nextKeyRow: Int64
    var nextLedgerRow: Int64
    /// Durable blocks that `place` has no row for.
    var unindexed: [UnindexedBlock]
    /// About how many bytes the write-ahead log holds since it was last copied whole.
    var logBytes = 0
    var nextUpkeep: UInt64 = 0
    var hasMoreToTrim = false
    private var window = GroupWindow()
    /// The row of keys that was read last.
    private var recalled: (table: String, row: Int64, entries: [UInt8])?

    /// The wait for a batch while nothing is due.
    private static let idleMilliseconds = 1000
    static let upkeepNanoseconds: UInt64 = 1_000_000_000

    init(parts: Parts, recovery: LogRecovery, reserve: ReserveFile) {
        self.parts = parts
        self.reserve = reserve
        nextBlockID = recovery.nextBlockID
        nextKeyRow = recovery.nextKeyRow
        nextLedgerRow = recovery.nextLedgerRow
        unindexed = recovery.unindexed
    }

    /// Works until the queue is stopped and empty, or the disk fails.
    func run() {
        while true {
            let turn = parts.waiting.take(
                bytes: configuration.commitBytes, requests: configuration.commitRequests,
                milliseconds: hasMoreToTrim ? 0 : Self.idleMilliseconds, window: &window)
            let isIdle = turn.isIdle
            do throws(StorageError) {
                // The turn goes with the batches it holds: the first that is changed would copy them all.
                switch consume turn {
                case .commit(var batches):
                    for index in batches.indices { batches[index].begin() }
                    try commit(batches)
                case .idle: break
                case .end:
                    try finish()
                    return
                }
                try upkeep(isIdle: isIdle)
            } catch {
                fail(error)
                return
            }
        }
    }

    private func commit(_ batches: [AppendBatch]) throws(StorageError) {
        let started = parts.monotonic()
        let bytes = batches.reduce(0) { $0 + $1.bytes.count }
        var plan = CommitPlan(memory: memory, seal: parts.seal, for: batches)
        do throws(StorageError) {
            for batch in batches { try plan.add(batch, recall: recall) }
            let verdict = try store(plan)
            // INVARIANT: a loop that hears of its commit finds the bytes gone, or it would go on holding its sockets
            // back.
            parts.waiting.settle(bytes: bytes)
            publish(plan, batches, verdict)
            guard case .durable = verdict, !plan.drafts.isEmpty else { return }
            let events = plan.drafts.reduce(0) { $0 + $1.count }
            parts.watch.onCommit(
                LogWatch.Commit(events: events, bytes: bytes, nanoseconds: parts.monotonic() - started))
        } catch {
            parts.waiting.settle(bytes: bytes)
            refuse(batches, with: .unknownOutcome)
            throw error
        }
    }

    /// How a commit ended, where the disk did not fail.
    private enum Verdict {
        case durable
        case full
    }

    private func store(_ plan: CommitPlan) throws(StorageError) -> Verdict {
        guard !plan.drafts.isEmpty else { return .durable }
        guard try hasRoom() else { return .full }
        var id = nextBlockID
        var blocks: [(block: UnindexedBlock, recent: BlockDirectory.Recent, header: [UInt8])] = []
        blocks.reserveCapacity(plan.drafts.count)
        for draft in plan.drafts {
            let header = draft.header(region: configuration.region, policyRevision: plan.policyRevision)
            let (bytes, digest) = header.encoded()
            let block = UnindexedBlock(id: id, header: header, digest: digest, bodyBytes: draft.body.count)
            blocks.append((block, BlockDirectory.Recent(header: header, body: draft.body), bytes))
            id += 1
        }
        let now = parts.clock.now()
        do throws(StorageError) {
            try database.commit { db in
                for (block, recent, header) in blocks { try Self.insert(block, recent.body, header, into: db) }
                if !plan.keyRow.isEmpty {
                    let insert = try db.cachedStatement(sql: "INSERT INTO keys (id, time, entries) VALUES (?, ?, ?)")
                    try insert.execute(arguments: [nextKeyRow, now.seconds, Data(plan.keyRow)])
                }
                if !plan.ledgerRow.isEmpty {
                    let insert = try db.cachedStatement(sql: "INSERT INTO ledger (id, time, entries) VALUES (?, ?, ?)")
                    try insert.execute(arguments: [nextLedgerRow, now.seconds, Data(plan.ledgerRow)])
                }
            }
            try parts.files.requireNamed()
        } catch  where error.isFull || error.isBusy {
            noteFull()
            return .full
        }
        nextBlockID = id
        remember(plan, blocks.map { ($0.block, $0.recent) }, now)
        return .durable
    }

    /// What is true from the moment of the commit on.
    private func remember(
        _ plan: CommitPlan, _ blocks: [(block: UnindexedBlock, recent: BlockDirectory.Recent)], _ now: Timestamp
    ) {
        for (block, _) in blocks {
            block.advance(&memory.heads[block.bus, default: BusHead()])
            unindexed.append(block)
            logBytes += Int(block.bytes) + 2 * configuration.pageBytes
        }
        if !plan.keyRow.isEmpty {
            memory.keys.index(row: nextKeyRow, seconds: now.seconds, own: plan.keyRow)
            nextKeyRow += 1
            logBytes += plan.keyRow.count + configuration.pageBytes
        }
        if !plan.ledgerRow.isEmpty {
            memory.ledger.index(row: nextLedgerRow, seconds: now.seconds, own: plan.ledgerRow)
            nextLedgerRow += 1
            logBytes += plan.ledgerRow.count + configuration.pageBytes
        }
        if !plan.implicit.isEmpty {
            let moment = parts.monotonic()
            for (request, answer) in plan.implicit { memory.recent.keep(answer, to: request, now: moment) }
        }
        parts.directory.add(blocks)
        for (block, _) in blocks { parts.subscriptions.notify(block.bus) }
    }

    private static func insert(
        _ block: UnindexedBlock, _ body: [UInt8], _ header: [UInt8], into db: Database
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO block (id, bus, first, count, time, digest, header, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """)
        try body.withUnsafeBytes { bytes in
            // Lent, not copied: the statement has run when the closure ends.
            let lent = UnsafeMutableRawPointer(mutating: bytes.baseAddress!)
            try statement.execute(arguments: [
                block.id, Int64(block.bus.value), Int64(block.first), block.count, block.time,
                Data(block.digest.bytes), Data(header), Data(bytesNoCopy: lent, count: bytes.count, deallocator: .none),
            ])
        }
    }

    /// Looks a key up among what is durable.
    private func recall(
        _ key: CommitPlan.LookUp
    ) throws(StorageError) -> (answer: FirstAnswer, body: Digest?)? {
        switch key {
        case .implicit(let request): return memory.recent.answer(to: request, now: parts.monotonic()).map { ($0, nil) }
        case .explicit(let key): return try recall(key, among: memory.keys, table: "keys")
        case .once(let key): return try recall(key, among: memory.ledger, table: "ledger")
        }
    }

    private func recall(
        _ key: Digest, among keys: KeyTable, table: String
    ) throws(StorageError) -> (answer: FirstAnswer, body: Digest?)? {
        guard let place = keys.place(of: key, now: parts.clock.now()) else { return nil }
        let row = try entries(ofRow: place.row, in: table)
        guard let row, let entry = KeyEntry(decoding: row, at: Int(place.offset)) else {
            throw .damaged(path: database.path, what: "table `\(table)`, row \(place.row)")
        }
        return entry.key == key ? (entry.answer, entry.body) : nil
    }

    /// The entries of a row, which never change. The row read last is kept: whoever sends one message again and again
    /// must not make the writer read the keys of a whole commit each time.
    private func entries(ofRow row: Int64, in table: String) throws(StorageError) -> [UInt8]? {
        if let recalled, recalled.row == row, recalled.table == table { return recalled.entries }
        let found = try database.access { db in
            try Data.fetchOne(
                db.cachedStatement(sql: "SELECT entries FROM \(table) WHERE id = ?"), arguments: [row])
        }
        guard let found else { return nil }
        let entries = [UInt8](found)
        recalled = (table, row, entries)
        return entries
    }
}

extension LogWriter {
    private func publish(_ plan: CommitPlan, _ batches: [AppendBatch], _ verdict: Verdict) {
        var returns = Returns()
        for (batch, answers) in zip(batches, plan.answers) {
            returns.add(
                answers.map { answer in
                    let isVoid = verdict == .full && answer.needsCommit
                    return AppendCompletion(token: answer.token, outcome: isVoid ? .full(.disk) : answer.outcome)
                }, to: batch.completions)
        }
        returns.publish()
    }

    private func refuse(_ batches: [AppendBatch], with outcome: AppendOutcome) {
        var returns = Returns()
        for batch in batches {
            returns.add(
                batch.requests.map { AppendCompletion(token: $0.token, outcome: outcome) }, to: batch.completions)
        }
        returns.publish()
    }

    /// Ends after a failure of the disk: what still waits was not stored, and nothing is acknowledged any more.
    private func fail(_ error: StorageError) {
        parts.watch.onFatal(error)
        parts.waiting.stop()
        while case .commit(let batches) = parts.waiting.take(
            bytes: .max, requests: .max, milliseconds: 0, window: &window)
        {
            refuse(batches, with: .full(.stopped))
            parts.waiting.settle(bytes: batches.reduce(0) { $0 + $1.bytes.count })
        }
    }
}

extension WaitingBatches.Turn {
    var isIdle: Bool {
        if case .idle = self { true } else { false }
    }
}

/// Completions gathered by the loop they go to, so that each loop is woken once.
private struct Returns {
    private var queues: [(queue: CompletionQueue, completions: [AppendCompletion])] = []

    mutating func add(_ completions: [AppendCompletion], to queue: CompletionQueue) {
        if let index = queues.firstIndex(where: { $0.queue === queue }) {
            queues[index].completions.append(contentsOf: completions)
        } else {
            queues.append((queue, completions))
        }
    }

    func publish() {
        for (queue, completions) in queues { queue.publish(completions) }
    }
}
