import Domain
import Gateway
import Network
import Registry
import Storage
import TLS
import Telemetry

extension GatewayProcess {
    /// Puts the declaration in force, binds every socket and says that the gateway is ready.
    func listen() async throws(ProgramError) {
        do throws(ControlFault) { try await plane.adopt(registry.snapshot.declaration) } catch {
            throw ProgramError("the configuration cannot be put in force: \(error.message)", status: .configuration)
        }
        await letPartnersIn(configuration)
        let spare = SpareMemory()
        sparing = loops.repeating(everySeconds: SpareMemory.everySeconds) { [services] in
            let metrics = services.metrics
            spare.giveBack(requests: metrics.value(of: .requestsHTTP1) + metrics.value(of: .requestsHTTP2))
        }
        controlLoop = Task { [services, plane] in await services.controlLine.run(with: plane) }
        for listener in configuration.listeners {
            let slot = ServerContextSlot(try Assembly.context(of: listener, registry: registry))
            let sources = SourceSlot(admits: Self.rule(of: listener.networks, otherwise: true))
            let proxies = SourceSlot(admits: Self.rule(of: listener.proxies, otherwise: false))
            let started = try await start(listener, slot, sources, proxies)
            listeners.append((listener.id, slot, sources, proxies, started))
        }
        do throws(NetworkError) {
            admin = try await Listener.start(
                ListenerConfiguration(
                    id: AdminPages.listenerID, host: configuration.admin.address, port: Int(configuration.admin.port),
                    security: .plaintext), on: loops, gate: gate)
            let verbs = ControlVerbs(services: services, plane: plane)
            control = try await ControlListener.start(
                path: ControlSocket.path(in: configuration.dataDirectory), on: loops,
                turnedAway: { [log] in log.log(.warning, "control-refused", [("userId", .integer(Int64($0)))]) }
            ) { line, stream in
                await verbs.answer(line) { await stream.send($0) }
            }
        } catch {
            throw ProgramError("\(error)")
        }
        watchRevocationLists()
        pages.set(.ready)
        log.log(
            .info, "ready",
            [("region", .text(configuration.region)), ("dataDirectory", .text(configuration.dataDirectory))])
    }

    private func start(
        _ listener: Configuration.Listener, _ slot: ServerContextSlot, _ sources: SourceSlot, _ proxies: SourceSlot
    ) async throws(ProgramError) -> Listener {
        var settings = ListenerConfiguration(
            id: listener.id, host: listener.address, port: Int(listener.port), security: .tls(slot))
        settings.sources = sources
        settings.proxies = proxies
        settings.refusesReplays = listener.replay == .refuse
        settings.limits.idleNanoseconds = UInt64(configuration.limits.idleSeconds) * .second
        settings.limits.maximumAgeNanoseconds = UInt64(configuration.limits.maximumAgeSeconds) * .second
        settings.limits.drainNanoseconds = UInt64(configuration.limits.drainSeconds) * .second
        do throws(NetworkError) {
            let started = try await Listener.start(settings, on: loops, gate: gate)
            log.log(
                .info, "listening",
                [
                    ("listener", .text(listener.id)), ("address", .text(listener.address)),
                    ("port", .integer(Int64(started.port))),
                ])
            return started
        } catch {
            throw ProgramError("\(error)")
        }
    }

    /// Networks as a rule; without networks the answer is `otherwise`.
    private static func rule(of networks: [CIDRBlock]?, otherwise: Bool) -> @Sendable (String) -> Bool {
        guard let networks else { return { _ in otherwise } }
        return { sourceAddress in
            guard let address = IPAddress(parsing: sourceAddress) else { return false }
            return networks.contains { $0.contains(address) }
        }
    }

