import Bus
import Cryptography
import Domain
import Identity
import Network
import Registry
import Telemetry

/// A `PutEvents` whose events are with the log.
struct PendingPutEvents {
    let connection: Connection
    let stream: StreamToken
    let requestID: UniqueID
    let results: PutEventsResults
    let sender: Metrics.Sender
    let bytes: Int
    let receivedAt: UInt64
}

extension RequestWorker {
    /// The greatest length of an `Isthmus-Idempotency-Key`. Source: as the client tokens of AWS APIs.
    static let idempotencyKeyBytes = 64
    /// The greatest length of an `amz-sdk-invocation-id` that is looked at: a UUID and some room.
    static let invocationIDBytes = 64

    func putEvents(
        _ request: borrowing Request, _ caller: Caller, _ state: ConnectionState, _ connection: Connection,
        _ stream: StreamToken, _ requestID: UniqueID, _ now: Timestamp
    ) throws(Fault) {
        let receivedAt = services.monotonic()
        let (facts, publisher) = try state.prepared(for: caller, snapshot)
        let entries = try decoder.decode(request.body)
        let guarded = try repeatGuard(request, caller)
        admission.begin(facts, snapshot, now: now)
        var results = PutEventsResults(capacity: entries.count)
        var batch = batch.take() ?? AppendBatch(completions: completions, policyRevision: snapshot.revision)
        batch.beginRequest()
        var bytes = 0
        var bus = "none"
        for decoded in entries {
            switch decoded.content {
            case .invalid(let code, let message):
                services.metrics.add(to: .entriesInvalid)
                results.fail(code, message)
            case .entry(let entry):
                let decisionID = ids.next()
                switch admission.decide(entry, busReference: decoded.busReference, decisionID: decisionID) {
                case .permit(let permit):
                    AdmittedEvent(entry, permit).append(
                        to: &batch, publisher: publisher, receivedAt: now, requestID: requestID)
                    bytes += entry.billedBytes
                    bus = permit.bus.id.name.description
                    results.admit()
                case .denial(let denial):
                    services.record(denial, decisionID, requestID, caller)
                    results.fail(denial.code, denial.message(to: decisionID))
                }
            }
        }
        let pending = PendingPutEvents(
            connection: connection, stream: stream, requestID: requestID, results: results,
            sender: Metrics.Sender(account: "\(caller.account)", bus: bus), bytes: bytes, receivedAt: receivedAt)
        if results.admittedCount > 0 {
            let token = waiting.insert(.putEvents(pending))
            batch.endRequest(token: token, repeatGuard: guarded, entryMask: results.mask)
        } else {
            respond(pending, results, positions: nil)
        }
        self.batch = batch.isEmpty ? nil : batch
    }

    private func repeatGuard(_ request: borrowing Request, _ caller: Caller) throws(Fault) -> RepeatGuard {
        if let key = request.fields.value(of: "isthmus-idempotency-key") {
            guard (1...Self.idempotencyKeyBytes).contains(key.count),
                !request.fields.repeats("isthmus-idempotency-key"), key.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else {
                throw Fault(
                    .validation,
                    "Isthmus-Idempotency-Key must stand once and have 1 to \(Self.idempotencyKeyBytes) printable "
                        + "characters"
                )
            }
            return .explicit(principal: caller.principal.arn, key: key, body: SHA256.hash(request.body))
        }
        if let invocation = request.fields.value(of: "amz-sdk-invocation-id"),
            (1...Self.invocationIDBytes).contains(invocation.count)
        {
            return .implicit(
                principal: caller.principal.arn, invocation: invocation, body: SHA256.hash(request.body))
        }
        return .none
    }

    /// The log has decided about a request.
    func answer(_ pending: PendingPutEvents, _ outcome: AppendOutcome) {
        switch outcome {
        case .stored(let positions):
            services.metrics.add(pending.results.admittedCount, to: .entriesAccepted)
            services.metrics.add(pending.bytes, to: .entryBytes)
            respond(pending, pending.results, positions: positions)
        case .repeated(let positions, let mask):
            services.metrics.add(positions.count, to: .entriesRepeated)
            respond(pending, pending.results.recalling(mask: mask), positions: positions)
        case .keyMismatch:
            refuse(
                pending,
                Fault(
                    .validation,
                    "Isthmus-Idempotency-Key was used before with another content; use a new key for a new request"))
        case .full(let reason):
            refuse(
                pending,
                Fault(
                    .serviceUnavailable, "nothing was stored (\(reason.rawValue) full); retry later",
                    retryAfterSeconds: 1))
        case .unknownOutcome:
            refuse(
                pending,
                Fault(
                    .internalFailure,
                    "whether the events were stored is unknown; retry with the same Isthmus-Idempotency-Key"))
        }
    }

    private func refuse(_ pending: PendingPutEvents, _ fault: Fault) {
        services.metrics.add(pending.results.admittedCount, to: .entriesFailed)
        services.metrics.add(to: .requestsRefused)
        services.metrics.count(pending.sender, accepted: 0, failed: pending.results.entries.count)
        pending.connection.respond(fault.response(pending.requestID), to: pending.stream)
    }

    private func respond(_ pending: PendingPutEvents, _ results: PutEventsResults, positions: Positions?) {
        var body: [UInt8] = []
        body.reserveCapacity(40 + 56 * results.entries.count)
        results.answer(positions, ids: services.eventIDs, into: &body)
        services.metrics.count(
            pending.sender, accepted: results.admittedCount, failed: results.entries.count - results.admittedCount)
        services.metrics.observe(nanoseconds: services.monotonic() - pending.receivedAt, in: .putEvents)
        pending.connection.respond(
            Response(status: 200, contentType: .amzJSON, requestID: pending.requestID, body: body), to: pending.stream)
    }
}
