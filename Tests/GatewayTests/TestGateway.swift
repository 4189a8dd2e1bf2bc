import AccessPolicy
import Bus
import Cryptography
import Domain
import Identity
import Network
import Registry
import Synchronization
import Telemetry
import TestKit

@testable import Gateway

/// A real listener, in the clear on loopback, with real workers on fakes: the log, the control store, the clock.
///
/// There is no client certificate here, so every caller signs.
struct TestGateway {
    static let authority = "gateway.example"

    let store = InMemoryControlStore()
    let log = ScriptedEventLog()
    let clock = SettableClock()
    let archive = InMemoryDecisionArchive()
    let lines = Lines()
    let works = Works()
    let registry: Registry
    let services: Services
    let plane: ControlPlane
    private let loops: EventLoops
    private let listener: Listener
    private let controlLoop: Task<Void, Never>

    /// What was logged.
    final class Lines: Sendable {
        private let all = Mutex<[String]>([])

        func append(_ line: [UInt8]) { all.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
        var text: String { all.withLock { $0.joined() } }
    }

    /// What the worker has said it works on: tests end streams that HTTP/1.1 does not have.
    final class Works: Sendable {
        private struct State {
            var begun: [WorkToken] = []
            var ending: [WorkToken] = []
            var ended: [Bool] = []
            var isWithholding = false
            var withheldAfterCancelling = false
            var wake: @Sendable () -> Void = {}
        }

        private let state = Mutex(State())

        /// What was begun and not cancelled by `cancel`, oldest first.
        var begun: [WorkToken] { state.withLock { $0.begun } }
        var isWithholding: Bool { state.withLock { $0.isWithholding } }
        /// Whether the loop went on withholding when the last work was cancelled and before anything woke it.
        var withheldAfterCancelling: Bool { state.withLock { $0.withheldAfterCancelling } }

        /// Cancels everything begun, or the `first` of it, on the loop; whether each has ended.
        func cancel(first: Int = .max) async -> [Bool] {
            let (count, wake) = state.withLock { state in
                state.ending = Array(state.begun.prefix(first))
                state.ended = []
                state.begun.removeFirst(state.ending.count)
                return (state.ending.count, state.wake)
            }
            while state.withLock({ $0.ended.count < count }) {
                wake()
                await Task.yield()
            }
            return state.withLock { $0.ended }
        }

        /// A worker that does what `inner` does and is seen here.
        func watch(_ inner: LoopWorker, wake: @escaping @Sendable () -> Void) -> LoopWorker {
            state.withLock { $0.wake = wake }
            var outer: LoopWorker?
            let look = { [self] in
                outer?.withholdsReading = inner.withholdsReading
                state.withLock { $0.isWithholding = inner.withholdsReading }
            }
            let worker = LoopWorker(
                receive: { [self] request, connection, stream in
                    let work = inner.receive(request, connection, stream)
                    if work != .none { state.withLock { $0.begun.append(work) } }
                    return work
                },
                refuseHead: inner.refuseHead,
                cycleEnd: {
                    inner.cycleEnd()
                    look()
                },
                onWake: { [self] in
                    let ending = state.withLock { state in
                        defer { state.ending = [] }
                        return state.ending
                    }
                    let ended = ending.map { inner.cancel($0) }
                    state.withLock { state in
                        if !ended.isEmpty { state.withheldAfterCancelling = inner.withholdsReading }
                        state.ended += ended
                    }
                    inner.onWake()
                    look()
                }, cancel: inner.cancel, closed: inner.closed, refused: inner.refused)
            outer = worker
            return worker
        }
    }

    static func start(
        _ snapshot: Snapshot, settings: Services.Settings = .init(), budgets: ConnectionBudgets = .init()
    ) async throws -> TestGateway {
        try await TestGateway(snapshot, settings, budgets)
    }

