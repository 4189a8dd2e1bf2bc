package import Bus
package import Domain
import Synchronization

/// The event log without a disk, whose commits can be held back and whose outcomes can be told.
///
/// Unless told otherwise a submitted request is stored before `submit` returns. It knows no idempotency keys: a test
/// says
/// the outcome it wants.
package final class ScriptedEventLog: EventLog {
    private struct State {
        var events: [BusNumber: [StoredEvent]] = [:]
        var held: [AppendBatch] = []
        var isHolding = false
        var beginsHeld = false
        var bytesOfOthers = 0
        var outcomes: [AppendOutcome] = []
        var guards: [RepeatGuard] = []
        var masks: [UInt32] = []
    }

    private let state = Mutex(State())
    private let subscriptions = CommitSubscriptions()

    package init() {}

    /// Keeps what is submitted from now on until `release`.
    ///
    /// - Parameter begun: as commits under way, from which nothing is withdrawn any more.
    package func hold(begun: Bool = false) {
        state.withLock { state in
            state.isHolding = true
            state.beginsHeld = begun
        }
    }

    /// Commits what was held.
    package func release() {
        let held = state.withLock { state in
            defer { state.held = [] }
            state.isHolding = false
            return state.held
        }
        for batch in held { commit(batch) }
    }

    /// The next request decided gets this outcome and nothing is stored.
    package func answerNext(_ outcome: AppendOutcome) { state.withLock { $0.outcomes.append(outcome) } }

    /// Bytes that other loops are waiting for.
    package func setBytesOfOthers(_ bytes: Int) { state.withLock { $0.bytesOfOthers = bytes } }

    /// Batches held now.
    package var heldBatches: Int { state.withLock { $0.held.count } }
    /// The repeat guards of all requests decided, in order.
    package var guards: [RepeatGuard] { state.withLock { $0.guards } }
    /// The entry masks of all requests decided, in order.
    package var masks: [UInt32] { state.withLock { $0.masks } }

    package func events(of bus: BusNumber) -> [StoredEvent] { state.withLock { $0.events[bus] ?? [] } }

    package var waitingBytes: Int {
        state.withLock { state in state.held.reduce(state.bytesOfOthers) { $0 + $1.bytes.count } }
    }

    package func submit(_ batch: consuming AppendBatch) {
        let submitted = batch
        let isHeld = state.withLock { state in
            guard state.isHolding else { return false }
            var held = submitted
            if state.beginsHeld { held.begin() }
            state.held.append(held)
            return true
        }
        if !isHeld { commit(submitted) }
    }

    private func commit(_ submitted: AppendBatch) {
        var begun = submitted
        begun.begin()
        let batch = begun
        let answers = state.withLock { state in
            batch.requests.map { AppendCompletion(token: $0.token, outcome: Self.decide($0, batch, &state)) }
        }
        for bus in batch.buses { subscriptions.notify(bus.number) }
        batch.completions.publish(answers)
    }

    private static func decide(_ request: AppendRequest, _ batch: AppendBatch, _ state: inout State) -> AppendOutcome {
        state.guards.append(request.repeatGuard)
        state.masks.append(request.entryMask)
        if !state.outcomes.isEmpty { return state.outcomes.removeFirst() }
        if request.events.isEmpty { return .notRepeated }
        var positions: [Position] = []
        for event in batch.events[request.events] {
            guard let frame = EventFrame(decodingPrefixOf: batch.bytes[event.start..<event.end]) else {
                preconditionFailure("a batch holds whole frames")
            }
            let sequence = Domain.Sequence(UInt64(state.events[event.bus, default: []].count + 1))
            let position = Position(bus: event.bus, sequence: sequence)
            state.events[event.bus, default: []].append(StoredEvent(position: position, frame: frame))
            positions.append(position)
        }
        return .stored(Positions(positions))
    }

    package func read(
        bus: BusNumber, from sequence: Domain.Sequence, limitBytes: Int
    ) throws(EventLogError) -> [StoredEvent] {
        var bytes = 0
        var found: [StoredEvent] = []
        for event in events(of: bus).dropFirst(Int(sequence.value) - 1) where bytes < limitBytes || found.isEmpty {
            found.append(event)
            bytes += event.frame.bytes.count
        }
        return found
    }

    package func event(at position: Position) throws(EventLogError) -> StoredEvent {
        let events = events(of: position.bus)
        guard position.sequence.value <= UInt64(events.count) else { throw .noSuchEvent(position) }
        return events[Int(position.sequence.value) - 1]
    }

    package func lastSequence(of bus: BusNumber) -> Domain.Sequence? { events(of: bus).last?.position.sequence }

    package func firstSequence(of bus: BusNumber) throws(EventLogError) -> Domain.Sequence? {
        events(of: bus).first?.position.sequence
    }

    package func subscribe(to bus: BusNumber, wake: @escaping @Sendable () -> Void) -> CommitSubscription? {
        subscriptions.add(bus: bus, wake: wake)
    }

    package func stop() {}
}
