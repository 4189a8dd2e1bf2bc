package import Cryptography
package import Domain

/// Who makes a request, as proven by `Authenticator`, which alone makes one.
///
/// A class: a connection's next request by the same principal is by the same object.
package final class Caller: Sendable {
    /// What proved it.
    package enum Scheme: String, Sendable {
        /// The client certificate alone.
        case certificate
        /// AWS Signature Version 4, with or without a certificate.
        case sigV4
        /// The HMAC or signature of a webhook, by its vendor's scheme.
        case webhook
        /// An HTTP message signature (RFC 9421) of a webhook.
        case messageSignature
        /// A webhook in shadow mode whose signature was not verified.
        case unverifiedWebhook
    }

    package let principal: Principal
    /// Where the principal's account stands in the organization; nil when it is in none or that is not known.
    package let organizationPath: OrganizationPath?
    /// The trust domain of the certificate, nil without one.
    package let trustDomain: String?
    /// SHA-256 of the certificate, nil without one.
    package let certificateFingerprint: Digest?
    /// What was signed and with which key; nil without a signature.
    package let signature: SigV4Proof?
    /// What the request of a webhook proved; nil for every other caller.
    package let webhook: WebhookAttestation?
    /// The listener the request came in by.
    package let endpoint: String
    /// The peer's address, as the socket has it.
    package let sourceAddress: String

    /// The certificate of the connection, and what the control plane knew when it was held to its trust domain.
    private let certificate: CertificateIdentity?
    private let revision: UInt64?

    /// The session of a role that the signature's temporary credentials stand for; `nil` for any other caller.
    package var session: RoleSession? { signature?.accessKey.session?.role }
    /// Whom limits and idempotency keys count: the role behind a session, for a session's name is its caller's choice.
    package var accountable: String { session?.role.arn ?? principal.arn }
    /// `aws:userid`: of a user or role its id, of a session `ROLE-ID:SESSION-NAME`.
    package var userID: String {
        session.map { "\(PrincipalID.text(of: $0.role)):\($0.name)" } ?? PrincipalID.text(of: principal)
    }
    /// The principal's account.
    package var account: AccountID { principal.account }
    /// The key that signed, nil without a signature.
    package var accessKeyID: String? { signature?.accessKey.id ?? webhook?.keyID }
    package var signatureScheme: Scheme {
        guard let webhook else { return signature == nil ? .certificate : .sigV4 }
        if webhook.refusal != nil { return .unverifiedWebhook }
        return webhook.isMessageSignature ? .messageSignature : .webhook
    }

    init(
        principal: Principal, organizationPath: OrganizationPath?, certificate: CertificateIdentity?,
        signature: SigV4Proof?, webhook: WebhookAttestation? = nil, arrival: Authenticator.Arrival, revision: UInt64?
    ) {
        self.principal = principal
        self.organizationPath = organizationPath
        self.certificate = certificate
        self.revision = revision
        trustDomain = certificate?.trustDomain
        certificateFingerprint = certificate?.fingerprint
        self.signature = signature
        self.webhook = webhook
        endpoint = arrival.endpoint
        sourceAddress = arrival.sourceAddress
    }

    /// Whether this caller came with `certificate` while the control plane knew what `directory` knows: what it was
    /// held to then, time aside, it would be held to now.
    func wasHeld(to directory: IdentityDirectory, with certificate: CertificateIdentity?) -> Bool {
        revision != nil && revision == directory.revision && self.certificate === certificate
    }

    /// Whether a webhook's request by `arrival` that proved `attestation` is by this very caller.
    func attested(
        _ attestation: WebhookAttestation, from arrival: Authenticator.Arrival, organizationPath: OrganizationPath?
    ) -> Bool {
        webhook === attestation && endpoint == arrival.endpoint && sourceAddress == arrival.sourceAddress
            && self.organizationPath == organizationPath
    }

    /// Whether an unsigned request by `arrival` is by this very caller.
    func isUnsigned(from arrival: Authenticator.Arrival, organizationPath: OrganizationPath?) -> Bool {
        signature == nil && webhook == nil && endpoint == arrival.endpoint && sourceAddress == arrival.sourceAddress
            && self.organizationPath == organizationPath
    }
}
