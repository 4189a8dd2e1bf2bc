package import AccessPolicy
package import Cryptography
package import Domain
package import Identity
package import JSON

/// What the configuration file declares, validated: it is replaced as a whole at a reload, never changed.
package struct Declaration: Sendable {
    /// An account the gateway knows.
    package struct Account: Sendable {
        package let id: AccountID
        /// Whether its buses live here. A foreign account's principals may hold access keys.
        package let isLocal: Bool
        package let principals: [Member]

        package init(id: AccountID, isLocal: Bool, principals: [Member]) {
            self.id = id
            self.isLocal = isLocal
            self.principals = principals
        }
    }

    /// A principal of an account with what its account says of it.
    package struct Member: Sendable {
        package let principal: Principal
        /// Identity policies and permissions boundary.
        package let policies: PrincipalPolicies
        /// What policies read as `aws:PrincipalTag/…`; a session's own tags come before them.
        package let tags: [Tag]
        /// For a role that can be assumed on this gateway; `nil` otherwise.
        package let role: AssumableRole?

        package init(
            principal: Principal, policies: PrincipalPolicies, tags: [Tag] = [], role: AssumableRole? = nil
        ) {
            self.principal = principal
            self.policies = policies
            self.tags = tags
            self.role = role
        }
    }

    /// A bus to create when it does not exist yet; one that exists is left as it is.
    package struct Seed: Sendable {
        package let id: EventBusID
        package let description: String?
        package let policy: JSONNode?
        package let tags: [Tag]

        package init(id: EventBusID, description: String?, policy: JSONNode?, tags: [Tag]) {
            self.id = id
            self.description = description
            self.policy = policy
            self.tags = tags
        }
    }

    /// A trust domain: the facts its certificates are held to, and the store that verifies their chains.
    package struct TrustAnchor: Sendable {
        package let facts: TrustDomain
        package let store: CertificateStore

        package init(facts: TrustDomain, store: CertificateStore) {
            self.facts = facts
            self.store = store
        }

        /// The same authority, vouching for the accounts of the partners that hold an invitation, and no others.
        func vouching(for invitations: [String: Invitation]) -> TrustAnchor {
            let accounts = Set(invitations.values.filter(\.holds).map(\.terms.partnerAccount))
            let facts = TrustDomain(
                name: facts.name, accounts: Array(accounts), issuerPins: Array(facts.issuerPins),
                regions: facts.regions.map(Array.init))
            return TrustAnchor(facts: facts, store: store)
        }
    }

    /// What policies know of a listener. Source: FEDERATION 7.
    package struct Endpoint: Sendable {
        /// `vpc-…`: `aws:SourceVpc`.
        package let vpc: String?
        package let policy: CompiledPolicy?

        package init(vpc: String?, policy: CompiledPolicy?) {
            self.vpc = vpc
            self.policy = policy
        }
    }

    /// Quotas an operator may change, each with EventBridge's own default.
    package struct Quotas: Sendable {
        /// Event buses an account may have. Source: docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
        package var busesPerAccount = 100
        package var policyCharacters = Limits.policyCharacters
        package var accessKeysPerPrincipal = 2
        /// Partner event sources of one partner account. Source: none is documented; what look-ups are tested with.
        package var eventSourcesPerPartner = 10_000

        package init() {}
    }

    package let partition: String
    package let region: String
    package let accounts: [Account]
    package let trustDomains: [TrustAnchor]
    package let seeds: [Seed]
    /// By listener id.
    package let endpoints: [String: Endpoint]
    package let quotas: Quotas
    /// Manifests, not verified yet.
    package let organizations: [OrganizationSource]
    /// Whose rules a policy is held to when it is saved.
    package let policyCompatibility: PolicyReview.Compatibility
    /// The authority of the certificates that partners get when they join; nil when this gateway invites none.
    package let partnerTrust: TrustAnchor?
    /// The account each partner's name belongs to.
    package let partners: [PartnerName: AccountID]
    /// The customers that must agree before a partner may create a source for them.
    package let consentRequired: Set<AccountID>
    /// What senders may spend.
    package let senderQuotas: SenderQuotas
    /// The ways out of the region that policies are asked about.
    package let crossRegionRoutes: [CrossRegionRoute]
    /// By source name.
    package let webhooks: [String: Webhook]

    package init(
        partition: String, region: String, accounts: [Account], trustDomains: [TrustAnchor], seeds: [Seed],
        endpoints: [String: Endpoint], quotas: Quotas, organizations: [OrganizationSource] = [],
        policyCompatibility: PolicyReview.Compatibility = .strict, partnerTrust: TrustAnchor? = nil,
        partners: [PartnerName: AccountID] = [:], consentRequired: Set<AccountID> = [],
        senderQuotas: SenderQuotas = SenderQuotas(), crossRegionRoutes: [CrossRegionRoute] = [],
        webhooks: [String: Webhook] = [:]
    ) {
        self.partition = partition
        self.region = region
        self.accounts = accounts
        self.trustDomains = trustDomains
        self.seeds = seeds
        self.endpoints = endpoints
        self.quotas = quotas
        self.organizations = organizations
        self.policyCompatibility = policyCompatibility
        self.partnerTrust = partnerTrust
        self.partners = partners
        self.consentRequired = consentRequired
        self.senderQuotas = senderQuotas
        self.crossRegionRoutes = crossRegionRoutes
        self.webhooks = webhooks
    }
}
