package import Cryptography
package import Domain

/// Whom a connection's verified certificate speaks for. Made once for a connection, checked again for each request.
///
/// A class, so that a request takes a reference and copies nothing.
///
/// - Source: THREATS §3.2
package final class CertificateIdentity: Sendable {
    package let spiffeID: SpiffeID
    /// `arn:aws:iam::ACCOUNT:(role|user)/PATH`.
    package let principal: Principal
    /// SHA-256 of the leaf.
    package let fingerprint: Digest
    /// SHA-256 of the issuing authority's SubjectPublicKeyInfo.
    package let issuer: Digest
    /// The leaf, for asking a revocation list about it.
    package let leaf: Certificate

    package var account: AccountID { spiffeID.account }
    package var trustDomain: String { spiffeID.trustDomain }

    /// The facts of a gateway that a certificate is held to.
    package struct Place: Sendable {
        package let partition: String
        package let region: String

        package init(partition: String, region: String) {
            self.partition = partition
            self.region = region
        }
    }

    /// Reads the principal from a chain that was verified in the store of the trust domain `verifiedFor`.
    ///
    /// - Throws: the first rule that is broken.
    package init(
        chain: VerifiedChain, verifiedFor domain: TrustDomain, at place: Place, now: Timestamp
    ) throws(CertificateRefusal) {
        let leaf = chain.leaf
        try Self.checkUsage(leaf.usage)
        spiffeID = try Self.readName(leaf.names)
        principal = spiffeID.principal(partition: place.partition)
        fingerprint = leaf.fingerprint
        issuer = chain.issuer.publicKeyFingerprint
        self.leaf = leaf
        guard spiffeID.trustDomain.utf8.elementsEqual(domain.name.utf8) else {
            throw .foreignStore(verifiedFor: domain.name, named: spiffeID.trustDomain)
        }
        try check(against: domain, region: place.region, now: now)
    }

    /// Holds the certificate to its trust domain as it is now: for each request of an open connection. Both ends of its
    /// validity count as valid (RFC 5280 § 4.1.2.5), as they do for the chain.
    ///
    /// - Throws: `.notYetValid`, `.expired`, `.unknownTrustDomain`, `.issuerNotPinned`, `.accountNotVouched`,
    ///   `.region`.
    package func check(against domain: TrustDomain?, region: String, now: Timestamp) throws(CertificateRefusal) {
        try checkValidity(now: now)
        guard let domain, domain.name == trustDomain else { throw .unknownTrustDomain(name: trustDomain) }
        guard domain.issuerPins.contains(issuer) else {
            throw .issuerNotPinned(trustDomain: trustDomain, issuer: issuer)
        }
        guard domain.accounts.contains(account) else {
            throw .accountNotVouched(trustDomain: trustDomain, account: account)
        }
        if let regions = domain.regions, !regions.contains(region) {
            throw .region(trustDomain: trustDomain, region: region)
        }
    }

    /// The part of `check` that only time changes.
    func checkValidity(now: Timestamp) throws(CertificateRefusal) {
        guard leaf.notBefore <= now.seconds else {
            throw .notYetValid(notBefore: Timestamp(seconds: leaf.notBefore).iso8601)
        }
        guard now.seconds <= leaf.notAfter else { throw .expired(notAfter: Timestamp(seconds: leaf.notAfter).iso8601) }
    }

    /// The one SPIFFE id among a certificate's names.
    package static func readName(_ names: SubjectAlternativeNames) throws(CertificateRefusal) -> SpiffeID {
        guard !names.isMalformed else { throw .unreadableNames }
        guard names.extensions <= 1 else { throw .repeatedExtension }
        guard let uri = names.uris.first else { throw .noURI }
        guard names.uris.count == 1 else { throw .severalURIs(count: names.uris.count) }
        do throws(SpiffeID.Refusal) {
            return try SpiffeID(parsing: uri)
        } catch {
            throw .spiffeID(error, uri: escaped(uri))
        }
    }

    /// What the key of a client's leaf must and must not be for.
    package static func checkUsage(_ usage: CertificateUsage) throws(CertificateRefusal) {
        guard !usage.hasInvalidExtension, !usage.hasUnprocessedCriticalExtension else { throw .invalidExtension }
        guard !usage.isAuthority else { throw .authority }
        guard let keyUsage = usage.keyUsage, keyUsage.contains(.digitalSignature) else { throw .noDigitalSignature }
        guard keyUsage.isDisjoint(with: [.keyCertSign, .cRLSign]) else { throw .signsCertificates }
        guard let extended = usage.extendedKeyUsage else { throw .noExtendedKeyUsage }
        guard !extended.contains(.any) else { throw .anyExtendedKeyUsage }
        guard extended.contains(.clientAuthentication) else { throw .notForClients }
    }
}

/// Bytes for a message: printable ASCII as it is, the rest, `\` and the backtick as `\xNN`; 200 characters at most.
func escaped(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for byte in bytes {
        guard text.count < 200 else { return String(decoding: text, as: UTF8.self) + "…" }
        if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "\\"), byte != UInt8(ascii: "`") {
            text.append(byte)
        } else {
            text.append("\\x")
            text.append(hexadecimal: UInt64(byte), digits: 2)
        }
    }
    return String(decoding: text, as: UTF8.self)
}
