import AccessPolicy
package import Domain
import Identity

/// Everything a request needs to know, compiled and immutable. A request finishes on the snapshot it began with.
package final class Snapshot: Sendable {
    package let revision: UInt64
    package let declaration: Declaration
    package let buses: EventBuses
    package let accessKeys: [String: AccessKey]
    package let trustDomains: [String: Declaration.TrustAnchor]
    /// Grows with each declaration adopted: what was verified under an older one is verified again.
    package let generation: UInt64
    /// Every known account; `true` when its buses live here.
    package let accounts: [AccountID: Bool]
    /// Known principals, by ARN.
    package let members: [String: Declaration.Member]
    package let organizations: Organizations
    /// Invitations of partners, by id.
    package let invitations: [String: Invitation]
    /// The partner authority as it stands; whom it may vouch for follows from the invitations. Nil when there is none.
    package let partnerTrust: Declaration.TrustAnchor?
    package let partners: Partners
    /// What senders may spend, by the configuration and by the invitations that hold.
    package let senderQuotas: SenderQuotas
    /// Keys of webhooks by source, the oldest first.
    let webhookSecrets: [String: [WebhookSecret]]
    /// Since when each role can be assumed, by ARN.
    let rolesSince: [String: Timestamp]
    /// The highest bus number ever given.
    let lastBusNumber: UInt32

    package var partition: String { declaration.partition }
    package var region: String { declaration.region }

    init(
        revision: UInt64, generation: UInt64, declaration: Declaration, buses: EventBuses,
        accessKeys: [String: AccessKey], lastBusNumber: UInt32, organizations: Organizations,
        invitations: [String: Invitation], partnerTrust: Declaration.TrustAnchor?,
        partners: Partners, webhookSecrets: [String: [WebhookSecret]], rolesSince: [String: Timestamp]
    ) {
        self.revision = revision
        self.generation = generation
        self.declaration = declaration
        self.buses = buses.standing(in: organizations)
        self.accessKeys = accessKeys
        self.lastBusNumber = lastBusNumber
        self.organizations = organizations
        self.invitations = invitations
        self.partnerTrust = partnerTrust
        trustDomains = Self.anchors(of: declaration, partnerTrust, invitations)
        self.partners = partners
        senderQuotas = declaration.senderQuotas.holding(to: invitations)
        self.webhookSecrets = webhookSecrets
        self.rolesSince = rolesSince
        accounts = Dictionary(declaration.accounts.map { ($0.id, $0.isLocal) }, uniquingKeysWith: { $0 || $1 })
        members = Dictionary(
            declaration.accounts.flatMap { $0.principals.map { ($0.principal.arn, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// The one after `other`: what follows from its declaration is taken over, and what follows from the invitations is
    /// made anew where they changed. `buses` stand in their organizations.
    private init(
        after other: Snapshot, buses: EventBuses?, accessKeys: [String: AccessKey]?, lastBusNumber: UInt32?,
        invitations: [String: Invitation]?, partnerTrust: Declaration.TrustAnchor?, partners: Partners?,
        webhookSecrets: [String: [WebhookSecret]]?
    ) {
        revision = other.revision + 1
        generation = partnerTrust == nil ? other.generation : other.generation + 1
        declaration = other.declaration
        self.buses = buses ?? other.buses
        self.accessKeys = accessKeys ?? other.accessKeys
        self.lastBusNumber = lastBusNumber ?? other.lastBusNumber
        organizations = other.organizations
        self.invitations = invitations ?? other.invitations
        self.partnerTrust = partnerTrust ?? other.partnerTrust
        trustDomains =
            invitations == nil && partnerTrust == nil
            ? other.trustDomains : Self.anchors(of: declaration, self.partnerTrust, self.invitations)
        self.partners = partners ?? other.partners
        senderQuotas = invitations.map { other.declaration.senderQuotas.holding(to: $0) } ?? other.senderQuotas
        self.webhookSecrets = webhookSecrets ?? other.webhookSecrets
        rolesSince = other.rolesSince
        accounts = other.accounts
        members = other.members
    }

    private static func anchors(
        of declaration: Declaration, _ partnerTrust: Declaration.TrustAnchor?, _ invitations: [String: Invitation]
    ) -> [String: Declaration.TrustAnchor] {
        let all = declaration.trustDomains + (partnerTrust.map { [$0.vouching(for: invitations)] } ?? [])
        return Dictionary(all.map { ($0.facts.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package func isLocal(_ account: AccountID) -> Bool { accounts[account] == true }

    /// A bus that is served; those of accounts that are no longer local are not.
    package func bus(_ id: EventBusID) -> EventBus? { isLocal(id.account) ? buses[id] : nil }

    /// The buses of one account that are served, by name.
    package func buses(of account: AccountID) -> [EventBus] {
        guard isLocal(account) else { return [] }
        return buses.values.filter { $0.id.account == account }.sorted { $0.id.name < $1.id.name }
    }
}

/// What an operation does: the next snapshot and the changes that make it durable, to be committed first.
package struct Transition: Sendable {
    package let snapshot: Snapshot
    package let changes: [ControlChange]

    init(snapshot: Snapshot, changes: [ControlChange]) {
        self.snapshot = snapshot
        self.changes = changes
    }
}

extension Snapshot {
    static let busCounter = "last-bus-number"

    /// Reads what is stored. Buses of accounts that are no longer local stay stored and are not served.
    package static func loading(
        _ records: [ControlRecord], declaration: Declaration
    ) throws(ControlStoreError) -> Snapshot {
        var buses = EventBuses()
        var keys: [String: AccessKey] = [:]
        var organizations: [String: SignedOrganizationManifest] = [:]
        var invitations: [String: Invitation] = [:]
        var partners = Partners()
        var webhookSecrets: [String: [WebhookSecret]] = [:]
        var rolesSince: [String: Timestamp] = [:]
        var last: UInt32 = 0
        var numbers: Set<BusNumber> = []
        for record in records {
            switch record.kind {
            case .eventBus:
                let bus = try EventBus(record: record, partition: declaration.partition, region: declaration.region)
                guard numbers.insert(bus.number).inserted else {
                    throw .unreadable(
                        reason: "event bus `\(record.key)`: another bus has its number \(bus.number.value)")
                }
                buses[bus.id] = bus
                last = max(last, bus.number.value)
            case .accessKey: keys[record.key] = try AccessKey(record: record)
            case .counter:
                guard record.key == busCounter, let number = UInt32(String(decoding: record.value, as: UTF8.self))
                else { throw .unreadable(reason: "counter `\(record.key)`") }
                last = max(last, number)
            case .organization: organizations[record.key] = try SignedOrganizationManifest(record: record)
            case .invitation: invitations[record.key] = try Invitation(record: record)
            case .partner, .partnerEventSource, .partnerAuthorization: try partners.load(record)
            case .webhookSecret:
                let secret = try WebhookSecret(record: record)
                webhookSecrets[secret.source.description, default: []].append(secret)
            case .role: rolesSince[record.key] = try roleSince(record)
            }
        }
        webhookSecrets = webhookSecrets.mapValues { $0.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) } }
        return Snapshot(
            revision: 1, generation: 1, declaration: declaration, buses: buses, accessKeys: keys, lastBusNumber: last,
            organizations: Organizations(last: organizations), invitations: invitations,
            partnerTrust: declaration.partnerTrust, partners: partners, webhookSecrets: webhookSecrets,
            rolesSince: rolesSince)
    }

    /// The same control plane under another declaration, with the seeds that do not exist yet.
    package func adopting(_ declaration: Declaration, at now: Timestamp) throws(ControlFault) -> Transition {
        guard declaration.partition == partition, declaration.region == region else {
            throw ControlFault(
                .validation,
                "the gateway serves `\(partition)` `\(region)`; partition and region change at a restart only")
        }
        let next = try organizations.adopting(declaration.organizations, at: now)
        let roles = adoptingRoles(of: declaration, at: now)
        var transition = Transition(
            snapshot: Snapshot(
                revision: revision + 1, generation: generation + 1, declaration: declaration, buses: buses,
                accessKeys: accessKeys, lastBusNumber: lastBusNumber, organizations: next,
                invitations: invitations, partnerTrust: declaration.partnerTrust, partners: partners,
                webhookSecrets: webhookSecrets, rolesSince: roles.since),
            changes: next.changes(since: organizations) + roles.changes)
        let defaults = declaration.accounts.filter(\.isLocal).map {
            Declaration.Seed(
                id: EventBusID(account: $0.id, name: .default), description: nil, policy: nil, tags: [])
        }
        for seed in declaration.seeds + defaults where transition.snapshot.buses[seed.id] == nil {
            let next = try transition.snapshot.adding(seed, at: now)
            transition = Transition(snapshot: next.snapshot, changes: transition.changes + next.changes)
        }
        return transition
    }

    /// A seed as a bus; what stands against it is said with its name.
    private func adding(_ seed: Declaration.Seed, at now: Timestamp) throws(ControlFault) -> Transition {
        do throws(ControlFault) {
            return try addingEventBus(
                seed.id,
                properties: .init(
                    description: seed.description, tags: seed.tags, policy: seed.policy, createdAt: now,
                    modifiedAt: now))
        } catch {
            throw ControlFault(
                error.code, "event bus `\(seed.id.name)` of account \(seed.id.account): \(error.message)")
        }
    }

    func replacing(
        buses: EventBuses? = nil, accessKeys: [String: AccessKey]? = nil, lastBusNumber: UInt32? = nil,
        invitations: [String: Invitation]? = nil, partnerTrust: Declaration.TrustAnchor? = nil,
        partners: Partners? = nil, webhookSecrets: [String: [WebhookSecret]]? = nil
    ) -> Snapshot {
        Snapshot(
            after: self, buses: buses, accessKeys: accessKeys, lastBusNumber: lastBusNumber, invitations: invitations,
            partnerTrust: partnerTrust, partners: partners, webhookSecrets: webhookSecrets)
    }
}
