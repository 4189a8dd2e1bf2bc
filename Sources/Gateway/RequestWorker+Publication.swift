import Bus
import Domain
import Identity
import Network
import Registry
import Telemetry

extension RequestWorker {
    /// Who publishes, as the log keeps it, and with what each entry of the request shares.
    private struct Publisher {
        let caller: Caller
        let provenance: PublisherProvenance
        let exchange: Exchange
        let right: Publication.Right
        /// The bus of the last entry admitted.
        var bus: EventBus?
        var bytes = 0
        /// Whether a denial could not be recorded.
        var hasUnrecorded = false
    }

    /// Admits the entries of one request and hands them to the log; answers at once when nothing is for it.
    func publish(
        _ publication: Publication, _ caller: Caller, _ state: ConnectionState, _ exchange: Exchange
    ) throws(Fault) {
        let (facts, provenance) = try state.prepared(for: caller, snapshot, sharedFacts)
        switch publication.right {
        case .sender: admission.begin(facts, snapshot, now: exchange.now, userAgent: exchange.userAgent)
        case .partnerEventSource:
            partnerAdmission.begin(facts, snapshot, now: exchange.now, userAgent: exchange.userAgent)
        }
        var batch =
            batch.take()
            ?? AppendBatch(
                completions: completions, policyRevision: snapshot.revision, number: nextBatchNumber(),
                reservingBytes: lastBatchBytes)
        var publisher = Publisher(
            caller: caller, provenance: provenance, exchange: exchange.afterAdmission, right: publication.right)
        switch publication.guards {
        case .request(let repeatGuard): publishTogether(publication, repeatGuard, state, &publisher, &batch)
        case .events(let guards): publishApart(publication, guards, state, &publisher, &batch)
        }
        self.batch = batch.isEmpty ? nil : batch
    }

    private func publishTogether(
        _ publication: Publication, _ repeatGuard: RepeatGuard, _ state: ConnectionState,
        _ publisher: inout Publisher, _ batch: inout AppendBatch
    ) {
        var results = PublicationResults(capacity: publication.entries.count)
        batch.beginRequest()
        for decoded in publication.entries { admit(decoded, &publisher, &batch, &results) }
        let pending = PendingPublication(
            exchange: publisher.exchange, caller: publisher.caller, form: publication.form, results: results,
            traffic: state.traffic(of: publisher.caller, on: publisher.bus, services.metrics), bytes: publisher.bytes,
            batch: batch.number)
        pending.charged = publication.charged
        guard results.admittedCount > 0 || repeatGuard.isDurable else {
            if publisher.hasUnrecorded { return refuse(pending, DecisionRecorder.unrecorded) }
            return respond(pending, results)
        }
        let token = waiting.insert(.publication(pending))
        work = WorkToken(value: token)
        batch.endRequest(token: token, repeatGuard: repeatGuard, entryMask: results.mask)
    }

    /// Each event is a request of its own to the log: one that came before is answered as it was then, also when it
    /// would be denied by now.
    private func publishApart(
        _ publication: Publication, _ guards: [RepeatGuard], _ state: ConnectionState,
        _ publisher: inout Publisher, _ batch: inout AppendBatch
    ) {
        let scattered = ScatteredPublication()
        var results = PublicationResults(capacity: publication.entries.count)
        for (index, decoded) in publication.entries.enumerated() {
            let (admittedBefore, bytesBefore) = (results.admittedCount, publisher.bytes)
            batch.beginRequest()
            admit(decoded, &publisher, &batch, &results)
            let isAdmitted = results.admittedCount > admittedBefore
            scattered.entryBytes.append(publisher.bytes - bytesBefore)
            guard isAdmitted || guards[index].isDurable else { continue }
            scattered.outstanding += 1
            let token = waiting.insert(.event(scattered, index: index))
            scattered.tokens.append(token)
            batch.endRequest(token: token, repeatGuard: guards[index], entryMask: isAdmitted ? 1 : 0)
        }
        let pending = PendingPublication(
            exchange: publisher.exchange, caller: publisher.caller, form: publication.form, results: results,
            traffic: state.traffic(of: publisher.caller, on: publisher.bus, services.metrics), bytes: publisher.bytes,
            batch: batch.number)
        if let first = scattered.tokens.first {
            scattered.pending = pending
            work = WorkToken(value: first)
        } else {
            respond(pending, results)
        }
    }

    private func admit(
        _ decoded: DecodedEntry, _ publisher: inout Publisher, _ batch: inout AppendBatch,
        _ results: inout PublicationResults
    ) {
        switch decoded.content {
        case .invalid(let code, let message):
            services.record(
                code, publisher.exchange.requestID, publisher.caller, entry: results.entries.count)
            results.fail(code, message)
        case .entry(let entry):
            let decisionID = ids.next()
            let exchange = publisher.exchange
            let verdict =
                switch publisher.right {
                case .sender: admission.decide(entry, busReference: decoded.busReference, decisionID: decisionID)
                case .partnerEventSource: partnerAdmission.decide(entry, decisionID: decisionID)
                }
            switch verdict {
            case .permit(let permit):
                AdmittedEvent(entry, permit).append(
                    to: &batch, publisher: publisher.provenance, receivedAt: exchange.now,
                    requestID: exchange.requestID)
                publisher.bytes += entry.billedBytes
                publisher.bus = permit.bus
                if services.decisions.wantsAllow {
                    let capture =
                        switch publisher.right {
                        case .sender: admission.capture(entry, permit)
                        case .partnerEventSource: partnerAdmission.capture(entry, permit)
                        }
                    _ = services.decisions.keep(
                        capture, nil, id: decisionID, requestID: exchange.requestID,
                        entry: results.entries.count, caller: publisher.caller)
                }
                results.admit()
            case .denial(let denial):
                let isRecorded = services.record(
                    denial, decisionID, exchange.requestID, publisher.caller, entry: results.entries.count)
                if isRecorded {
                    results.fail(denial.code, denial.message(to: decisionID))
                } else {
                    publisher.hasUnrecorded = true
                    results.fail(DecisionRecorder.unrecorded.code, DecisionRecorder.unrecorded.message)
                }
            }
        }
    }

