import Bus
import Cryptography
import Domain

/// The end of one bus's chain: where the next block goes.
struct BusHead {
    /// The sequence of the next event.
    var next: UInt64 = 1
    /// Digest of the last block's header; zero before the first.
    var digest: Digest = .zero
    /// Bytes of the blocks that are kept.
    var bytes: Int64 = 0
    /// Latest receipt in the oldest block kept, once a trim has looked.
    var oldestTime: Int64?
}

/// What the writer knows without reading: confined to its thread once the log is open.
final class LogMemory {
    var heads: [BusNumber: BusHead] = [:]
    var keys: KeyTable
    /// Events that act once.
    var ledger: KeyTable
    var recent: RecentRequests

    init(configuration: LogConfiguration) {
        keys = KeyTable(
            limit: configuration.keysLimit, principalLimit: configuration.keysPerPrincipalLimit,
            keptSeconds: LogConfiguration.keySeconds)
        ledger = KeyTable(
            limit: configuration.ledgerLimit, principalLimit: configuration.ledgerPerSourceLimit,
            keptSeconds: LogConfiguration.ledgerSeconds)
        recent = RecentRequests(limit: configuration.recentRequestsLimit)
    }
}

/// The block of one bus while a commit gathers its events.
struct BlockDraft {
    let destination: AppendBatch.Destination
    let first: UInt64
    let previous: Digest
    var body: [UInt8] = []
    var leaves: BlockSeal.Leaves
    var count = 0
    var firstTime = Int64.max
    var lastTime = Int64.min

    var next: UInt64 { first + UInt64(count) }

    /// Adds one frame, which carries its time of receipt at byte 8.
    mutating func append(_ frame: UnsafeRawBufferPointer) {
        body.append(contentsOf: frame)
        leaves.append(frame: frame)
        let time = Int64(littleEndian: frame.loadUnaligned(fromByteOffset: 8, as: Int64.self))
        firstTime = min(firstTime, time)
        lastTime = max(lastTime, time)
        count += 1
    }

    func header(region: String, policyRevision: UInt64) -> BlockHeader {
        BlockHeader(
            region: region, bus: destination.id, busNumber: destination.number, first: Domain.Sequence(first),
            count: count, firstTime: Timestamp(milliseconds: firstTime), lastTime: Timestamp(milliseconds: lastTime),
            merkleRoot: leaves.root(), previous: previous, policyRevision: policyRevision)
    }
}

/// What one commit will store and what each of its requests will be told: pure but for the look-ups it is given.
struct CommitPlan {
    /// What a request is told, and whether that waits for the commit.
    struct Answer {
        let token: UInt64
        let outcome: AppendOutcome
        let needsCommit: Bool
    }

    /// What was planned for a guard within this commit.
    private struct Planned {
        let answer: FirstAnswer
        let body: Digest?
    }

    /// Where a key of an earlier commit is looked for.
    enum LookUp {
        case explicit(Digest)
        case once(Digest)
        case implicit(Digest)

        var key: Digest {
            switch self {
            case .explicit(let key), .once(let key), .implicit(let key): key
            }
        }
    }

    /// Finds a repeat of an earlier commit: its first answer and, for a kept key, the body it came with.
    typealias Recall = (_ key: LookUp) throws(StorageError) -> (answer: FirstAnswer, body: Digest?)?

    private let memory: LogMemory
    private let seal: BlockSeal
    private var draftIndex: [BusNumber: Int] = [:]
    private var planned: [ShortDigest: Planned] = [:]
    private var pendingOfPrincipal: [Digest: Int] = [:]
    private var pendingKeys = 0
    private var pendingOfSource: [Digest: Int] = [:]
    private var pendingLedger = 0
    /// One for each bus.
    private(set) var drafts: [BlockDraft] = []
    /// One list for each batch, in the order of its requests.
    private(set) var answers: [[Answer]] = []
    /// The row of explicit keys, empty when there are none.
    private(set) var keyRow: [UInt8] = []
    /// The row of events that act once, empty when there are none.
    private(set) var ledgerRow: [UInt8] = []
    /// SDK requests to remember once committed.
    private(set) var implicit: [(request: Digest, answer: FirstAnswer)] = []
    private(set) var policyRevision: UInt64 = 0

    /// Bytes that the only block will have; 0 when there may be several.
    private let bodyBytes: Int

    init(memory: LogMemory, seal: BlockSeal, for batches: [AppendBatch]) {
        self.memory = memory
        self.seal = seal
        let bus = batches.first?.buses.first?.number
        let isOne = batches.allSatisfy { $0.buses.count == 1 && $0.buses[0].number == bus }
        bodyBytes = isOne ? batches.reduce(0) { $0 + $1.bytes.count } : 0
    }

    /// Plans every request of `batch`.
    ///
    /// - Throws: what `recall` could not read.
    mutating func add(_ batch: AppendBatch, recall: Recall) throws(StorageError) {
        var list: [Answer] = []
        list.reserveCapacity(batch.requests.count)
        policyRevision = max(policyRevision, batch.policyRevision)
        for request in batch.requests {
            let (outcome, needsCommit) = try decide(request, batch, recall)
            list.append(Answer(token: request.token, outcome: outcome, needsCommit: needsCommit))
        }
        answers.append(list)
    }

