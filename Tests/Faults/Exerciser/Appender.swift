import Bus
import Cryptography
import Domain
import Foundation
import Storage

/// One loop's worth of appending: batches out, outcomes back.
final class Appender {
    static let bus = EventBusID(account: AccountID(unchecked: 444_455_556_666), name: .default)

    private let log: SQLiteEventLog
    private let answered = DispatchSemaphore(value: 0)
    private let completions: CompletionQueue
    private let publisher: PublisherProvenance

    init(directory: String, configuration: LogConfiguration? = nil, watch: LogWatch? = nil) throws {
        let configuration = configuration ?? Exerciser.smallConfiguration()
        log = try Exerciser.openLog(directory, configuration, watch: watch).0
        let answered = answered
        completions = CompletionQueue { answered.signal() }
        publisher = Self.publisher()
    }

    static func publisher() -> PublisherProvenance {
        let account = AccountID(unchecked: 111_122_223_333)
        return PublisherProvenance(
            principal: "arn:aws:iam::111122223333:role/publisher", account: account, organizationPath: nil,
            trustDomain: "partner.example", certificateFingerprint: SHA256.hash([1]), accessKeyID: nil)!
    }

    static func entry(_ detail: String) -> Entry {
        var detail = detail
        var source = "com.acme.orders"
        var type = "Order"
        let nothing = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        return source.withUTF8 { source in
            type.withUTF8 { type in
                detail.withUTF8 { detail in
                    Entry(
                        source: source, detailType: type, detail: detail, resources: nothing, resourceCount: 0,
                        traceHeader: nothing, time: nil)
                }
            }
        }
    }

    /// Appends one event under the key `key-I` and returns what the log says.
    private func append(_ index: Int) -> AppendOutcome {
        var batch = AppendBatch(completions: completions, policyRevision: 1)
        batch.beginRequest()
        let start = batch.bytes.count
        EventFrame.append(
            Self.entry("{\"i\":\(index)}"), publisher: publisher, receivedAt: Exerciser.wallTime(),
            decisionID: UniqueID(high: 1, low: UInt64(index)), requestID: UniqueID(high: 2, low: UInt64(index)),
            to: &batch.bytes)
        batch.endFrame(unchecked: start, bus: BusNumber(1), id: Self.bus)
        let key = Array("key-\(index)".utf8)
        let body = SHA256.hash(key)
        batch.endRequest(
            token: UInt64(index), repeatGuard: .explicit(principal: publisher.principal, key: key[...], body: body),
            entryMask: 1)
        log.submit(batch)
        var taken: [AppendCompletion] = []
        while taken.isEmpty {
            answered.wait()
            completions.drain(into: &taken)
        }
        return taken[0].outcome
    }

    func run(count: Int) {
        for index in 1...max(1, count) {
            switch append(index) {
            case .stored(let positions): say("ack \(index) \(positions[0].sequence.value)")
            case .repeated(let positions, _): say("again \(index) \(positions[0].sequence.value)")
            case let outcome: say("refused \(index) \(outcome)")
            }
        }
        log.stop()
        say("end")
    }

    /// Appends one event, again while the disk is full.
    func appendOne(index: Int, attempts: Int) {
        for _ in 0..<attempts {
            if case .stored(let positions) = append(index) {
                say("ack \(index) \(positions[0].sequence.value)")
                break
            }
            usleep(100_000)
        }
        log.stop()
        say("end")
    }

    /// Appends until the time is over, or until room has come back for good after `looks` looks at a full log. Says
    /// when the disk fills, how often the full log was looked at, and when there is room.
    func fill(seconds: Int, looks: Int) {
        let end = Exerciser.monotonic() + UInt64(seconds) * 1_000_000_000
        var index = 0
        var looked = 0
        var isFull = false
        var storedWithRoom = 0
        while Exerciser.monotonic() < end, looked < looks || storedWithRoom < Self.storedInTheEnd {
            index += 1
            switch append(index) {
            case .stored(let positions):
                if isFull { say("room \(Exerciser.monotonic() / 1_000_000)") }
                isFull = false
                storedWithRoom += 1
                say("ack \(index) \(positions[0].sequence.value)")
            case .full(.disk):
                if !isFull { say("full \(Exerciser.monotonic() / 1_000_000)") }
                isFull = true
                storedWithRoom = 0
                looked += 1
                let kept = (try? log.read(bus: BusNumber(1), from: Domain.Sequence(1), limitBytes: 1)) ?? []
                say(kept.isEmpty ? "unreadable" : "looked \(looked)")
                usleep(20_000)
            case let outcome: say("refused \(index) \(outcome)")
            }
        }
        log.stop()
        say("end")
    }

    private static let storedInTheEnd = 2_000
}
