package import Domain

/// What each sender may spend on each action. The most particular word counts: a sender's own quota for the action, its
/// own for every action, everybody's for the action, everybody's for every action.
package struct SenderQuotas: Equatable, Sendable {
    /// Whose requests are counted together.
    package enum Sender: Hashable, Sendable, CustomStringConvertible {
        case account(AccountID)
        /// A partner by its name: `aws.partner/acme.com`.
        case partner(String)

        package var description: String {
            switch self {
            case .account(let account): "account \(account)"
            case .partner(let name): "partner \(name)"
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

    /// Quotas that differ from the standard ones.
    package init(everybody: [String: Quota] = [:], overrides: [Sender: [String: Quota]] = [:]) {
        self.everybody = Self.standard.merging(everybody) { _, changed in changed }
        self.overrides = overrides
    }

    /// What `sender` may spend on `action`.
    package func quota(of sender: Sender, _ action: String) -> Quota {
        let own = overrides[sender]
        guard let quota = own?[action] ?? own?[Self.anyAction] ?? everybody[action] ?? everybody[Self.anyAction] else {
            preconditionFailure("everybody has a quota for every action")
        }
        return quota
    }
}
