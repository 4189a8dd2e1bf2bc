package import Cryptography
package import Domain

/// A manifest as the configuration names it: not verified yet.
package struct OrganizationSource: Sendable {
    /// The manifest's file, for messages.
    package let origin: String
    package let manifest: [UInt8]
    package let signature: [UInt8]
    /// The organization's key: Ed25519.
    package let publicKey: PublicKey

    package init(origin: String, manifest: [UInt8], signature: [UInt8], publicKey: PublicKey) {
        self.origin = origin
        self.manifest = manifest
        self.signature = signature
        self.publicKey = publicKey
    }
}

/// The organizations this gateway knows: the manifests in force, and the last one of each organization ever in force.
///
/// - Source: FEDERATION 1
package struct Organizations: Sendable {
    /// A manifest that was not put in force, and why. The last good one is in its place.
    package struct Refused: Equatable, Sendable {
        package let origin: String
        package let refusal: OrganizationRefusal
    }

    /// In the order of the configuration.
    let inForce: [Organization]
    /// By organization id: what no restart goes behind.
    let last: [String: SignedOrganizationManifest]
    package let refused: [Refused]
    private let placements: [AccountID: OrganizationPlacement]
    /// Of accounts on no manifest. Once one manifest is stale nobody knows whether it has the account by now.
    private let outside: OrganizationPlacement

    init(
        inForce: [Organization] = [], last: [String: SignedOrganizationManifest] = [:], refused: [Refused] = []
    ) {
        self.inForce = inForce
        self.last = last
        self.refused = refused
        var placements: [AccountID: OrganizationPlacement] = [:]
        for organization in inForce { placements.merge(organization.placements) { first, _ in first } }
        self.placements = placements
        let expiry = inForce.map(\.signed.manifest.expiresAt).min()
        outside = expiry.map { OrganizationPlacement(path: nil, expiresAt: $0) } ?? .nowhere
    }

    /// Whether there is nothing to know about any account.
    package var isEmpty: Bool { inForce.isEmpty }

    /// Where an account stands.
    package func placement(of account: AccountID) -> OrganizationPlacement { placements[account] ?? outside }

    /// Where an account stands at `now`; `nil` when it is in no organization or that is not known any more.
    package func path(of account: AccountID, at now: Timestamp) -> OrganizationPath? {
        let placement = placement(of: account)
        return placement.isStale(at: now) ? nil : placement.path
    }
}