    /// Runs `body` with a gateway, a connection to it, and the key of a principal who may publish; ends the gateway.
    static func with(
        _ snapshot: Snapshot, settings: Services.Settings = .init(), patienceSeconds: Int = 10,
        _ body: (TestGateway, RawClient, SigV4Signer) async throws -> Void
    ) async throws {
        let gateway = try await start(snapshot, settings: settings)
        do {
            let client = try RawClient(port: gateway.port, patienceSeconds: patienceSeconds)
            try await body(gateway, client, try await gateway.signer(Scene.publisher))
        } catch {
            await gateway.stop()
            throw error
        }
        await gateway.stop()
    }

    private init(
        _ snapshot: Snapshot, _ settings: Services.Settings, _ budgets: ConnectionBudgets
    ) async throws {
        let metrics = Metrics()
        registry = Registry(snapshot)
        let logger = Logger(level: .info, clock: clock.clock, metrics: metrics, sink: { [lines] in lines.append($0) })
        let decisions = DecisionRecorder(archive: archive.archive, allows: .none, metrics: metrics, logger: logger)
        plane = ControlPlane(
            registry: registry, store: store, logger: logger, metrics: metrics, clock: clock.clock,
            decisions: decisions, onFatal: { _ in })
        let services = Services(
            registry: registry, log: log, eventIDs: try EventIDCodec(key: [UInt8](repeating: 1, count: 32)),
            controlLine: ControlLine(), accessKeys: try AccessKeyRing(
                key: [UInt8](repeating: 2, count: 32), sessionKey: [UInt8](repeating: 3, count: 32)),
            metrics: metrics, logger: logger, clock: clock.clock, monotonic: { 0 }, random: .seeded(1),
            settings: settings, decisions: decisions)
        self.services = services
        let pages = AdminPages(metrics: metrics, refresh: {})
        let rules = SigV4Rules(region: Scene.region, services: ["events", "sts"])
        loops = EventLoops(count: 1) { [works] _, wake in
            let worker = RequestWorker(
                services: services, authenticator: Authenticator(rules: rules), pages: pages, wake: wake,
                seed: (1, 2, 3, 4)
            ).makeLoopWorker()
            return works.watch(worker, wake: wake)
        }
        listener = try await Listener.start(
            ListenerConfiguration(id: Scene.listener, host: "127.0.0.1", port: 0, security: .plaintext), on: loops,
            gate: AcceptGate(budgets: budgets))
        controlLoop = Task { [services, plane] in await services.controlLine.run(with: plane) }
    }

    var port: Int { listener.port }

    /// Makes an access key for a principal and returns what signs with it.
    func signer(_ principal: Principal, id: String = "AKIAIOSFODNN7EXAMPLE") async throws -> SigV4Signer {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
        let box = try services.accessKeys.seal(Array(secret.utf8), for: id, random: .seeded(2))
        let key = AccessKey(
            id: id, principal: principal, isEnabled: true, createdAt: clock.now, sealedSecret: box)
        try await plane.change { snapshot throws(ControlFault) in try snapshot.adding(key) }
        return SigV4Signer(accessKeyID: id, secret: secret)
    }

    /// The fields of a signed call of `operation`.
    func fields(
        _ operation: String, _ body: String, _ signer: SigV4Signer, more: [(name: String, value: String)] = []
    ) -> [(name: String, value: String)] {
        signer.sign(
            [("x-amz-target", "AWSEvents.\(operation)"), ("content-type", "application/x-amz-json-1.1")] + more,
            authority: Self.authority, body: Array(body.utf8), at: clock.now)
    }

    func stop() async {
        log.release()
        await listener.close()
        services.controlLine.close()
        await controlLoop.value
        await loops.shutdown()
    }
}

extension RawClient {
    /// A signed call and its answer.
    func call(
        _ gateway: TestGateway, _ operation: String, _ body: String, _ signer: SigV4Signer,
        more: [(name: String, value: String)] = []
    ) throws -> Answer {
        try send("POST", "/", gateway.fields(operation, body, signer, more: more), Array(body.utf8))
        return try receive()
    }
}
