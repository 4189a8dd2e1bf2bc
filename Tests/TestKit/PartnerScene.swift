package import Domain
package import Registry

/// Where the tests of partner event sources take place: a local partner, a foreign one, and customers.
extension Scene {
    /// The partner that is `Scene.sender`.
    package static let acme = partner("acme.example")
    /// The partner that is `Scene.foreign`.
    package static let initech = partner("initech.example")
    package static let orders = source("aws.partner/acme.example/shop/orders")
    package static let tickets = source("aws.partner/initech.example/help/tickets")

    package static func partner(_ text: String) -> PartnerName {
        guard let name = PartnerName(parsing: text) else { preconditionFailure("`\(text)` is no partner's name") }
        return name
    }

    package static func source(_ text: String) -> PartnerEventSourceName {
        guard let name = PartnerEventSourceName(parsing: text) else { preconditionFailure("`\(text)` is no source") }
        return name
    }

    /// The usual accounts, two of them partners.
    package static func partnerDeclaration(
        publisher: [String] = [everything], consentRequired: Set<AccountID> = [], quotas: Declaration.Quotas = .init(),
        partners: [PartnerName: AccountID] = [acme: sender, initech: foreign],
        endpoints: [String: Declaration.Endpoint] = [listener: .init(vpc: nil, policy: nil)]
    ) throws -> Declaration {
        try declaration(
            publisher: publisher, endpoints: endpoints, quotas: quotas, partners: partners,
            consentRequired: consentRequired)
    }
}

extension Snapshot {
    /// This with a source of `Scene.owner` in it, and with its bus where that is wanted.
    package func withSource(
        _ name: PartnerEventSourceName = Scene.orders, isActive: Bool = true, detailTypes: [String]? = nil,
        at now: Timestamp = SettableClock.start
    ) throws -> Snapshot {
        guard let partner = partnerAccount(of: name.partner) else { preconditionFailure("\(name.partner) is nobody") }
        let made = try addingPartnerEventSource(
            name, partnerAccount: partner, account: Scene.owner, detailTypes: detailTypes, at: now)
        guard isActive else { return made.snapshot }
        return try made.snapshot.addingEventBus(
            for: name, account: Scene.owner, properties: .init(createdAt: now, modifiedAt: now), at: now).snapshot
    }
}
