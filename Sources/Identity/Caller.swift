package import Cryptography
package import Domain

/// Who makes a request, as proven by `Authenticator`, which alone makes one.
package struct Caller: Sendable {
    /// What proved it.
    package enum Scheme: String, Sendable {
        /// The client certificate alone.
        case certificate
        /// AWS Signature Version 4, with or without a certificate.
        case sigV4
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
    /// The listener the request came in by.
    package let endpoint: String
    /// The peer's address, as the socket has it.
    package let sourceAddress: String

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
    package var accessKeyID: String? { signature?.accessKey.id }
    package var signatureScheme: Scheme { signature == nil ? .certificate : .sigV4 }

    init(
        principal: Principal, organizationPath: OrganizationPath?, certificate: CertificateIdentity?,
        signature: SigV4Proof?, endpoint: String, sourceAddress: String
    ) {
        self.principal = principal
        self.organizationPath = organizationPath
        trustDomain = certificate?.trustDomain
        certificateFingerprint = certificate?.fingerprint
        self.signature = signature
        self.endpoint = endpoint
        self.sourceAddress = sourceAddress
    }
}
