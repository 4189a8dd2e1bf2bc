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
        principal = PrincipalFacts(caller.principal, organization: placement.fact)
        stalePrincipal =
            placement.expiresAt == nil ? principal : PrincipalFacts(caller.principal, organization: .unknown)
        policies = snapshot.ownSide(of: caller.principal)
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
        generation == snapshot.generation && self.caller.signatureScheme == caller.signatureScheme
            && self.caller.principal.arn == caller.principal.arn && self.caller.accessKeyID == caller.accessKeyID
            && self.caller.organizationPath == caller.organizationPath
    }

    /// Who asks, with what is known of its organization at `now`.
    func principal(at now: Timestamp) -> PrincipalFacts { placement.isStale(at: now) ? stalePrincipal : principal }
}

extension Snapshot {
    /// A principal's own policies: those of its account's file. A local account's undeclared principal has none, so
    /// nothing is allowed by them; a foreign account's own side is decided elsewhere. Source: POLICY 1.
    func ownSide(of principal: Principal) -> PrincipalPolicies? {
        guard isLocal(principal.account) else { return nil }
        return identityPolicies[principal.arn] ?? PrincipalPolicies.none
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
