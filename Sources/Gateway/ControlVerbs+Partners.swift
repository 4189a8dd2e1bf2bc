import Bus
import Domain
import JSON
import Registry
import Telemetry

/// What the operator does with partners: list and show sources, suspend and resume them, record a customer's consent.
///
/// `partner.list {after}` · `partner.show`, `partner.resume {source}` · `partner.suspend {source, hold}` ·
/// `partner.authorize {account, partner, expiresSeconds | expiresAt}` · `partner.withdraw {account, partner}` ·
/// `partner.authorizations {after}`
extension ControlVerbs {
    static let partnerVerbs: Set<String> = [
        "partner.list", "partner.show", "partner.suspend", "partner.resume", "partner.authorize", "partner.withdraw",
        "partner.authorizations",
    ]

    /// A list ends at the source that passes this: the control client reads lines of 8 MiB.
    static let listBytes = 4 << 20

    /// Answers one of the verbs above.
    func answerPartner(_ verb: String, _ request: JSONNode) async throws(Refusal) -> [UInt8] {
        switch verb {
        case "partner.list": listSources(request)
        case "partner.show": try show(try sourceName(request))
        case "partner.suspend": try await suspend(request)
        case "partner.resume": try await resume(request)
        case "partner.authorize": try await authorize(request)
        case "partner.withdraw": try await withdraw(request)
        default: listAuthorizations(request)
        }
    }

    /// Every source by name, `after` one when that is given; `next` stands where the line would become too long.
    private func listSources(_ request: JSONNode) -> [UInt8] {
        let after = request["after"]?.string ?? ""
        let sources = services.registry.snapshot.partners.sources.values
            .filter { $0.name.description > after }.sorted { $0.name < $1.name }
        var shown = 0
        return Self.line { writer in
            writer.key("sources")
            writer.array { writer in
                for source in sources where writer.bytes.count < Self.listBytes {
                    writer.object { write(source, to: &$0) }
                    shown += 1
                }
            }
            if shown < sources.count, shown > 0 { writer.member("next", sources[shown - 1].name.description) }
        }
    }

    private func show(_ name: PartnerEventSourceName) throws(Refusal) -> [UInt8] {
        guard let source = services.registry.snapshot.partnerEventSource(named: name) else {
            throw Refusal(ControlFault.noSuchSource(name))
        }
        return Self.line { write(source, to: &$0) }
    }

    private func suspend(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        let name = try sourceName(request)
        guard let holds = request["hold"]?.bool else {
            throw Refusal(code: "InvalidRequest", message: "say with `hold` whether events are held (true) or refused")
        }
        let (log, now) = (services.log, services.clock.now())
        try await change { snapshot throws(ControlFault) in
            let bus = snapshot.partnerEventSource(named: name).flatMap { snapshot.buses[$0.busID] }
            return try snapshot.suspendingPartnerEventSource(
                name, holds: holds, lastSequence: bus.flatMap { log.lastSequence(of: $0.number) }, at: now)
        }
        services.logger.log(
            .info, "partner-suspended", [("source", .text("\(name)")), ("holds", .text(holds ? "true" : "false"))])
        return try show(name)
    }

    private func resume(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        let name = try sourceName(request)
        let before = services.registry.snapshot
        let now = services.clock.now()
        let released = before.partnerEventSource(named: name).flatMap { held(by: $0, before) } ?? 0
        try await change { snapshot throws(ControlFault) in
            try snapshot.resumingPartnerEventSource(name, at: now)
        }
        if let bus = before.partnerEventSource(named: name).flatMap({ before.buses[$0.busID] }) {
            services.releases.notify(bus.number)
        }
        services.logger.log(
            .info, "partner-resumed", [("source", .text("\(name)")), ("released", .integer(Int64(released)))])
        let snapshot = services.registry.snapshot
        guard let source = snapshot.partnerEventSource(named: name) else {
            return Self.line { writer in
                writer.member("name", name.description)
                writer.member("state", "DELETED")
                writer.member("released", released)
            }
        }
        return Self.line { writer in
            write(source, to: &writer)
            writer.member("released", released)
        }
    }

