import Bus
import Domain
import JSON
import Registry

/// `tail`: admitted events of one bus, from a sequence or from now on, until the reader goes away.
extension ControlVerbs {
    /// Bytes read from the log at once.
    private static let chunkBytes = 256 * 1024

    func tail(_ request: JSONNode, send: Send) async throws(Refusal) {
        let bus = try self.bus(request)
        let (wakeUps, waker) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        guard let subscription = services.log.subscribe(to: bus.number, wake: { waker.yield() }) else {
            throw Refusal(code: "Busy", message: "too many readers follow events; end one first")
        }
        let released = services.releases.add(bus: bus.number, wake: { waker.yield() })
        let end = services.log.lastSequence(of: bus.number)
        var next = try first(request, end: end)
        let isFollowing = request["follow"]?.bool ?? true
        guard await send(Self.line { writer in
            writer.member("tailing", bus.arn)
            writer.member("next", next)
        }) else { return }
        var wakes = wakeUps.makeAsyncIterator()
        while true {
            let events = try read(bus, next)
            for event in events {
                guard await send(line(event)) else { return }
                next = event.position.sequence.value + 1
            }
            guard events.isEmpty else { continue }
            guard isFollowing else { return }
            subscription.rearm()
            released?.rearm()
            guard await wakes.next() != nil else { return }
        }
    }

    private func bus(_ request: JSONNode) throws(Refusal) -> EventBus {
        guard let name = request["bus"]?.string else {
            throw Refusal(code: "InvalidRequest", message: "name the bus")
        }
        let snapshot = services.registry.snapshot
        let account = request["account"]?.string
        let found = snapshot.buses.values.filter {
            $0.id.name.description == name && (account == nil || $0.id.account.description == account)
        }
        guard let bus = found.first else {
            throw Refusal(
                code: "ResourceNotFoundException",
                message: "there is no event bus `\(name)`: name one that the configuration or the API made, and "
                    + "its account")
        }
        guard found.count == 1 else {
            throw Refusal(code: "AmbiguousBus", message: "several accounts have a bus `\(name)`; name the account")
        }
        return bus
    }

    private func first(_ request: JSONNode, end: Domain.Sequence?) throws(Refusal) -> UInt64 {
        switch request["from"] {
        case nil, .string("now"): return (end?.value ?? 0) + 1
        case .integer(let sequence) where sequence >= 1 && UInt64(sequence) <= Domain.Sequence.maximum:
            return UInt64(sequence)
        default: throw Refusal(code: "InvalidRequest", message: "`from` is `now` or a sequence number from 1 on")
        }
    }

    /// What may be read from `next` on: not what the operator holds back.
    private func read(_ bus: EventBus, _ next: UInt64) throws(Refusal) -> [StoredEvent] {
        do throws(EventLogError) {
            let events = try services.log.read(
                bus: bus.number, from: Domain.Sequence(next), limitBytes: Self.chunkBytes)
            // INVARIANT: looked at after reading: what was read before a suspension is older than what it holds.
            guard let held = services.registry.snapshot.heldFrom(bus.id) else { return events }
            return events.filter { $0.position.sequence < held }
        } catch {
            throw Refusal(code: "InternalFailure", message: "the log cannot be read: \(error)")
        }
    }

    /// An event on one line. Line breaks in `detail` can only be white space between its tokens: they become spaces.
    private func line(_ event: StoredEvent) -> [UInt8] {
        var line: [UInt8] = []
        event.appendEnvelope(
            to: &line, id: services.eventIDs.id(of: event.position), region: services.registry.snapshot.region)
        for index in line.indices where line[index] == 0x0A || line[index] == 0x0D { line[index] = 0x20 }
        return line
    }
}
