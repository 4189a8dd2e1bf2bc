package import AccessPolicy
package import Domain

/// Where an account stands, and the control policies that follow from it: prepared once a manifest, shared by all that
/// ask about the account.
package final class OrganizationPlacement: Sendable {
    /// `nil` when the account is in no organization of this gateway.
    package let path: OrganizationPath?
    /// The first moment at which nobody knows any more; `nil` when there is nothing to know.
    package let expiresAt: Timestamp?
    /// Of the account as a principal's, from the root down. Kept past the expiry: they only take away.
    let serviceControl: [[CompiledPolicy]]
    /// Of the account as a resource's owner, from the root down.
    let resourceControl: [[CompiledPolicy]]

    init(
        path: OrganizationPath?, expiresAt: Timestamp?, serviceControl: [[CompiledPolicy]] = [],
        resourceControl: [[CompiledPolicy]] = []
    ) {
        self.path = path
        self.expiresAt = expiresAt
        self.serviceControl = serviceControl
        self.resourceControl = resourceControl
    }

    /// Of every account, where no organization is configured.
    static let nowhere = OrganizationPlacement(path: nil, expiresAt: nil)

    package func isStale(at now: Timestamp) -> Bool { expiresAt.map { now >= $0 } ?? false }

    /// What conditions may know at `now`.
    package func fact(at now: Timestamp) -> PrincipalFacts.OrganizationFact { isStale(at: now) ? .unknown : fact }

    /// What conditions may know until the manifest expires.
    var fact: PrincipalFacts.OrganizationFact {
        path.map { .member(id: String($0.organization), paths: [$0.description]) } ?? .none
    }
}

/// A manifest in force, its policies compiled and its accounts placed.
final class Organization: Sendable {
    let signed: SignedOrganizationManifest
    let placements: [AccountID: OrganizationPlacement]

    /// What AWS attaches everywhere and lets nobody detach, so that a resource control policy of denials alone is one.
    ///
    /// - Source: docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html, RCPFullAWSAccess
    private static let everything: CompiledPolicy = {
        let text =
            #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#
        do throws(PolicyError) {
            return try CompiledPolicy(parsing: text, kind: .resourceControl, name: "RCPFullAWSAccess")
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    init(_ signed: SignedOrganizationManifest) {
        self.signed = signed
        let manifest = signed.manifest
        let service = Self.attached(manifest.serviceControlPolicies)
        let resource = Self.attached(manifest.resourceControlPolicies)
        var placements: [AccountID: OrganizationPlacement] = [:]
        for account in manifest.accounts {
            // Control policies do not bind the management account. Source:
            // docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
            let isBound = account.id != manifest.managementAccount
            let levels = account.path.levels.map { OrganizationManifest.Target.level($0) }
            let targets = isBound ? levels + [.account(account.id)] : []
            placements[account.id] = OrganizationPlacement(
                path: account.path, expiresAt: manifest.expiresAt, serviceControl: targets.compactMap { service[$0] },
                resourceControl: targets.compactMap { target in resource[target].map { [Self.everything] + $0 } })
        }
        self.placements = placements
    }

    private static func attached(
        _ policies: [OrganizationManifest.ControlPolicy]
    ) -> [OrganizationManifest.Target: [CompiledPolicy]] {
        var attached: [OrganizationManifest.Target: [CompiledPolicy]] = [:]
        for policy in policies {
            let compiled = CompiledPolicy(policy.document, name: policy.name)
            for target in policy.targets { attached[target, default: []].append(compiled) }
        }
        return attached
    }
}
