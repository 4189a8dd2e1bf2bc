import Bus
import Cryptography
import Domain
import Foundation
import Gateway
import Glibc
import Identity
import Network
import Registry
import Storage
import TLS
import Telemetry

/// The gateway as a process: opens its stores, listens, reloads, drains. Made once by `serve`.
actor GatewayProcess {
    var configuration: Configuration
    let stores: DurableStores
    let registry: Registry
    let plane: ControlPlane
    let services: Services
    let loops: EventLoops
    let gate: AcceptGate
    let pages: AdminPages
    let log: Logger
    typealias Serving = (
        id: String, context: ServerContextSlot, sources: SourceSlot, proxies: SourceSlot, listener: Listener
    )
    var listeners: [Serving] = []
    var admin: Listener?
    var control: ControlListener?
    var controlLoop: Task<Void, Never>?
    /// Ends invitations and renews the partners' revocation list when their time comes.
    var tending: RepeatedWork?
    /// Gives spare memory back.
    var sparing: RepeatedWork?
    /// Looks at revocation lists that are past their time.
    var listWatch: RepeatedWork?
    /// What was said of such lists, so that each is told of once.
    var toldLists: Set<String> = []

    /// Opens everything that can fail before a socket is bound.
    init(_ configuration: Configuration, _ lines: LogLines) throws(ProgramError) {
        self.configuration = configuration
        let metrics = Metrics()
        let log = Self.makeLogger(configuration, metrics, lines)
        self.log = log
        let held = HeldEvents()
        stores = try DurableStores(
            configuration, watch: Self.makeWatch(log, metrics, lines, held),
            decisionWatch: Self.makeDecisionWatch(log))
        let declaration = try Assembly(configuration).declaration
        do throws(ControlStoreError) {
            registry = Registry(try Snapshot.loading(try stores.control.load(), declaration: declaration))
        } catch {
            throw ProgramError(Printable.line("the control tables of `\(configuration.dataDirectory)`: \(error)"))
        }
        held.follow(registry)
        let decisions = DecisionRecorder(
            archive: stores.decisions.archive, allows: configuration.decisions.recorded, metrics: metrics, logger: log)
        plane = ControlPlane(
            registry: registry, store: stores.control, logger: log, metrics: metrics, clock: .system,
            decisions: decisions, onFatal: { Self.end(log, lines, reason: $0) })
        let services = Services(
            registry: registry, log: stores.log, eventIDs: stores.eventIDs, controlLine: ControlLine(),
            accessKeys: stores.accessKeys, metrics: metrics, logger: log, clock: .system,
            monotonic: SystemClock.monotonicNanoseconds, random: .system, settings: Self.settings(configuration.limits),
            decisions: decisions)
        self.services = services
        gate = AcceptGate(budgets: Self.budgets(configuration.limits))
        pages = AdminPages(metrics: metrics) { [gate, stores] in
            metrics.set(.connections, to: Int64(gate.openConnections))
            metrics.add(gate.takeAccepted(), to: .connectionsAccepted)
            metrics.set(.logWaitingBytes, to: Int64(stores.log.waitingBytes))
        }
        loops = try Self.makeLoops(configuration, services, pages)
    }

    private static func makeLogger(
        _ configuration: Configuration, _ metrics: Metrics, _ lines: LogLines
    ) -> Logger {
        let level = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        return Logger(level: level, clock: .system, metrics: metrics, offer: { lines.offer($0) })
    }

    private static func makeWatch(
        _ log: Logger, _ metrics: Metrics, _ lines: LogLines, _ held: HeldEvents
    ) -> LogWatch {
        var watch = LogWatch(onFatal: { error in
            metrics.add(to: .commitFailures)
            end(log, lines, reason: "\(error)")
        })
        watch.heldFrom = { held.first(of: $0) }
        watch.onTrim = { trim in
            log.log(
                .info, "log-trimmed",
                [
                    ("bus", .integer(Int64(trim.bus.value))), ("first", .integer(Int64(trim.first.value))),
                    ("last", .integer(Int64(trim.last.value))), ("reason", .text(trim.reason.rawValue)),
                ])
        }
        watch.onFull = { isFull in
            if isFull { metrics.add(to: .commitFailures) }
            log.log(.error, isFull ? "disk-full" : "disk-has-room")
        }
        watch.onReserveLost = { log.log(.warning, "reserve-lost") }
        watch.onCommit = { commit in
            metrics.add(to: .commits)
            metrics.observe(nanoseconds: commit.nanoseconds, in: .commit)
        }
        return watch
    }

    private static func makeDecisionWatch(_ log: Logger) -> DecisionWatch {
        var watch = DecisionWatch()
        watch.onFull = { log.log(.error, $0 ? "decision-records-full" : "decision-records-have-room") }
        watch.onFailure = { log.log(.error, "decision-records-failed", [("reason", .text("\($0)"))]) }
        watch.onTrim = { log.log(.debug, "decision-records-removed", [("count", .integer(Int64($0)))]) }
        return watch
    }

    /// The disk failed in a commit: nothing may be acknowledged any more, the restart decides. Source: DURABILITY 2.
    ///
    /// The loops get a moment to send the answers that say so.
    private static func end(_ log: Logger, _ lines: LogLines, reason: String) {
        log.log(.error, "fail-stop", [("reason", .text(reason))])
        Thread.detachNewThread {
            var pause = timespec(tv_sec: 0, tv_nsec: 200_000_000)
            nanosleep(&pause, nil)
            lines.flush(withinSeconds: 0.3)
            _exit(ExitStatus.storageFailed.rawValue)
        }
    }

    private static func settings(_ limits: GatewayLimits) -> Services.Settings {
        var settings = Services.Settings()
        settings.entriesBytes = limits.entriesBytes
        return settings
    }

    private static func budgets(_ limits: GatewayLimits) -> ConnectionBudgets {
        var budgets = ConnectionBudgets()
        budgets.connections = limits.connections
        budgets.handshakingPerAddress = limits.connectionsPerAddress
        budgets.connectionsPerPrincipal = limits.connectionsPerPrincipal
        budgets.bodyBytes = limits.bodyBytesInFlight
        return budgets
    }

    private static func makeLoops(
        _ configuration: Configuration, _ services: Services, _ pages: AdminPages
    ) throws(ProgramError) -> EventLoops {
        let rules = SigV4Rules(
            region: configuration.region, services: ["events", "sts"],
            toleranceSeconds: Int64(configuration.limits.signatureToleranceSeconds))
        var seeds: [(UInt64, UInt64, UInt64, UInt64)] = []
        let count = configuration.threads ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        do throws(CryptographyError) {
            for _ in 0..<count {
                let random = RandomBytes.system
                seeds.append(
                    (try random.integer(), try random.integer(), try random.integer(), try random.integer() | 1))
            }
        } catch {
            throw ProgramError("the system gives no randomness: \(error)")
        }
        let replays = ReplayWindow(start: WallClock.system.now())
        return EventLoops(count: count) { index, wake in
            RequestWorker(
                services: services, authenticator: Authenticator(rules: rules, replays: replays), pages: pages,
                wake: wake, seed: seeds[index]
            ).makeLoopWorker()
        }
    }
}
