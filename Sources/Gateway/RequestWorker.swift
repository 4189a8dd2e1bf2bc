import Bus
import Cryptography
import Domain
package import Identity
package import Network
import Registry
import Telemetry

/// The order of steps for a request, on one event loop: authenticate, decode, admit, hand to the log, answer.
///
/// Synchronous and run to completion; what waits for a commit or for the control plane waits in a table of slots.
///
/// ```
/// refuseHead (content is late) ─ refuse ────────────────────────▶ respond
/// receive ─ refuse ─────────────────────────────────────────────▶ respond
///         ├ Publication ─ admit ─ batch ─(cycleEnd: submit)─▶ log ─(onWake)─▶ respond
///         └ other ──────────────────────────▶ control plane ─(onWake)─▶ respond
/// cancel ─ not begun yet ─▶ forgotten; begun ─▶ its outcome is counted, and nobody is told
/// ```
package final class RequestWorker {
    /// A request that waits for its outcome.
    enum Waiting {
        case publication(PendingPublication)
        /// One event of a publication whose events are decided about one by one.
        case event(ScatteredPublication, index: Int)
        case control(ControlWait)
    }

    let services: Services
    private let pages: AdminPages
    let completions: CompletionQueue
    let answers: AnswerQueue
    var snapshot: Snapshot
    let authenticator: Authenticator
    let admission = Admission()
    let partnerAdmission: PartnerAdmission
    /// Reads of the snapshot in force, for the authenticator.
    private(set) var directory: IdentityDirectory
    var decoder: PutEventsDecoder
    var cloudEvents: CloudEventsDecoder
    let webhooks: WebhookDecoder
    var ids: RequestIDs
    /// The loop's own, so that no loop waits for another's.
    let eventIDs: EventIDCodec
    var batch: AppendBatch?
    private var batchNumber: UInt64 = 0
    /// What the request under way waits with; `.none` while it was handed to nobody.
    var work = WorkToken.none
    /// Who makes the request under way; nil until that is known.
    var caller: Caller?
    /// Bytes of the batch before: the next is like it.
    private(set) var lastBatchBytes = 0
    let sharedFacts = SharedFacts()
    private var lastBus: (target: [UInt8], id: EventBusID)?
    /// The webhook that the last message went to.
    var lastWebhook: WebhookEndpoint?
    var waiting = SlotTable<Waiting>()
    /// What the gauge of requests in flight holds of this loop.
    private var countedInFlight = 0
    private var drained: [AppendCompletion] = []
    private var answeredIDs = AnsweredIDs()
    /// Set by Network's record of functions; asks it not to read while the log is behind.
    private var withholdReading: (Bool) -> Void = { _ in }
    private var isWithholding = false

    /// - Parameters:
    ///   - wake: asks, from any thread, for `onWake` on this loop.
    ///   - seed: of the request ids; at least one word must not be zero.
    package init(
        services: Services, authenticator: Authenticator, pages: AdminPages, wake: @escaping @Sendable () -> Void,
        seed: (UInt64, UInt64, UInt64, UInt64)
    ) {
        self.services = services
        self.authenticator = authenticator
        self.pages = pages
        partnerAdmission = PartnerAdmission { [log = services.log] in log.lastSequence(of: $0) }
        completions = CompletionQueue(wake: wake)
        answers = AnswerQueue(wake: wake)
        snapshot = services.registry.snapshot
        directory = services.directory(of: snapshot)
        services.adoptQuotas(of: snapshot)
        decoder = PutEventsDecoder(entriesBytes: services.settings.entriesBytes)
        cloudEvents = CloudEventsDecoder(
            body: decoder.body, detail: decoder.detail, entriesBytes: services.settings.entriesBytes)
        webhooks = WebhookDecoder(body: decoder.body, entriesBytes: services.settings.entriesBytes)
        ids = RequestIDs(seed: seed)
        do throws(CryptographyError) {
            eventIDs = try services.eventIDs.duplicate()
        } catch {
            // Memory is short: the loops share one.
            eventIDs = services.eventIDs
        }
    }

    /// The record of functions that Network calls on this loop.
    package func makeLoopWorker() -> LoopWorker {
        let worker = LoopWorker(
            receive: { [self] in receive($0, $1, $2) },
            refuseHead: { [self] in refusal(ofHead: $0, $1) },
            cycleEnd: { [self] in
                submit()
                countInFlight()
            },
            onWake: { [self] in
                answerWaiting()
                countInFlight()
            },
            cancel: { [self] in cancel($0) },
            refused: { [services] in services.record($0) })
        withholdReading = { [unowned worker] in worker.withholdsReading = $0 }
        return worker
    }

    /// - Returns: what the request waits with, so that it can be cancelled.
    private func receive(
        _ request: consuming Request, _ connection: Connection, _ stream: StreamToken
    ) -> WorkToken {
        if connection.facts.listenerID == AdminPages.listenerID {
            connection.respond(pages.answer(request, requestID: ids.next()), to: stream)
            return .none
        }
        work = .none
        caller = nil
        services.metrics.add(to: request.version == .http2 ? .requestsHTTP2 : .requestsHTTP1)
        refresh()
        let requestID = ids.next()
        do throws(Fault) {
            try route(request, connection, stream, requestID)
        } catch {
            services.record(error, connection, requestID, caller)
            connection.respond(error.response(requestID), to: stream)
        }
        return work
    }

    /// The number of a batch begun now.
    func nextBatchNumber() -> UInt64 {
        batchNumber += 1
        return batchNumber
    }

    /// Takes the snapshot in force, when another one came.
    func refresh() {
        guard services.registry.revision != snapshot.revision else { return }
        snapshot = services.registry.snapshot
        lastWebhook = nil
        directory = services.directory(of: snapshot)
        services.adoptQuotas(of: snapshot)
    }

    /// Where a path leads; that of the bus that CloudEvents went to last is not read again.
    func route(of target: Bytes) -> Route {
        if let lastBus, lastBus.target.elementsEqual(target) { return .bus(lastBus.id) }
        let route = Route(target)
        if case .bus(let id) = route { lastBus = (Array(target), id) }
        return route
    }

    /// Decides by path and method before anything else is looked at, then by caller, then by operation.
    private func route(
        _ request: borrowing Request, _ connection: Connection, _ stream: StreamToken, _ requestID: UniqueID
    ) throws(Fault) {
        let exchange = Exchange(
            connection: connection, stream: stream, requestID: requestID, now: services.clock.now(),
            receivedAt: services.monotonic(), userAgent: request.fields.value(of: "user-agent"))
        switch route(of: request.target) {
        case .api: try call(request, exchange)
        case .bus(let id): try publishCloudEvents(request, to: id, exchange)
        case .join: try join(request, exchange)
        case .renew: try renew(request, exchange)
        case .webhook(let source): try publishWebhook(request, of: source, exchange)
        case .decision(let id): try readDecision(id, request, exchange)
        case .nowhere: throw Route.nothingHere
        }
    }

    /// A call of the EventBridge or the STS API.
    private func call(_ request: borrowing Request, _ exchange: Exchange) throws(Fault) {
        try Route.api.checkMethod(request)
        let target = request.fields.index(of: "x-amz-target")
        if isForTokenService(request, target: target) { return try answerTokenService(request, exchange) }
        let (caller, state) = try authenticate(request, exchange.connection, exchange.requestID, exchange.now)
        guard let target else {
            throw Fault(.unknownOperation, "the header X-Amz-Target is missing; it reads AWSEvents.OPERATION")
        }
        if request.fields.isValue(at: target, "AWSEvents.PutEvents") {
            return try putEvents(request, caller, state, exchange)
        }
        let named = request.fields.value(at: target)
        switch Operation.target(named) {
        case .operation(.putEvents): try putEvents(request, caller, state, exchange)
        case .operation(.putPartnerEvents): try putPartnerEvents(request, caller, state, exchange)
        case .operation(let operation):
            let charge = Charge(sender: .account(caller.account), action: operation.action, units: 1)
            try take(charge, caller, state, exchange)
            try control(.operation(operation), request, caller, exchange)
        case .disabled(let name):
            throw Fault(.operationDisabled, "\(name) is not available: global endpoints do not exist here")
        case .unknown:
            throw Fault(
                .unknownOperation, "X-Amz-Target names no operation of this gateway: `\(named.excerpt)`", status: 400)
        }
    }

    /// Whether a call of the API, its `X-Amz-Target` at `target`, is one of STS, which is answered in XML.
    func isForTokenService(_ request: borrowing Request, target: Int?) -> Bool {
        target == nil
            && request.fields.value(of: "content-type")?.starts(with: "application/x-www-form-urlencoded".utf8) == true
    }

    private func readDecision(
        _ id: UniqueID, _ request: borrowing Request, _ exchange: Exchange
    ) throws(Fault) {
        try Route.decision(id).checkMethod(request)
        let (caller, state) = try authenticate(request, exchange.connection, exchange.requestID, exchange.now)
        let charge = Charge(sender: .account(caller.account), action: DecisionReading.action, units: 1)
        try take(charge, caller, state, exchange)
        try control(.decision(id), request, caller, exchange)
    }

    private func control(
        _ subject: ControlRequest.Subject, _ request: borrowing Request, _ caller: Caller, _ exchange: Exchange
    ) throws(Fault) {
        try offer(exchange) { token in
            .call(
                ControlRequest(
                    subject: subject, content: request.body, caller: caller,
                    userAgent: exchange.userAgent.map { Array($0) }, requestID: exchange.requestID,
                    token: token, answers: answers))
        }
    }

    /// Hands a call to the control plane; `make` makes it with the number that its answer comes back with.
    func offer(_ exchange: Exchange, _ make: (_ token: UInt64) -> ControlWork) throws(Fault) {
        let wait = ControlWait(connection: exchange.connection, stream: exchange.stream)
        let token = waiting.insert(.control(wait))
        guard let place = services.controlLine.enter(make(token)) else {
            _ = waiting.remove(token)
            throw Fault(.throttling, "Rate exceeded", retryAfterSeconds: 1)
        }
        wait.place = place
        work = WorkToken(value: token)
    }

    /// Hands what one read cycle gathered to the log.
    private func submit() {
        guard let full = batch.take() else { return }
        lastBatchBytes = full.bytes.count
        services.log.submit(full)
        holdBack()
    }

    /// Brings the gauge up to date, once a round: the loops share it.
    private func countInFlight() {
        let count = waiting.count
        guard count != countedInFlight else { return }
        services.metrics.add(count - countedInFlight, to: .requestsInFlight)
        countedInFlight = count
    }

    private func answerWaiting() {
        completions.drain(into: &drained)
        answeredIDs.make(for: drained, with: eventIDs)
        for completion in drained {
            let ids = answeredIDs.take(for: completion.outcome)
            switch waiting.remove(completion.token) {
            case .publication(let pending)?: answer(pending, completion.outcome, ids)
            case .event(let publication, let index)?: answer(publication, index, completion.outcome, ids.first)
            case nil: completions.withdrawals.forget(completion.token)
            case .control?: continue
            }
        }
        for answer in answers.drain() {
            guard case .control(let wait)? = waiting.remove(answer.token) else { continue }
            wait.connection.respond(answer.response, to: wait.stream)
        }
        holdBack()
    }

    /// Back-pressure: while the log is behind, sockets of this loop are not read.
    ///
    /// INVARIANT: a loop withholds only while something of its own is with the log or the control plane, or was
    /// cancelled before the log came to it: its bytes wait all the same. An answer wakes the loop to look again; of
    /// what was cancelled none comes, and the loop looks when Network wakes it, twice a second. What others wait for
    /// holds it back no longer than that.
    func holdBack() {
        let bytes = services.log.waitingBytes
        let limit = isWithholding ? services.settings.logLowWaterBytes : services.settings.logHighWaterBytes
        let mustWithhold = bytes > limit && (waiting.count > 0 || completions.withdrawals.count > 0)
        guard mustWithhold != isWithholding else { return }
        isWithholding.toggle()
        withholdReading(isWithholding)
    }
}
