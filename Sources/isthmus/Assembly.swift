import AccessPolicy
import Cryptography
import Domain
import Identity
import JSON
import Registry
import TLS

/// Makes what the gateway runs on out of a configuration: everything is built, or nothing is.
struct Assembly {
    let declaration: Declaration

    /// Builds the declaration; what is wrong with a file is said with its path.
    init(_ configuration: Configuration) throws(ProgramError) {
        var quotas = Declaration.Quotas()
        quotas.busesPerAccount = configuration.limits.busesPerAccount
        quotas.eventSourcesPerPartner = configuration.limits.eventSourcesPerPartner
        quotas.policyCharacters = configuration.limits.policyCharacters
        declaration = Declaration(
            partition: configuration.partition, region: configuration.region,
            accounts: try Self.accounts(configuration.accounts),
            trustDomains: try Self.trustAnchors(configuration.trustDomains), seeds: try Self.seeds(configuration.buses),
            endpoints: try Self.endpoints(configuration.listeners), quotas: quotas,
            organizations: configuration.organizations.map {
                OrganizationSource(
                    origin: $0.manifest.path, manifest: $0.manifest.bytes, signature: $0.signature.bytes,
                    publicKey: $0.publicKey)
            }, policyCompatibility: configuration.policyCompatibility,
            partnerTrust: try configuration.onboarding.map { value throws(ProgramError) in
                try PartnerAuthority(value).anchor()
            },
            partners: Dictionary(
                configuration.partners.map { ($0.name, $0.account) }, uniquingKeysWith: { first, _ in first }),
            consentRequired: Set(configuration.accounts.filter { $0.partnerConsent == .required }.map(\.id)),
            senderQuotas: configuration.senderQuotas,
            crossRegionRoutes: configuration.crossRegionRoutes,
            webhooks: Dictionary(
                configuration.webhooks.map { ($0.source.description, $0) }, uniquingKeysWith: { first, _ in first }))
    }

    private static func accounts(_ accounts: [Configuration.Account]) throws(ProgramError) -> [Declaration.Account] {
        var declared: [Declaration.Account] = []
        for account in accounts {
            var members: [Declaration.Member] = []
            for principal in account.principals {
                members.append(try member(principal))
            }
            declared.append(.init(id: account.id, isLocal: account.isLocal, principals: members))
        }
        return declared
    }

    private static func member(
        _ principal: Configuration.AccountPrincipal
    ) throws(ProgramError) -> Declaration.Member {
        var policies: [CompiledPolicy] = []
        for text in principal.policies { policies.append(try compile(text, .identity)) }
        var boundaries: [CompiledPolicy] = []
        if let text = principal.permissionsBoundary { boundaries.append(try compile(text, .permissionsBoundary)) }
        var role: AssumableRole?
        if let declared = principal.role {
            role = AssumableRole(
                trust: try compile(declared.trust, .trust), maximumSessionSeconds: declared.maximumSessionSeconds,
                sessionsNotBefore: declared.sessionsNotBefore)
        }
        return Declaration.Member(
            principal: principal.principal, policies: PrincipalPolicies(identity: policies, boundaries: boundaries),
            tags: principal.tags.map { Tag(key: $0.key, value: $0.value) }, role: role)
    }

    private static func compile(_ text: PolicyText, _ kind: PolicyKind) throws(ProgramError) -> CompiledPolicy {
        do throws(PolicyError) {
            return CompiledPolicy(try PolicyDocument(parsing: text.json, kind: kind), name: text.origin)
        } catch {
            throw ProgramError("\(text.origin): \(error)", status: .configuration)
        }
    }

    private static func endpoints(
        _ listeners: [Configuration.Listener]
    ) throws(ProgramError) -> [String: Declaration.Endpoint] {
        var endpoints: [String: Declaration.Endpoint] = [:]
        for listener in listeners {
            var policy: CompiledPolicy?
            if let text = listener.policy { policy = try compile(text, .endpoint) }
            endpoints[listener.id] = .init(vpc: listener.vpc, policy: policy)
        }
        return endpoints
    }

    private static func seeds(_ seeds: [Configuration.BusSeed]) throws(ProgramError) -> [Declaration.Seed] {
        var declared: [Declaration.Seed] = []
        for seed in seeds {
            var policy: JSONNode?
            if let text = seed.policy {
                do throws(JSONError) { policy = try JSONNode(parsing: text.json) } catch {
                    throw ProgramError("\(text.origin): \(error)", status: .configuration)
                }
            }
            declared.append(
                .init(
                    id: seed.id, description: seed.description, policy: policy,
                    tags: seed.tags.map { Tag(key: $0.key, value: $0.value) }))
        }
        return declared
    }

    private static func trustAnchors(
        _ domains: [Configuration.TrustDomain]
    ) throws(ProgramError) -> [Declaration.TrustAnchor] {
        var anchors: [Declaration.TrustAnchor] = []
        for domain in domains {
            var settings = CertificateStore.Configuration()
            settings.issuerPins = Set(domain.issuerPins)
            do throws(CryptographyError) {
                var lists: [CertificateRevocationList] = []
                for file in domain.revocationLists { lists += try CertificateRevocationList.lists(file.bytes) }
                let store = try CertificateStore(
                    authorities: try Certificate.certificates(pem: domain.bundle.bytes), revocationLists: lists,
                    configuration: settings)
                let facts = TrustDomain(
                    name: domain.name, accounts: domain.accounts, issuerPins: domain.issuerPins, regions: domain.regions
                )
                anchors.append(.init(facts: facts, store: store))
            } catch {
                throw ProgramError("trust domain `\(domain.name)`: \(error)", status: .configuration)
            }
        }
        return anchors
    }

    /// The TLS context of a listener. The store a client's chain is verified in is picked from the registry's snapshot
    /// in force at that moment.
    static func context(
        of listener: Configuration.Listener, registry: Registry
    ) throws(ProgramError) -> ServerContext {
        let chain: [Certificate]
        let key: PrivateKey
        do throws(CryptographyError) {
            chain = try Certificate.certificates(pem: listener.certificate.bytes)
            key = try PrivateKey(pem: listener.privateKey.bytes)
        } catch {
            throw ProgramError("listener `\(listener.id)`: \(error)", status: .configuration)
        }
        do throws(TLSError) {
            return try ServerContext(
                chain: chain, key: key,
                clientCertificates: listener.clientCertificate == .required ? .required : .optional,
                selectStore: { leaf in registry.trustStore(claimedBy: leaf) })
        } catch {
            throw ProgramError("listener `\(listener.id)`: \(error)", status: .configuration)
        }
    }
}
