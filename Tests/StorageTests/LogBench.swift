import Bus
import Cryptography
import Domain
import Foundation
import Storage
import Synchronization

/// A temporary data directory on a disk, removed with the value.
final class ScratchDirectory: Sendable {
    let path: String

    /// `/var/tmp`, because the log refuses a tmpfs.
    init() { path = "/var/tmp/isthmus-tests-\(UUID().uuidString)" }

    deinit { do { try FileManager.default.removeItem(atPath: path) } catch {} }
}

/// A wall clock, and the ticks of the machine beside it, that stand still until they are moved.
final class HeldClock: Sendable {
    private let milliseconds: Atomic<Int64>
    private let nanoseconds = Atomic<UInt64>(1)

    init(_ start: Timestamp) { milliseconds = Atomic(start.milliseconds) }

    var clock: WallClock { WallClock { [self] in Timestamp(milliseconds: milliseconds.load(ordering: .relaxed)) } }
    var now: Timestamp { clock.now() }

    var ticks: @Sendable () -> UInt64 { { [self] in nanoseconds.load(ordering: .relaxed) } }

    func advance(seconds: Int64) {
        nanoseconds.add(UInt64(seconds) * 1_000_000_000, ordering: .relaxed)
        step(seconds: seconds)
    }

    /// Sets the wall clock anew: no time passes.
    func step(seconds: Int64) { milliseconds.add(seconds * 1000, ordering: .relaxed) }
}

/// Monotonic time of which so much passes at each look that the next upkeep is due.
final class Ticks: Sendable {
    private let looks = Atomic<UInt64>(0)

    func next() -> UInt64 { looks.add(1, ordering: .relaxed).newValue * 2_000_000_000 }
}

/// One loop's side of a log: builds batches, waits for answers.
final class TestLoop {
    static let account = AccountID(unchecked: 444_455_556_666)
    let log: any EventLog
    let completions: CompletionQueue
    private let answered = DispatchSemaphore(value: 0)
    private var token: UInt64 = 0
    private var answers: [UInt64: AppendOutcome] = [:]

    init(_ log: any EventLog) {
        self.log = log
        let answered = answered
        completions = CompletionQueue { answered.signal() }
    }

    /// One request: the details of its events, each with its bus.
    struct Request {
        var events: [(bus: UInt32, detail: String)]
        var repeatGuard = RepeatGuard.none
        var mask: UInt32 = 1
    }

    static func request(
        _ details: String..., bus: UInt32 = 1, guarded: RepeatGuard = .none, mask: UInt32 = 1
    ) -> Request {
        Request(events: details.map { (bus, $0) }, repeatGuard: guarded, mask: mask)
    }

    static func key(_ key: String, principal: String = "p", body: String = "b") -> RepeatGuard {
        .explicit(principal: principal, key: Array(key.utf8)[...], body: SHA256.hash(Array(body.utf8)))
    }

    static func invocation(_ id: String, body: String = "b") -> RepeatGuard {
        .implicit(principal: "p", invocation: Array(id.utf8)[...], body: SHA256.hash(Array(body.utf8)))
    }

    /// Submits the requests as one batch and returns their tokens.
    func submit(
        _ requests: [Request], number: UInt64 = 0, receivedAt: Timestamp = Timestamp(seconds: 1_800_000_000)
    ) -> [UInt64] {
        var batch = AppendBatch(completions: completions, policyRevision: 7, number: number)
        var tokens: [UInt64] = []
        for request in requests {
            token += 1
            batch.beginRequest()
            for event in request.events {
                let start = batch.bytes.count
                EventFrame.append(
                    Self.entry(event.detail), publisher: Self.publisher, receivedAt: receivedAt,
                    decisionID: UniqueID(high: 1, low: token), requestID: UniqueID(high: 2, low: token),
                    to: &batch.bytes)
                let id = EventBusID(account: Self.account, name: EventBusName(parsing: "bus-\(event.bus)")!)
                batch.endFrame(unchecked: start, bus: BusNumber(event.bus), id: id)
            }
            batch.endRequest(token: token, repeatGuard: request.repeatGuard, entryMask: request.mask)
            tokens.append(token)
        }
        log.submit(batch)
        return tokens
    }

    /// The outcomes of these tokens, when all are there.
    func outcomes(_ tokens: [UInt64]) -> [AppendOutcome] {
        var taken: [AppendCompletion] = []
        while true {
            completions.drain(into: &taken)
            for completion in taken {
                precondition(answers[completion.token] == nil, "a request was answered twice")
                answers[completion.token] = completion.outcome
            }
            if tokens.allSatisfy({ answers[$0] != nil }) { return tokens.compactMap { answers[$0] } }
            answered.wait()
        }
    }

    func append(
        _ requests: Request..., receivedAt: Timestamp = Timestamp(seconds: 1_800_000_000)
    ) -> [AppendOutcome] {
        outcomes(submit(requests, receivedAt: receivedAt))
    }

    static let publisher = PublisherProvenance(
        principal: "arn:aws:iam::111122223333:role/p", account: AccountID(unchecked: 111_122_223_333),
        organizationPath: nil, trustDomain: "partner.example", certificateFingerprint: nil, accessKeyID: nil)!

    static func entry(_ detail: String) -> Entry {
        func lend<Value>(_ text: String, _ body: (UnsafeBufferPointer<UInt8>) -> Value) -> Value {
            Array(text.utf8).withUnsafeBufferPointer(body)
        }
        let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        return lend("com.acme") { source in
            lend("T") { type in
                lend(detail) { detail in
                    Entry(
                        source: source, detailType: type, detail: detail, resources: nothing, resourceCount: 0,
                        traceHeader: nothing, time: nil)
                }
            }
        }
    }
}

/// `.stored` at these sequences of one bus.
func stored(_ sequences: ClosedRange<UInt64>, bus: UInt32 = 1) -> AppendOutcome {
    .stored(Positions(bus: BusNumber(bus), first: Domain.Sequence(sequences.lowerBound), count: sequences.count))
}

func repeated(_ sequences: ClosedRange<UInt64>, bus: UInt32 = 1, mask: UInt32 = 1) -> AppendOutcome {
    .repeated(
        Positions(bus: BusNumber(bus), first: Domain.Sequence(sequences.lowerBound), count: sequences.count),
        entryMask: mask)
}

extension EventLog {
    /// The details of everything a bus holds.
    func details(bus: UInt32 = 1, from: UInt64 = 1) throws -> [String] {
        try read(bus: BusNumber(bus), from: Domain.Sequence(from), limitBytes: .max).map { $0.frame.detail.text }
    }
}
