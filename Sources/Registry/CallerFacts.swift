import AccessPolicy
import Cryptography
import Domain
package import Identity

/// What policies read of a caller and its connection, prepared once and used for many requests.
///
/// It stands as long as the snapshot's generation, the principal and the way it proved itself stay the same.
package final class CallerFacts: Sendable {
    package let caller: Caller
    private let principal: PrincipalFacts
    /// The same once the manifest that knows the account has expired.
    private let stalePrincipal: PrincipalFacts
    let organizations: Organizations
    /// Where the caller's account stands.
    let placement: OrganizationPlacement
    let connection: ContextFacts
    /// The principal's own side; `nil` when it is another gateway's to decide.
    let policies: PrincipalPolicies?
    /// The endpoint policy of the listener; empty when it has none.
    let endpoint: [CompiledPolicy]
    private let generation: UInt64

    package init(_ caller: Caller, _ snapshot: Snapshot) {
        self.caller = caller
        generation = snapshot.generation
        organizations = snapshot.organizations
        placement = snapshot.organizations.placement(of: caller.account)
        let own = OwnFacts(caller, snapshot)
        principal = own.facts(organization: placement.fact)
        stalePrincipal = placement.expiresAt == nil ? principal : own.facts(organization: .unknown)
        policies = own.policies
        let listener = snapshot.declaration.endpoints[caller.endpoint]
        // A listener that the declaration dropped serves until the restart: its policy unknown, it lets nothing pass.
        endpoint = listener.map { $0.policy.map { [$0] } ?? [] } ?? [.denyingAll]
        var facts = ContextFacts()
        facts.set(.sourceVpce, caller.endpoint)
        if let vpc = listener?.vpc { facts.set(.sourceVpc, vpc) }
        facts.set(.sourceIp, caller.sourceAddress)
        facts.set(.vpcSourceIp, caller.sourceAddress)
        facts.set(.secureTransport, "true")
        facts.set(.requestedRegion, snapshot.region)
        facts.set(.isthmusSignatureScheme, caller.signatureScheme.rawValue)
        if let domain = caller.trustDomain { facts.set(.isthmusTrustDomain, domain) }
        if let fingerprint = caller.certificateFingerprint {
            facts.set(.isthmusCertificateFingerprint, fingerprint.hexadecimal)
        }
        connection = facts
    }

    /// Whether the facts are those of `caller` under `snapshot`, on the connection they were made for.
    package func stand(for caller: Caller, _ snapshot: Snapshot) -> Bool {
        guard generation == snapshot.generation else { return false }
        return self.caller === caller || self.caller.signatureScheme == caller.signatureScheme
            && self.caller.principal.arn == caller.principal.arn && self.caller.accessKeyID == caller.accessKeyID
            && self.caller.organizationPath == caller.organizationPath
    }

    /// Whether they are also those of `caller` on another connection: it came by the same way from the same address,
    /// and proved the same.
    package func serve(_ caller: Caller, _ snapshot: Snapshot) -> Bool {
        stand(for: caller, snapshot) && self.caller.endpoint == caller.endpoint
            && self.caller.sourceAddress == caller.sourceAddress && self.caller.trustDomain == caller.trustDomain
            && self.caller.certificateFingerprint == caller.certificateFingerprint
    }

    /// Who asks, with what is known of its organization at `now`.
    func principal(at now: Timestamp) -> PrincipalFacts { placement.isStale(at: now) ? stalePrincipal : principal }
}

/// What the principal's own account says of a caller: policies, tags, and the keys that name it.
private struct OwnFacts {
    let principal: Principal
    let roleARN: String?
    let tags: [(key: String, value: String)]
    let keys: ContextFacts
    let policies: PrincipalPolicies?

    /// The policies are those of the account's file, for a session those of its role beneath the session policy. A
    /// local account's undeclared principal has none, so nothing is allowed by them; a foreign account's own side is
    /// decided elsewhere. Source: POLICY 1.
    init(_ caller: Caller, _ snapshot: Snapshot) {
        let session = caller.session
        let member = snapshot.members[session?.role.arn ?? caller.principal.arn]
        principal = caller.principal
        roleARN = session?.role.arn
        // The first of two tags with one key counts: a session's own go before its role's.
        tags = ((session?.tags ?? []) + (member?.tags ?? [])).map { (key: $0.key, value: $0.value) }
        var keys = ContextFacts()
        keys.set(.userid, caller.userID)
        if let session {
            keys.set(.tokenIssueTime, Timestamp(seconds: session.issuedAt.seconds).iso8601)
            // Credentials of a session always say it, long-term ones never do. Source: the IAM User Guide's
            // description of aws:MultiFactorAuthPresent.
            keys.set(.multiFactorAuthPresent, "false")
            if let identity = session.sourceIdentity { keys.set(.sourceIdentity, identity) }
        }
        self.keys = keys
        guard snapshot.isLocal(caller.account) else {
            policies = nil
            return
        }
        let own = member?.policies ?? .none
        policies = PrincipalPolicies(
            identity: own.identity, boundaries: own.boundaries, session: session?.policy.map { [$0] } ?? [])
    }

    func facts(organization: PrincipalFacts.OrganizationFact) -> PrincipalFacts {
        PrincipalFacts(principal, roleARN: roleARN, organization: organization, tags: tags, more: keys)
    }
}

extension CompiledPolicy {
    /// Denies everything to everyone.
    fileprivate static let denyingAll: CompiledPolicy = {
        let statement = #"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#
        let text = #"{"Version":"2012-10-17","Statement":["# + statement + "]}"
        do throws(PolicyError) {
            return CompiledPolicy(try PolicyDocument(parsing: text, kind: .endpoint), name: "undeclared endpoint")
        } catch {
            preconditionFailure("the policy that denies everything is valid: \(error)")
        }
    }()
}