    private mutating func decide(
        _ request: AppendRequest, _ batch: AppendBatch, _ recall: Recall
    ) throws(StorageError) -> (outcome: AppendOutcome, needsCommit: Bool) {
        switch request.repeatGuard {
        case .none: return (.stored(store(request, batch)), true)
        case .explicit(let key, let principal, let body):
            return try decideKept(request, batch, key: key, principal: principal, body: body, recall)
        case .named(let event, let principal):
            let decided = try decideKept(
                request, batch, key: event, principal: principal, body: .zero, share: .half, recall)
            guard case .full = decided.outcome else { return decided }
            return (.stored(store(request, batch)), true)
        case .once(let id, let source, let nonce, let body):
            if let nonce, let outcome = try repeated(.once(nonce), body: body, recall) { return outcome }
            if let outcome = try repeated(.once(id), body: nil, recall) { return outcome }
            guard !request.events.isEmpty else { return (.notRepeated, false) }
            return storeOnce(request, batch, id: id, nonce: nonce, source: source, body: body)
        case .implicit(let digest):
            if let outcome = try repeated(.implicit(digest), body: nil, recall) { return outcome }
            let answer = FirstAnswer(positions: store(request, batch), entryMask: request.entryMask)
            planned[ShortDigest(digest)] = Planned(answer: answer, body: nil)
            implicit.append((digest, answer))
            return (.stored(answer.positions), true)
        }
    }

    private mutating func decideKept(
        _ request: AppendRequest, _ batch: AppendBatch, key: Digest, principal: Digest, body: Digest,
        share: KeyTable.Share = .whole, _ recall: Recall
    ) throws(StorageError) -> (outcome: AppendOutcome, needsCommit: Bool) {
        if let outcome = try repeated(.explicit(key), body: body, recall) { return outcome }
        guard !request.events.isEmpty else { return (.notRepeated, false) }
        let ofPrincipal = pendingOfPrincipal[principal, default: 0]
        guard
            memory.keys.hasRoom(
                for: principal, share: share, pending: pendingKeys, pendingOfPrincipal: ofPrincipal)
        else { return (.full(.keys), false) }
        let answer = FirstAnswer(positions: store(request, batch), entryMask: request.entryMask)
        KeyEntry.append(key: key, principal: principal, body: body, answer: answer, to: &keyRow)
        planned[ShortDigest(key)] = Planned(answer: answer, body: body)
        pendingOfPrincipal[principal] = ofPrincipal + 1
        pendingKeys += 1
        return (.stored(answer.positions), true)
    }

    private mutating func storeOnce(
        _ request: AppendRequest, _ batch: AppendBatch, id: Digest, nonce: Digest?, source: Digest, body: Digest
    ) -> (outcome: AppendOutcome, needsCommit: Bool) {
        let count = nonce == nil ? 1 : 2
        let ofSource = pendingOfSource[source, default: 0]
        guard
            memory.ledger.hasRoom(
                for: source, count: count, pending: pendingLedger, pendingOfPrincipal: ofSource)
        else { return (.full(.keys), false) }
        let answer = FirstAnswer(positions: store(request, batch), entryMask: request.entryMask)
        keepOnce(id, source, body, answer)
        if let nonce { keepOnce(nonce, source, body, answer) }
        pendingOfSource[source] = ofSource + count
        pendingLedger += count
        return (.stored(answer.positions), true)
    }

    private mutating func keepOnce(_ key: Digest, _ source: Digest, _ body: Digest, _ answer: FirstAnswer) {
        KeyEntry.append(key: key, principal: source, body: body, answer: answer, to: &ledgerRow)
        planned[ShortDigest(key)] = Planned(answer: answer, body: body)
    }

    /// The outcome when the key came before; with `body` nil whatever it came with.
    private func repeated(
        _ key: LookUp, body: Digest?, _ recall: Recall
    ) throws(StorageError) -> (outcome: AppendOutcome, needsCommit: Bool)? {
        if let earlier = planned[ShortDigest(key.key)] {
            guard body == nil || earlier.body == body else { return (.keyMismatch, true) }
            return (.repeated(earlier.answer.positions, entryMask: earlier.answer.entryMask), true)
        }
        guard let earlier = try recall(key) else { return nil }
        guard body == nil || earlier.body == body else { return (.keyMismatch, false) }
        return (.repeated(earlier.answer.positions, entryMask: earlier.answer.entryMask), false)
    }

    private mutating func store(_ request: AppendRequest, _ batch: AppendBatch) -> Positions {
        let events = batch.events[request.events]
        let bus = events[events.startIndex].bus
        if events.allSatisfy({ $0.bus == bus }) {
            let first = append(events[events.startIndex], batch)
            for event in events.dropFirst() { _ = append(event, batch) }
            return Positions(bus: bus, first: Domain.Sequence(first), count: events.count)
        }
        return Positions(
            events.map { Position(bus: $0.bus, sequence: Domain.Sequence(append($0, batch))) })
    }

    private mutating func append(_ event: AppendBatch.Event, _ batch: AppendBatch) -> UInt64 {
        let index = draft(for: batch.buses[event.busIndex])
        let sequence = drafts[index].next
        batch.bytes.withUnsafeBytes { bytes in
            drafts[index].append(UnsafeRawBufferPointer(rebasing: bytes[event.start..<event.end]))
        }
        return sequence
    }

    private mutating func draft(for destination: AppendBatch.Destination) -> Int {
        if let last = drafts.indices.last, drafts[last].destination.number == destination.number { return last }
        if let index = draftIndex[destination.number] { return index }
        let head = memory.heads[destination.number] ?? BusHead()
        let first = Domain.Sequence(head.next)
        drafts.append(
            BlockDraft(
                destination: destination, first: head.next, previous: head.digest,
                leaves: seal.leaves(bus: destination.number, first: first)))
        if bodyBytes > 0 { drafts[drafts.count - 1].body.reserveCapacity(bodyBytes) }
        draftIndex[destination.number] = drafts.count - 1
        return drafts.count - 1
    }
}
