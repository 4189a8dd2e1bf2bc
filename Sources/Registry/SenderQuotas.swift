package import Domain

/// What each sender may spend on each action. The most particular word counts: a sender's own quota for the action, its
/// own for every action, everybody's for the action, everybody's for every action. A partner that joined by an
/// invitation with a quota keeps to that one too.
package struct SenderQuotas: Equatable, Sendable {
    /// Whose requests are counted together.
    package enum Sender: Hashable, Sendable, CustomStringConvertible {
        case account(AccountID)
        /// A partner by its name: `aws.partner/acme.com`.
        case partner(String)
        /// Peers by their address, in IPv6 by its /64: whoever sends what proves nothing new about a sender.
        case address(String)

        package var description: String {
            switch self {
            case .account(let account): "account \(account)"
            case .partner(let name): "partner \(name)"
            case .address(let address): "address \(address)"
            }
        }
    }

    /// Stands for every action that has no quota of its own.
    package static let anyAction = "*"
    /// What holds where the configuration says nothing: a net under runaways, above what small machines carry.
    package static let standard: [String: Quota] = [
        "events:PutEvents": Quota(perSecond: 500_000, burst: 1_000_000),
        "events:PutPartnerEvents": Quota(perSecond: 500_000, burst: 1_000_000),
        anyAction: Quota(perSecond: 1000, burst: 5000),
    ]

    /// By action; holds `anyAction`.
    package let everybody: [String: Quota]
    package let overrides: [Sender: [String: Quota]]
    /// What the invitations in force hold a partner to, by its name: `aws.partner/acme.com`.
    package let invited: [String: Quota]

    /// Quotas that differ from the standard ones.
    package init(everybody: [String: Quota] = [:], overrides: [Sender: [String: Quota]] = [:]) {
        self.init(
            everybody: Self.standard.merging(everybody) { _, changed in changed }, overrides: overrides, invited: [:])
    }

    private init(everybody: [String: Quota], overrides: [Sender: [String: Quota]], invited: [String: Quota]) {
        self.everybody = everybody
        self.overrides = overrides
        self.invited = invited
    }

    /// The same quotas, with those of the invitations that hold; the strictest of a partner's counts.
    func holding(to invitations: [String: Invitation]) -> SenderQuotas {
        var invited: [String: Quota] = [:]
        for invitation in invitations.values where invitation.holds {
            guard let quota = invitation.terms.quota else { continue }
            let name = PartnerEventSourceName.prefix + invitation.terms.partner
            invited[name] = invited[name]?.stricter(quota) ?? quota
        }
        return SenderQuotas(everybody: everybody, overrides: overrides, invited: invited)
    }

    /// What `sender` may spend on `action`.
    package func quota(of sender: Sender, _ action: String) -> Quota {
        let own = overrides[sender]
        guard let quota = own?[action] ?? own?[Self.anyAction] ?? everybody[action] ?? everybody[Self.anyAction] else {
            preconditionFailure("everybody has a quota for every action")
        }
        guard case .partner(let name) = sender, let offered = invited[name] else { return quota }
        return quota.stricter(offered)
    }
}
