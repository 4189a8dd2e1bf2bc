package import Bus
import Cryptography
package import Domain
import Synchronization

/// The seam without a disk: every submit is decided before it returns. Bounds are the parameters.
package final class InMemoryEventLog: EventLog {
    private struct Kept {
        let table: Table
        let body: Digest?
        let positions: Positions
        let mask: UInt32
        /// On the wall clock, of an SDK's retry on the machine's ticks.
        let until: Timestamp
    }

    private struct State {
        var events: [BusNumber: [StoredEvent]] = [:]
        var kept: [Digest: Kept] = [:]
        var isStopped = false
    }

    private let state = Mutex(State())
    private let subscriptions = CommitSubscriptions()
    private let clock: WallClock
    private let ticks: @Sendable () -> UInt64
    private let waitingBytesLimit: Int
    private let keysLimit: Int

    /// - Parameters:
    ///   - ticks: nanoseconds that never go back.
    ///   - waitingBytesLimit: a larger batch is `.full(.queue)`.
    ///   - keysLimit: explicit idempotency keys kept at once; past it `.full(.keys)`. Names fill half of it at most.
    package init(
        clock: WallClock, ticks: @escaping @Sendable () -> UInt64, waitingBytesLimit: Int, keysLimit: Int
    ) {
        self.clock = clock
        self.ticks = ticks
        self.waitingBytesLimit = waitingBytesLimit
        self.keysLimit = keysLimit
    }

    package var waitingBytes: Int { 0 }

    package func submit(_ batch: consuming AppendBatch) {
        let completions = batch.completions
        let refusal: AppendOutcome.FullReason? =
            state.withLock { $0.isStopped } ? .stopped : batch.bytes.count > waitingBytesLimit ? .queue : nil
        if let refusal {
            completions.publish(batch.requests.map { AppendCompletion(token: $0.token, outcome: .full(refusal)) })
            return
        }
        var batch = batch
        batch.begin()
        let begun = batch
        let wall = clock.now()
        let elapsed = Timestamp(milliseconds: Int64(ticks() / 1_000_000))
        let answers = state.withLock { state in
            begun.requests.map { request in
                let now = if case .implicit = request.repeatGuard { elapsed } else { wall }
                return AppendCompletion(token: request.token, outcome: decide(request, begun, &state, now))
            }
        }
        for bus in begun.buses { subscriptions.notify(bus.number) }
        completions.publish(answers)
    }

    private func decide(
        _ request: AppendRequest, _ batch: AppendBatch, _ state: inout State, _ now: Timestamp
    ) -> AppendOutcome {
        // A key with the body that a repeat must have; without one any will do.
        let keys: [(key: Digest, body: Digest?)]
        let seconds: Int64
        switch request.repeatGuard {
        case .none: (keys, seconds) = ([], 0)
        case .explicit(let key, _, let body): (keys, seconds) = ([(key, body)], 86_400)
        case .named(let event, _): (keys, seconds) = ([(event, nil)], 86_400)
        case .once(let id, _, let nonce, let body):
            (keys, seconds) = ((nonce.map { [($0, body)] } ?? []) + [(id, nil)], 259_200)
        case .implicit(let key): (keys, seconds) = ([(key, nil)], 300)
        }
        for (key, body) in keys {
            guard let kept = state.kept[key], kept.until > now else { continue }
            return body == nil || kept.body == body
                ? .repeated(kept.positions, entryMask: kept.mask) : .keyMismatch
        }
        if request.events.isEmpty { return .notRepeated }
        let table = Table(request.repeatGuard)
        let count = state.kept.values.count { $0.table == table }
        let isNamed = if case .named = request.repeatGuard { true } else { false }
        let limit = isNamed ? keysLimit / 2 : keysLimit
        let hasRoom = !request.repeatGuard.isDurable || count + keys.count <= limit
        guard hasRoom || isNamed else { return .full(.keys) }
        let positions = Positions(
            batch.events[request.events].map { event in
                let frame = EventFrame(decodingPrefixOf: batch.bytes[event.start..<event.end])!
                let sequence = Domain.Sequence(UInt64(state.events[event.bus, default: []].count + 1))
                let position = Position(bus: event.bus, sequence: sequence)
                state.events[event.bus, default: []].append(StoredEvent(position: position, frame: frame))
                return position
            })
        for (key, _) in keys where hasRoom {
            state.kept[key] = Kept(
                table: table, body: request.repeatGuard.body, positions: positions, mask: request.entryMask,
                until: now.advanced(bySeconds: seconds))
        }
        return .stored(positions)
    }

    package func read(
        bus: BusNumber, from sequence: Domain.Sequence, limitBytes: Int
    ) throws(EventLogError) -> [StoredEvent] {
        let events = state.withLock { $0.events[bus] ?? [] }
        var bytes = 0
        var found: [StoredEvent] = []
        for event in events.dropFirst(Int(sequence.value) - 1) where bytes < limitBytes || found.isEmpty {
            found.append(event)
            bytes += event.frame.bytes.count
        }
        return found
    }

    package func event(at position: Position) throws(EventLogError) -> StoredEvent {
        let events = state.withLock { $0.events[position.bus] ?? [] }
        guard position.sequence.value <= UInt64(events.count) else { throw .noSuchEvent(position) }
        return events[Int(position.sequence.value) - 1]
    }

    package func lastSequence(of bus: BusNumber) -> Domain.Sequence? {
        state.withLock { $0.events[bus]?.last?.position.sequence }
    }

    package func firstSequence(of bus: BusNumber) throws(EventLogError) -> Domain.Sequence? {
        state.withLock { $0.events[bus]?.first?.position.sequence }
    }

    package func subscribe(to bus: BusNumber, wake: @escaping @Sendable () -> Void) -> CommitSubscription? {
        subscriptions.add(bus: bus, wake: wake)
    }

    package func stop() { state.withLock { $0.isStopped = true } }
}

/// Keys that share a bound.
private enum Table {
    case none, explicit, once, implicit

    init(_ repeatGuard: RepeatGuard) {
        switch repeatGuard {
        case .none: self = .none
        case .explicit, .named: self = .explicit
        case .once: self = .once
        case .implicit: self = .implicit
        }
    }
}

extension RepeatGuard {
    fileprivate var body: Digest? {
        switch self {
        case .none, .named, .implicit: nil
        case .explicit(_, _, let body), .once(_, _, _, let body): body
        }
    }
}
