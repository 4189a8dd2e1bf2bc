import AccessPolicy
import Cryptography
import Domain
import Registry

/// What the gateway is told by its files: checked, complete, with every file it names already read.
///
/// The schema with its words is config/isthmus.yaml. A reload makes a new one; nothing of it changes in place.
struct Configuration: Sendable {
    /// The file it was read from.
    let file: String
    /// The one region this gateway serves: `eu-central-1`.
    let region: String
    /// The partition of its ARNs: `aws`.
    let partition: String
    /// Absolute.
    let dataDirectory: String
    let limits: GatewayLimits
    /// At least one; ids and places are unique.
    let listeners: [Listener]
    let admin: Admin
    /// Unique by name.
    let trustDomains: [TrustDomain]
    /// Unique by id.
    let accounts: [Account]
    /// Unique; each in a local account.
    let buses: [BusSeed]
    /// Unique by key.
    let organizations: [Organization]
    /// Unique by name.
    let partners: [Partner]
    /// Whose rules policies are held to when they are saved.
    let policyCompatibility: PolicyReview.Compatibility
    /// Unique by source.
    let webhooks: [Webhook]
    let decisions: DecisionSettings
    /// How partners join; nil when this gateway invites none.
    let onboarding: Onboarding?
    let logLevel: LogLevel
    /// Event loops; nil is one a core.
    let threads: Int?
    /// What senders may spend; a reload puts others in force.
    let senderQuotas: SenderQuotas
    /// Unique; each of a local account to another region.
    let crossRegionRoutes: [CrossRegionRoute]

    /// One place where events come in.
    struct Listener: Sendable {
        /// `vpce-…`: `aws:SourceVpce`.
        let id: String
        /// `vpc-…`: `aws:SourceVpc`.
        let vpc: String?
        /// An IPv4 or IPv6 address.
        let address: String
        /// 0 lets the system choose.
        let port: UInt16
        let clientCertificate: ClientCertificate
        /// PEM, leaf first.
        let certificate: LoadedFile
        let privateKey: SecretFile
        /// The source networks that may connect; nil is all.
        let networks: [CIDRBlock]?
        /// The endpoint policy.
        let policy: PolicyText?
        /// The networks of load balancers that speak the PROXY protocol; nil is none.
        let proxies: [CIDRBlock]?
        let replay: Replay
    }

    /// What becomes of a signature that was accepted before.
    enum Replay: String, CaseIterable, Sendable {
        case serve
        case refuse
    }

    enum ClientCertificate: String, CaseIterable, Sendable {
        case required
        case optional
    }

    /// The clear-text listener of `/healthz`, `/readyz`, `/metrics`: loopback.
    struct Admin: Sendable {
        let address: String
        let port: UInt16
    }

    /// Who vouches for the principals of which accounts.
    struct TrustDomain: Sendable {
        /// `acme.example`.
        let name: String
        /// PEM, one or more CA certificates.
        let bundle: LoadedFile
        /// SHA-256 of the SPKI of each CA that may issue leaves; at least one.
        let issuerPins: [Digest]
        /// PEM; together they cover every CA of the bundle.
        let revocationLists: [LoadedFile]
        let accounts: [AccountID]
        /// Where it may be used; nil is everywhere.
        let regions: [String]?
    }

    /// Who is a member of what, signed; verified when it is put in force.
    struct Organization: Sendable {
        let manifest: LoadedFile
        let signature: LoadedFile
        /// Where `publicKey` was read.
        let publicKeyPath: String
        /// Ed25519.
        let publicKey: PublicKey
    }

    /// A partner's name, and the account it belongs to.
    struct Partner: Sendable {
        let name: PartnerName
        let account: AccountID
    }

    /// Whether a partner needs the account's consent before it may create an event source for it.
    enum PartnerConsent: String, CaseIterable, Sendable {
        case required
        case optional
    }

    struct Account: Sendable {
        let id: AccountID
        let name: String?
        /// Whether its buses are here. A foreign account only sends; its principals may hold access keys.
        let isLocal: Bool
        /// Unique.
        let principals: [AccountPrincipal]
        let partnerConsent: PartnerConsent
        let file: String
    }

    struct AccountPrincipal: Sendable {
        let principal: Principal
        /// Identity policies. None means that nothing is allowed by them.
        let policies: [PolicyText]
        /// What its identity policies and sessions can at most allow; nil is no boundary.
        let permissionsBoundary: PolicyText?
        let tags: [Tag]
        /// Nil for a user, and for a role that nobody can assume here.
        let role: Role?
    }

    /// Who may assume a role, and for how long.
    struct Role: Sendable {
        let trust: PolicyText
        let maximumSessionSeconds: Int
        /// Sessions issued before it are refused.
        let sessionsNotBefore: Timestamp?
    }

    /// A bus that is made when it does not exist.
    struct BusSeed: Sendable {
        let id: EventBusID
        let description: String?
        let policy: PolicyText?
        let tags: [Tag]
    }

    struct Tag: Equatable, Sendable {
        let key: String
        let value: String
    }

    /// Where partners join and who signs their certificates.
    struct Onboarding: Sendable {
        /// The directory of the authority, made by `isthmus pki init`. Its trust domain is for partners alone.
        let authority: String
        let trustDomain: String
        /// The authority's certificate.
        let certificate: LoadedFile
        /// The listener that partners reach: one that takes clients without a certificate.
        let listener: String
        /// SHA-256 of the SubjectPublicKeyInfo of that listener: partners ask for this key.
        let pin: Digest
        /// `https://HOST:PORT`, as partners see it.
        let endpoint: String
        /// PEM, the authorities of the listener's certificate.
        let bundle: LoadedFile
        let certificateSeconds: Int
    }

    enum LogLevel: String, CaseIterable, Sendable {
        case debug
        case info
        case warning
        case error
    }
}

/// A file that was read when the configuration was.
struct LoadedFile: Equatable, Sendable {
    let path: String
    let bytes: [UInt8]
}

/// A file whose content must never be shown.
struct SecretFile: Sendable, CustomStringConvertible, CustomReflectable {
    let path: String
    let bytes: [UInt8]

    var description: String { "\(path) (content not shown)" }
    var customMirror: Mirror { Mirror(self, children: ["path": path]) }
}

/// The JSON text of a policy document, and where it stands: `FILE`, or `FILE:LINE` when it is written in YAML.
struct PolicyText: Equatable, Sendable {
    let origin: String
    let json: [UInt8]
}
