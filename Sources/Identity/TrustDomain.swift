package import Cryptography
package import Domain

/// A domain whose authorities vouch for the principals of some accounts.
///
/// Its certificate store stands elsewhere (`Cryptography.CertificateStore`, one a domain, never merged); these are the
/// facts that a verified certificate is held to.
package struct TrustDomain: Sendable, Equatable {
    /// `acme.example`, lower case, as it stands in SPIFFE ids.
    package let name: String
    /// The accounts it may speak for.
    package let accounts: Set<AccountID>
    /// SHA-256 of the SubjectPublicKeyInfo of each authority that may issue leaves. Empty accepts none.
    package let issuerPins: Set<Digest>
    /// Where it may be used; nil is everywhere.
    package let regions: Set<String>?

    package init(name: String, accounts: [AccountID], issuerPins: [Digest], regions: [String]? = nil) {
        self.name = name
        self.accounts = Set(accounts)
        self.issuerPins = Set(issuerPins)
        self.regions = regions.map { Set($0) }
    }
}