    private func authorize(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        let key = try authorizationKey(request)
        let now = services.clock.now()
        let expiresAt: Timestamp
        switch (request["expiresSeconds"], request["expiresAt"]) {
        case (nil, nil): expiresAt = now.advanced(bySeconds: PartnerAuthorization.defaultSeconds)
        case (.integer(let seconds), nil) where (1...PartnerAuthorization.maximumSeconds).contains(seconds):
            expiresAt = now.advanced(bySeconds: seconds)
        case (nil, .integer(let moment)): expiresAt = Timestamp(milliseconds: moment)
        default:
            throw Refusal(
                code: "InvalidRequest",
                message: "an authorization ends after `expiresSeconds`, 1 to \(PartnerAuthorization.maximumSeconds), "
                    + "or at `expiresAt`, in milliseconds since 1970")
        }
        try await change { snapshot throws(ControlFault) in
            try snapshot.authorizingPartner(key, until: expiresAt, at: now)
        }
        services.logger.log(
            .info, "partner-authorized",
            [
                ("account", .text("\(key.account)")), ("partner", .text("\(key.partner)")),
                ("expiresAt", .text(expiresAt.iso8601)),
            ])
        return Self.line { writer in
            writer.member("account", "\(key.account)")
            writer.member("partner", "\(key.partner)")
            writer.member("expiresAt", expiresAt.iso8601)
        }
    }

    private func withdraw(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        let key = try authorizationKey(request)
        let now = services.clock.now()
        try await change { snapshot throws(ControlFault) in
            snapshot.withdrawingPartnerAuthorization(key, at: now)
        }
        services.logger.log(
            .info, "partner-authorization-withdrawn",
            [("account", .text("\(key.account)")), ("partner", .text("\(key.partner)"))])
        return Self.line { writer in
            writer.member("account", "\(key.account)")
            writer.member("partner", "\(key.partner)")
        }
    }

    /// Every consent that stands, by account and partner, `after` one when that is given, as `ACCOUNT/PARTNER`; `next`
    /// stands where the line would become too long.
    private func listAuthorizations(_ request: JSONNode) -> [UInt8] {
        let now = services.clock.now()
        let after = request["after"]?.string ?? ""
        let standing = services.registry.snapshot.partners.authorizations.values
            .filter { $0.stands(at: now) && $0.key.text > after }.sorted { $0.key.text < $1.key.text }
        var shown = 0
        return Self.line { writer in
            writer.key("authorizations")
            writer.array { writer in
                for authorization in standing where writer.bytes.count < Self.listBytes {
                    shown += 1
                    writer.object { writer in
                        writer.member("account", "\(authorization.key.account)")
                        writer.member("partner", "\(authorization.key.partner)")
                        writer.member("expiresAt", authorization.expiresAt.iso8601)
                    }
                }
            }
            if shown < standing.count, shown > 0 { writer.member("next", standing[shown - 1].key.text) }
        }
    }

    private func authorizationKey(_ request: JSONNode) throws(Refusal) -> PartnerAuthorization.Key {
        guard let account = request["account"]?.string.flatMap(AccountID.init(parsing:)),
            let partner = request["partner"]?.string.flatMap(PartnerName.init(parsing:))
        else {
            throw Refusal(
                code: "InvalidRequest", message: "name the customer's `account`, 12 digits, and the `partner`")
        }
        return PartnerAuthorization.Key(account: account, partner: partner)
    }

    private func sourceName(_ request: JSONNode) throws(Refusal) -> PartnerEventSourceName {
        guard let name = request["source"]?.string.flatMap(PartnerEventSourceName.init(parsing:)) else {
            throw Refusal(code: "InvalidRequest", message: "name the `source`: aws.partner/PARTNER/NAMESPACE/NAME")
        }
        return name
    }

    /// How many durable events a suspension keeps back; `nil` when it keeps none back.
    private func held(by source: PartnerEventSource, _ snapshot: Snapshot) -> UInt64? {
        guard let first = source.suspension?.heldFrom else { return nil }
        let last = snapshot.buses[source.busID].flatMap { services.log.lastSequence(of: $0.number) }?.value ?? 0
        return last >= first.value ? last - first.value + 1 : 0
    }

    private func write(_ source: PartnerEventSource, to writer: inout JSONWriter) {
        let now = services.clock.now()
        writer.member("name", source.name.description)
        writer.member("state", source.state(at: now).name)
        writer.member("partnerAccount", "\(source.partnerAccount)")
        writer.member("account", "\(source.account)")
        writer.member("createdAt", source.createdAt.iso8601)
        if let expiry = source.expiresAt(at: now) { writer.member("expiresAt", expiry.iso8601) }
        if case .deleted(let moment, let end) = source.state(at: now) {
            writer.member("deletedAt", moment.iso8601)
            writer.member("end", end.rawValue)
        }
        if let suspension = source.suspension {
            writer.member("suspended", suspension.holds ? "hold" : "refuse")
            writer.member("suspendedAt", suspension.since.iso8601)
        }
        if let held = held(by: source, services.registry.snapshot) { writer.member("held", held) }
        if let detailTypes = source.detailTypes {
            writer.key("detailTypes")
            writer.array { writer in for type in detailTypes { writer.string(type) } }
        }
    }
}
