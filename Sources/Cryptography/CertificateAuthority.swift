/// The seconds, since 1970, in which a certificate or list is valid, as they are written into it.
package struct ValidityPeriod: Hashable, Sendable {
    /// The first second.
    package let notBefore: Int64
    /// The last second: verification refuses after it (RFC 5280 § 4.1.2.5).
    package let notAfter: Int64

    /// From `notBefore` to `notAfter`.
    ///
    /// - Throws: `.malformed(.validity)` unless they are in order and in the years 1970 … 9999.
    package init(notBefore: Int64, notAfter: Int64) throws(CryptographyError) {
        guard notBefore >= 0, notBefore <= notAfter, notAfter <= 253_402_300_799 else { throw .malformed(.validity) }
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

/// An authority that this gateway runs: a certificate with its key, able to sign others (`isthmus pki`).
package struct CertificateAuthority: Sendable {
    /// The life of a client certificate unless asked otherwise: 24 h.
    package static let clientLifetimeDefault: Int64 = 24 * 3600
    /// The longest life of a server certificate: 90 days.
    package static let serverLifetimeLimit: Int64 = 90 * 24 * 3600

    /// By how much a clock may be wrong, 5 minutes: a certificate begins so much before it is made, and counts so much
    /// after its end as one that may still pass.
    package static let clockSlackSeconds: Int64 = 300

    /// The authority's own certificate.
    package let certificate: Certificate
    let key: PrivateKey

    /// Joins an authority's certificate and key, read from files.
    ///
    /// - Throws: `.unsupported(.certificate)` when it is not an authority's; `.unsupported(.privateKey)` when the key
    ///   is not the certificate's.
    package init(certificate: Certificate, key: PrivateKey) throws(CryptographyError) {
        guard certificate.usage.isAuthority else { throw .unsupported(.certificate) }
        guard try key.publicKey().fingerprint == certificate.publicKeyFingerprint else {
            throw .unsupported(.privateKey)
        }
        self.certificate = certificate
        self.key = key
    }

    /// A new self-signed root.
    ///
    /// - Parameters:
    ///   - name: the common name, 1 … 64 characters (X.520 ub-common-name).
    ///   - pathLength: how many intermediates may stand below it.
    package static func root(
        name: String, pathLength: Int, key: PrivateKey, validity: ValidityPeriod, random: RandomBytes
    ) throws(CryptographyError) -> CertificateAuthority {
        let profile = CertificateProfile(
            commonName: name, constraint: .authority(pathLength: pathLength), keyUsage: .authority)
        let certificate = try CertificateBuilder.sign(
            profile, subject: key.publicKey(), validity: validity, issuer: nil, key: key, random: random)
        return try CertificateAuthority(certificate: certificate, key: key)
    }

    /// A new intermediate under this authority that signs leaves only (path length 0).
    package func intermediate(
        name: String, key subjectKey: PrivateKey, validity: ValidityPeriod, random: RandomBytes
    ) throws(CryptographyError) -> CertificateAuthority {
        let profile = CertificateProfile(
            commonName: name, constraint: .authority(pathLength: 0), keyUsage: .authority)
        let issued = try issue(profile, to: subjectKey.publicKey(), validity: validity, random: random)
        return try CertificateAuthority(certificate: issued, key: subjectKey)
    }

    /// A certificate for a caller: one URI name, client authentication, digital signatures.
    ///
    /// - Parameters:
    ///   - uri: `spiffe://TRUST-DOMAIN/account/ACCOUNT/(role|user)/NAME`; `Identity` says what is well formed.
    ///   - key: the caller's public key, proven by a `CertificateSigningRequest` when it is not made here.
    package func issueClient(
        uri: String, name: String, key: PublicKey, validity: ValidityPeriod, random: RandomBytes
    ) throws(CryptographyError) -> Certificate {
        var profile = CertificateProfile(commonName: name, constraint: .leaf, keyUsage: .signing)
        profile.extendedKeyUsage = .client
        profile.names.uris = [Array(uri.utf8)]
        return try issue(profile, to: key, validity: validity, random: random)
    }

    /// A certificate for a listener.
    ///
    /// - Parameters:
    ///   - dnsNames: such as `events.eu-central-1.example.com`.
    ///   - addresses: IP addresses, 4 or 16 bytes each.
    /// - Throws: `.malformed(.validity)` beyond 90 days; `.malformed(.alternativeName)`.
    package func issueServer(
        dnsNames: [String], addresses: [[UInt8]], name: String, key: PublicKey, validity: ValidityPeriod,
        random: RandomBytes
    ) throws(CryptographyError) -> Certificate {
        guard validity.notAfter - validity.notBefore <= Self.serverLifetimeLimit else { throw .malformed(.validity) }
        var profile = CertificateProfile(commonName: name, constraint: .leaf, keyUsage: .signing)
        profile.extendedKeyUsage = .server
        profile.names.dnsNames = dnsNames.map { Array($0.utf8) }
        profile.names.addresses = addresses
        return try issue(profile, to: key, validity: validity, random: random)
    }

    /// Signs whatever `profile` says; the seam through which tests make certificates nobody should.
    func issue(
        _ profile: CertificateProfile, to subject: PublicKey, validity: ValidityPeriod, random: RandomBytes
    ) throws(CryptographyError) -> Certificate {
        try CertificateBuilder.sign(
            profile, subject: subject, validity: validity, issuer: certificate, key: key, random: random)
    }

    /// A revocation list of this authority.
    ///
    /// - Parameters:
    ///   - revoked: serial number (as `Certificate.serialNumber`) and when, seconds since 1970.
    ///   - number: greater than in every list before it.
    ///   - validity: from now to the next update.
    package func revocationList(
        revoked: [(serialNumber: [UInt8], at: Int64)], number: UInt64, validity: ValidityPeriod
    ) throws(CryptographyError) -> CertificateRevocationList {
        try RevocationListBuilder.sign(
            revoked, number: number, validity: validity, issuer: certificate, key: key)
    }
}
