package import Bus
package import Cryptography
package import Domain
package import Registry

/// What the control plane needs to let partners in: where they come to, the authority that names them, and the key of
/// the tokens. `isthmus` makes it; the functions may wait for the disk.
package struct Onboarding: Sendable {
    /// `https://HOST:PORT`, as partners reach the gateway.
    package let endpoint: String
    /// SHA-256 of the SubjectPublicKeyInfo of the listener there.
    package let pin: Digest
    /// PEM: the authorities that vouch for the listener's name later, when its key has changed.
    package let bundle: [UInt8]
    /// PEM: the authority of the partners' certificates.
    package let authority: [UInt8]
    /// Makes the codes of tokens.
    package let tokens: HMACSHA256
    /// Issues a certificate for a SPIFFE id and a key. The authority notes beside it that this gateway asked.
    package let issue: @Sendable (_ uri: String, PublicKey) throws(AuthorityFault) -> Invitation.IssuedCertificate
    /// The serial numbers of what was issued for this gateway and no other, is good and not revoked.
    package let standing: @Sendable () throws(AuthorityFault) -> Set<String>
    /// Takes certificates back and keeps the revocation list fresh.
    ///
    /// - Returns: whether there is a new list.
    package let withdraw: @Sendable (_ serials: [String]) throws(AuthorityFault) -> Bool
    /// The authority with the newest list.
    package let anchor: @Sendable () throws(AuthorityFault) -> Declaration.TrustAnchor
    /// A stored event; nil when there is none.
    package let event: @Sendable (UniqueID) -> StoredEvent?
    /// Closes the connections that lost their trust.
    package let closeUntrusted: @Sendable () async -> Void

    package init(
        endpoint: String, pin: Digest, bundle: [UInt8], authority: [UInt8], tokens: HMACSHA256,
        issue: @escaping @Sendable (String, PublicKey) throws(AuthorityFault) -> Invitation.IssuedCertificate,
        standing: @escaping @Sendable () throws(AuthorityFault) -> Set<String>,
        withdraw: @escaping @Sendable ([String]) throws(AuthorityFault) -> Bool,
        anchor: @escaping @Sendable () throws(AuthorityFault) -> Declaration.TrustAnchor,
        event: @escaping @Sendable (UniqueID) -> StoredEvent?, closeUntrusted: @escaping @Sendable () async -> Void
    ) {
        self.endpoint = endpoint
        self.pin = pin
        self.bundle = bundle
        self.authority = authority
        self.tokens = tokens
        self.issue = issue
        self.standing = standing
        self.withdraw = withdraw
        self.anchor = anchor
        self.event = event
        self.closeUntrusted = closeUntrusted
    }
}

/// Why the partner authority could not do its work: its directory cannot be read or written.
package struct AuthorityFault: Error, Sendable {
    /// For the operator, never for a partner.
    package let reason: String

    package init(_ reason: String) { self.reason = reason }
}
