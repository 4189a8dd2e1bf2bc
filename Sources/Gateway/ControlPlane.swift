package import Domain
import Identity
package import Registry
package import Telemetry

/// Carries out changes one after the other: plan on the snapshot in force, commit, put the next snapshot in force.
///
/// An answer leaves only after its change is durable. A commit whose outcome is unknown stops the process.
package actor ControlPlane {
    let registry: Registry
    private let store: any ControlStore
    let logger: Logger
    let metrics: Metrics
    let clock: WallClock
    private let decisions: DecisionRecorder
    private let onFatal: @Sendable (String) -> Void
    /// The disk failed: what is stored is unknown, so nothing is changed any more.
    private var hasFailed = false
    /// How partners are let in; nil while the configuration names no authority.
    var onboarding: Onboarding?
    /// Serial numbers of certificates whose commit failed: they go on the revocation list.
    var strayCertificates: Set<String> = []

    package init(
        registry: Registry, store: any ControlStore, logger: Logger, metrics: Metrics, clock: WallClock,
        decisions: DecisionRecorder, onFatal: @escaping @Sendable (String) -> Void
    ) {
        self.registry = registry
        self.store = store
        self.logger = logger
        self.metrics = metrics
        self.clock = clock
        self.decisions = decisions
        self.onFatal = onFatal
    }

    /// Answers one request.
    func answer(_ request: ControlRequest) -> Response {
        switch request.subject {
        case .operation(let operation): answer(operation, request)
        case .decision(let id): read(id, request)
        }
    }

    private func answer(_ operation: Operation, _ request: ControlRequest) -> Response {
        do throws(Fault) {
            let snapshot = registry.snapshot
            try requireInForce(request.caller, snapshot)
            let call = ControlCall(
                operation: operation, parameters: try Parameters(request.content), caller: request.caller,
                snapshot: snapshot, now: clock.now(), decisionID: request.requestID, decisions: decisions,
                userAgent: request.userAgent)
            let outcome = try call.perform()
            if let transition = outcome.transition {
                try put(transition)
                logger.log(
                    .info, "control-operation",
                    [
                        ("operation", .text(operation.rawValue)),
                        ("principal", .text(request.caller.principal.arn)),
                        ("requestId", .text("\(request.requestID)")),
                        ("revision", .integer(Int64(transition.snapshot.revision))),
                    ])
            }
            metrics.add(to: .controlOperations)
            return Response(
                status: 200, contentType: .amzJSON, requestID: request.requestID, body: outcome.answer)
        } catch {
            metrics.add(to: .requestsRefused)
            logger.log(
                .info, "control-operation-refused",
                [
                    ("operation", .text(operation.rawValue)),
                    ("principal", .text(request.caller.principal.arn)), ("code", .text(error.code.rawValue)),
                    ("message", .text(error.message)), ("requestId", .text("\(request.requestID)")),
                ])
            return error.response(request.requestID)
        }
    }

    /// A recorded decision, for those whom it concerns.
    private func read(_ id: UniqueID, _ request: ControlRequest) -> Response {
        do throws(Fault) {
            let snapshot = registry.snapshot
            try requireInForce(request.caller, snapshot)
            let reading = DecisionReading(
                id: id, caller: request.caller, snapshot: snapshot, now: clock.now(), archive: decisions.archive)
            return Response(
                status: 200, contentType: .json, requestID: request.requestID, body: try reading.perform())
        } catch {
            metrics.add(to: .requestsRefused)
            logger.log(
                .info, "control-operation-refused",
                [
                    ("action", .text(DecisionReading.action)),
                    ("principal", .text(request.caller.principal.arn)), ("code", .text(error.code.rawValue)),
                    ("message", .text(error.message)), ("requestId", .text("\(request.requestID)")),
                ])
            return error.response(request.requestID)
        }
    }

    /// A call may have waited while its caller's key was disabled or its trust domain was taken away.
    private func requireInForce(_ caller: Caller, _ snapshot: Snapshot) throws(Fault) {
        if let id = caller.accessKeyID, snapshot.accessKeys[id] != nil, AccessKeyRing.inForce(id, snapshot) == nil {
            throw Fault(
                .unrecognizedClient, "the access key was disabled while the call waited: sign with another")
        }
        if let session = caller.session {
            guard snapshot.assumableRole(session.role.arn)?.admits(sessionIssuedAt: session.issuedAt) == true else {
                throw Fault(.expiredToken, "the role of the session ended it while the call waited")
            }
        }
        if let name = caller.trustDomain, snapshot.trustDomains[name]?.facts.accounts.contains(caller.account) != true {
            throw Fault(
                .unrecognizedClient, "trust domain `\(name)` vouches no more for account \(caller.account)")
        }
    }

    /// Adopts a declaration: the whole of it or nothing.
    package func adopt(_ declaration: Declaration) throws(ControlFault) {
        let transition = try registry.snapshot.adopting(declaration, at: clock.now())
        do throws(Fault) { try put(transition) } catch { throw ControlFault(error.code, error.message) }
        for refused in transition.snapshot.organizations.refused {
            logger.log(
                .error, "organization-refused",
                [("manifest", .text(refused.origin)), ("reason", .text("\(refused.refusal); the last good one stays"))])
        }
    }

    /// Plans with `plan` on the snapshot in force and makes the result durable.
    func change(_ plan: @Sendable (Snapshot) throws(ControlFault) -> Transition) throws(Fault) {
        let transition: Transition
        do throws(ControlFault) { transition = try plan(registry.snapshot) } catch { throw Fault(error) }
        try put(transition)
    }

    func put(_ transition: Transition) throws(Fault) {
        guard !hasFailed else {
            throw Fault(.serviceUnavailable, "the gateway is stopping; retry later", retryAfterSeconds: 1)
        }
        if !transition.changes.isEmpty {
            do throws(ControlStoreError) {
                try store.commit(transition.changes)
            } catch {
                switch error {
                case .full:
                    throw Fault(
                        .serviceUnavailable, "the disk is full: nothing was changed; free space and retry",
                        retryAfterSeconds: 5)
                case .unknownOutcome(let reason), .unreadable(let reason):
                    hasFailed = true
                    onFatal(reason)
                    throw Fault(
                        .internalFailure, "whether the change was stored is unknown until the gateway has restarted")
                }
            }
        }
        registry.install(transition.snapshot)
        metrics.set(.snapshotRevision, to: Int64(transition.snapshot.revision))
        metrics.set(.buses, to: Int64(transition.snapshot.buses.count))
    }
}
