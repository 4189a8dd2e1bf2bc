package import Cryptography
package import Domain

/// Why a verified certificate speaks for nobody here. Where two sides disagree both are named.
///
/// - Source: THREATS §3.2
package enum CertificateRefusal: Error, Equatable, Sendable {
    /// The subject alternative names cannot be decoded.
    case unreadableNames
    /// The subject alternative name extension stands more than once.
    case repeatedExtension
    /// No URI among the names; common name, DNS and e-mail names are never taken instead.
    case noURI
    /// More URIs than the one a SPIFFE certificate has.
    case severalURIs(count: Int)
    /// The URI is no id of the form this gateway reads; `uri` is escaped.
    case spiffeID(SpiffeID.Refusal, uri: String)
    /// An extension that is malformed, repeated, or critical and not known.
    case invalidExtension
    /// The leaf is an authority.
    case authority
    /// No key usage extension, or one without `digitalSignature`.
    case noDigitalSignature
    /// `keyCertSign` or `cRLSign` on a leaf.
    case signsCertificates
    /// No extended key usage extension.
    case noExtendedKeyUsage
    /// `anyExtendedKeyUsage`.
    case anyExtendedKeyUsage
    /// An extended key usage without `clientAuth`.
    case notForClients
    /// Before its first second.
    case notYetValid(notBefore: String)
    /// Past its last second, also when the connection was opened before.
    case expired(notAfter: String)
    /// Taken back by its authority.
    case revoked
    /// The chain no longer verifies under the trust in force.
    case notVerified(reason: String)
    /// No such trust domain, or no longer.
    case unknownTrustDomain(name: String)
    /// The chain was verified for one trust domain and the certificate names another.
    case foreignStore(verifiedFor: String, named: String)
    /// The issuing authority's key is not one the trust domain pins.
    case issuerNotPinned(trustDomain: String, issuer: Digest)
    /// The trust domain may not speak for that account.
    case accountNotVouched(trustDomain: String, account: AccountID)
    /// The trust domain may not be used in this gateway's Region.
    case region(trustDomain: String, region: String)
}

extension CertificateRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreadableNames: "the certificate's subject alternative names cannot be read: issue it again"
        case .repeatedExtension: "the certificate has the subject alternative name extension twice: issue it again"
        case .noURI: "the certificate has no URI name: issue it with one SPIFFE id"
        case .severalURIs(let count): "the certificate has \(count) URI names: issue it with exactly one"
        case .spiffeID(let refusal, let uri):
            "the certificate's URI `\(uri)` is no id of this gateway: \(refusal.rawValue)"
        case .invalidExtension: "the certificate has an extension that is malformed or not known: issue it again"
        case .authority: "the certificate is an authority's: present a leaf"
        case .noDigitalSignature: "the certificate's key usage lacks digitalSignature: issue it with that"
        case .signsCertificates: "the certificate's key usage has keyCertSign or cRLSign: issue it without"
        case .noExtendedKeyUsage: "the certificate has no extended key usage: issue it with clientAuth"
        case .anyExtendedKeyUsage: "the certificate's extended key usage is any: issue it with clientAuth only"
        case .notForClients: "the certificate's extended key usage lacks clientAuth: issue it with that"
        case .notYetValid(let notBefore): "the certificate is valid from \(notBefore) on: check the clock"
        case .expired(let notAfter): "the certificate expired at \(notAfter): present a new one"
        case .revoked: "the certificate is revoked: present a new one"
        case .notVerified(let reason): "the certificate's chain no longer verifies (\(reason)): present one that does"
        case .unknownTrustDomain(let name):
            "the trust domain `\(name)` is not configured on this gateway: ask its operator"
        case .foreignStore(let verified, let named):
            "the certificate names trust domain `\(named)` and was verified for `\(verified)`: present one of its own"
        case .issuerNotPinned(let domain, let issuer):
            "trust domain `\(domain)` does not pin the authority `\(issuer.hexadecimal)` that issued the certificate"
        case .accountNotVouched(let domain, let account):
            "trust domain `\(domain)` may not speak for account `\(account)`, which the certificate names"
        case .region(let domain, let region): "trust domain `\(domain)` may not be used in Region `\(region)`"
        }
    }

    /// One stable word for metrics, logs and audit records.
    package var label: StaticString {
        switch self {
        case .unreadableNames: "unreadable-names"
        case .repeatedExtension: "repeated-extension"
        case .noURI: "no-uri"
        case .severalURIs: "several-uris"
        case .spiffeID: "spiffe-id"
        case .invalidExtension: "invalid-extension"
        case .authority: "authority"
        case .noDigitalSignature: "no-digital-signature"
        case .signsCertificates: "signs-certificates"
        case .noExtendedKeyUsage: "no-extended-key-usage"
        case .anyExtendedKeyUsage: "any-extended-key-usage"
        case .notForClients: "not-for-clients"
        case .notYetValid: "not-yet-valid"
        case .expired: "expired"
        case .revoked: "revoked"
        case .notVerified: "not-verified"
        case .unknownTrustDomain: "unknown-trust-domain"
        case .foreignStore: "foreign-store"
        case .issuerNotPinned: "issuer-not-pinned"
        case .accountNotVouched: "account-not-vouched"
        case .region: "region"
        }
    }
}