    /// Reads the configuration again and takes it over as a whole, or keeps what is in force and says why.
    func reload(_ file: String) async {
        do throws(ProgramError) {
            let next = try readAgain(file)
            let declaration = try Assembly(next).declaration
            var contexts: [(ServerContextSlot, ServerContext)] = []
            for listener in next.listeners {
                guard let running = listeners.first(where: { $0.id == listener.id }) else { continue }
                contexts.append((running.context, try Assembly.context(of: listener, registry: registry)))
            }
            do throws(ControlFault) { try await plane.adopt(declaration) } catch {
                throw ProgramError(error.message, status: .configuration)
            }
            await letPartnersIn(next)
            for (slot, context) in contexts { slot.replace(with: context) }
            services.decisions.record(next.decisions.recorded)
            stores.decisions.keep(within: next.decisions.bounds)
            await replaceNetworks(next)
            await closeConnectionsOfRemovedDomains()
            sayWhatNeedsRestart(next)
            tellOverdueLists()
            configuration = next
            services.metrics.add(to: .reloads)
            log.log(.info, "reloaded", [("file", .text(file))])
        } catch {
            services.metrics.add(to: .reloadFailures)
            log.log(.error, "reload-refused", [("file", .text(file)), ("reason", .text(error.description))])
        }
    }

    /// Who may connect changes with the reload, also for those who are connected.
    private func replaceNetworks(_ next: Configuration) async {
        for listener in next.listeners {
            guard let running = listeners.first(where: { $0.id == listener.id }) else { continue }
            running.sources.replace(with: Self.rule(of: listener.networks, otherwise: true))
            running.proxies.replace(with: Self.rule(of: listener.proxies, otherwise: false))
        }
        let rules = listeners.map { (id: $0.id, sources: $0.sources) }
        let closed = await loops.closeConnections { connection in
            rules.contains {
                $0.id == connection.facts.listenerID && !$0.sources.admits(connection.facts.sourceAddress)
            }
        }
        if closed > 0 { log.log(.info, "connections-closed", [("count", .integer(Int64(closed)))]) }
    }

    private func readAgain(_ file: String) throws(ProgramError) -> Configuration {
        do throws(ConfigurationErrors) {
            let loaded = try ConfigurationLoader.load(
                file, from: .system, now: WallClock.system.now(), workingDirectory: Path.workingDirectory())
            for warning in loaded.warnings {
                log.log(.warning, "configuration-warning", [("message", .text(warning.description))])
            }
            return loaded.configuration
        } catch {
            for diagnostic in error.diagnostics {
                log.log(.error, "configuration-error", [("message", .text(diagnostic.description))])
            }
            throw ProgramError(error.count, status: .configuration)
        }
    }

    /// Trust that was taken away ends connections at once, not at their next request.
    func closeConnectionsOfRemovedDomains() async {
        let snapshot = registry.snapshot
        let now = WallClock.system.now()
        let closed = await loops.closeConnections { connection in
            guard let chain = connection.facts.verifiedChain else { return false }
            return !RequestWorker.isTrusted(chain, snapshot, now: now)
        }
        if closed > 0 { log.log(.info, "connections-closed", [("count", .integer(Int64(closed)))]) }
    }

    private func sayWhatNeedsRestart(_ next: Configuration) {
        let places = { (configuration: Configuration) in
            configuration.listeners.map { "\($0.id) \($0.address):\($0.port) \($0.clientCertificate) \($0.replay)" }
                + ["\(configuration.admin.address):\(configuration.admin.port)", configuration.dataDirectory]
        }
        var fixed: [String] = []
        if places(next) != places(configuration) {
            fixed.append("listeners' addresses, ports and modes, dataDirectory")
        }
        for field in GatewayLimits.fields where !GatewayLimits.reloaded.contains(field.name) {
            if next.limits[keyPath: field.place] != configuration.limits[keyPath: field.place] {
                fixed.append("limits.\(field.name)")
            }
        }
        if next.threads != configuration.threads { fixed.append("threads") }
        if next.logLevel != configuration.logLevel { fixed.append("log.level") }
        guard !fixed.isEmpty else { return }
        log.log(
            .warning, "restart-needed",
            [("reason", .text("these settings change at a restart: \(fixed.joined(separator: ", "))"))])
    }

    /// Lets requests in flight finish, makes what they brought durable, and ends every thread.
    func drain() async {
        pages.set(.draining)
        log.log(.info, "draining")
        await withTaskGroup(of: Void.self) { group in
            for running in listeners { group.addTask { await running.listener.drain() } }
        }
        await tending?.cancel()
        await sparing?.cancel()
        await listWatch?.cancel()
        services.controlLine.close()
        await controlLoop?.value
        await control?.close()
        stores.log.stop()
        stores.decisions.stop()
        await admin?.close()
        await loops.shutdown()
        log.log(.info, "stopped")
    }
}