    /// The log has decided about a publication; `ids` are those of the events at the outcome's positions.
    func answer(_ pending: PendingPublication, _ outcome: AppendOutcome, _ ids: ArraySlice<UniqueID>) {
        switch outcome {
        case .stored:
            services.metrics.add(pending.results.admittedCount, to: .entriesAccepted)
            services.metrics.add(pending.bytes, to: .entryBytes)
            respond(pending, pending.results, ids)
        case .repeated(let positions, let mask):
            services.metrics.add(ids.count, to: .entriesRepeated)
            if let charged = pending.charged, let first = positions.first, charged.isLater(than: first) {
                giveBack(charged, pending.exchange)
            }
            respond(pending, pending.results.recalling(mask: mask), ids)
        case .notRepeated: respond(pending, pending.results)
        case .keyMismatch: refuse(pending, pending.isOneEvent ? Self.nonceReused : Self.keyMismatch)
        case .full(let reason): refuse(pending, Self.full(reason))
        case .unknownOutcome: refuse(pending, pending.isOneEvent ? Self.unknownEvents : Self.unknownOutcome)
        }
    }

    /// The log has decided about one event of a publication; `id` is its, when it stands.
    func answer(_ scattered: ScatteredPublication, _ index: Int, _ outcome: AppendOutcome, _ id: UniqueID?) {
        scattered.outstanding -= 1
        switch outcome {
        case .stored:
            services.metrics.add(to: .entriesAccepted)
            services.metrics.add(scattered.entryBytes[index], to: .entryBytes)
            if let id { scattered.pending?.results.place(index, as: id) }
        case .repeated:
            services.metrics.add(to: .entriesRepeated)
            if let id { scattered.pending?.results.place(index, as: id) }
        case .notRepeated: break
        case .keyMismatch: scattered.pending?.results.refuse(index, Self.nonceReused.code, Self.nonceReused.message)
        case .full(let reason):
            let fault = Self.full(reason)
            scattered.fullReason = reason
            scattered.pending?.results.refuse(index, fault.code, fault.message)
        case .unknownOutcome: scattered.isUnknown = true
        }
        guard scattered.outstanding == 0, let pending = scattered.pending else { return }
        if scattered.isUnknown { return refuse(pending, Self.unknownEvents) }
        if let reason = scattered.fullReason, pending.results.admittedCount == 0 {
            return refuse(pending, Self.full(reason))
        }
        respond(pending, pending.results)
    }

    private static let keyMismatch = Fault(
        .validation, "Isthmus-Idempotency-Key was used before with another content; use a new key for a new request")

    private static let unknownOutcome = Fault(
        .internalFailure, "whether the events were stored is unknown; retry with the same Isthmus-Idempotency-Key")

    /// The one key of a single event that is bound to its content.
    private static let nonceReused = Fault(
        .invalidSignature, "the nonce was used before with another content: sign each message with a new nonce")

    private static let unknownEvents = Fault(
        .internalFailure, "whether the events were stored is unknown; send them again, each is stored once")

    private static func full(_ reason: AppendOutcome.FullReason) -> Fault {
        let cause =
            switch reason {
            case .queue: "too much waits for the disk"
            case .disk: "the disk is full"
            case .keys: "there is no room for another idempotency key or message id"
            case .stopped: "the gateway takes no more events, it stops"
            }
        return Fault(.serviceUnavailable, "nothing was stored: \(cause); retry later", retryAfterSeconds: 1)
    }

    private func refuse(_ pending: PendingPublication, _ fault: Fault) {
        services.metrics.add(pending.results.admittedCount, to: .entriesFailed)
        pending.traffic.count(accepted: 0, failed: pending.results.entries.count)
        let exchange = pending.exchange
        services.record(fault, exchange.connection, exchange.requestID, pending.caller)
        guard !pending.isGivenUp else { return exchange.connection.release(exchange.stream) }
        exchange.connection.respond(fault.response(exchange.requestID), to: exchange.stream)
    }

    private func respond(
        _ pending: PendingPublication, _ results: PublicationResults, _ ids: ArraySlice<UniqueID> = []
    ) {
        let exchange = pending.exchange
        pending.traffic.count(
            accepted: results.admittedCount, failed: results.entries.count - results.admittedCount)
        services.metrics.observe(nanoseconds: services.monotonic() - exchange.receivedAt, in: .putEvents)
        guard !pending.isGivenUp else { return exchange.connection.release(exchange.stream) }
        exchange.connection.respond(response(to: pending, results, ids), to: exchange.stream)
    }

    private func response(
        to pending: PendingPublication, _ results: PublicationResults, _ ids: ArraySlice<UniqueID>
    ) -> Response {
        var body: [UInt8] = []
        let contentType: Response.ContentType
        switch pending.form {
        case .single:
            if case .failed(let code, let message) = results.entries[0] {
                services.metrics.add(to: .requestsRefused)
                return Fault(code, message).response(pending.exchange.requestID)
            }
            body = results.singleAnswer(ids)
            contentType = .json
        case .batch, .entries:
            body.reserveCapacity(40 + 56 * results.entries.count)
            results.answer(ids, into: &body)
            if case .batch = pending.form { contentType = .json } else { contentType = .amzJSON }
        }
        return Response(status: 200, contentType: contentType, requestID: pending.exchange.requestID, body: body)
    }
}
