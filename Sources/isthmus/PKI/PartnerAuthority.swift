import Cryptography
import Domain
import Gateway
import Identity
import Registry
import Synchronization

/// The authority that names partners, as the running gateway uses it: its directory, and what it knows to be on the
/// revocation list, so that nothing is read while nothing is due.
final class PartnerAuthority: Sendable {
    /// How long a revocation list is good. It is renewed when half of that has passed.
    static let listLifetime = Lifetime(seconds: 7 * 86_400)

    /// So many certificates later the list is renewed at once, and the index with it: certificates of a minute would
    /// fill the index long before the list is due.
    static let issuedPerListDefault = 10_000

    private struct Known {
        var withdrawn: Set<String> = []
        /// Certificates issued since the list was written.
        var issued = 0
        /// When the list is to be renewed, seconds since 1970; nil before it was read.
        var renewAt: Int64?
    }

    private let directory: AuthorityDirectory
    private let trustDomain: String
    /// Who asks, in the authority's index; nil for who only reads.
    private let gateway: String?
    private let certificateLifetime: Lifetime
    private let issuedPerList: Int
    private let known = Mutex(Known())

    init(
        _ configuration: Configuration.Onboarding, gateway: String? = nil, clock: WallClock = .system,
        random: RandomBytes = .system, issuedPerList: Int = PartnerAuthority.issuedPerListDefault
    ) {
        self.issuedPerList = issuedPerList
        self.gateway = gateway
        directory = AuthorityDirectory(
            path: configuration.authority, files: .system, clock: clock, random: random)
        trustDomain = configuration.trustDomain
        certificateLifetime = Lifetime(seconds: Int64(configuration.certificateSeconds))
    }

    /// The authority with its newest list. It vouches for nobody by itself: the registry says for whom.
    func anchor() throws(ProgramError) -> Declaration.TrustAnchor {
        let authorities = try directory.certificates()
        let lists = try directory.lists()
        var settings = CertificateStore.Configuration()
        let pins = authorities.map(\.publicKeyFingerprint)
        settings.issuerPins = Set(pins)
        do throws(CryptographyError) {
            let store = try CertificateStore(
                authorities: authorities, revocationLists: lists, configuration: settings)
            return .init(facts: TrustDomain(name: trustDomain, accounts: [], issuerPins: pins), store: store)
        } catch {
            throw ProgramError("\(directory.path): \(error)", status: .configuration)
        }
    }

    /// Issues a certificate for a SPIFFE id, noted in the index with the gateway before anybody gets it.
    func issue(_ uri: String, _ key: PublicKey) throws(AuthorityFault) -> Invitation.IssuedCertificate {
        do throws(ProgramError) {
            let certificate = try directory.certify(
                key, uri: uri, gateway: gateway, lifetime: certificateLifetime)
            known.withLock { $0.issued += 1 }
            return Invitation.IssuedCertificate(
                serial: certificate.serialHexadecimal, fingerprint: certificate.fingerprint,
                notAfter: Timestamp(seconds: certificate.notAfter), pem: try directory.pem(of: certificate))
        } catch {
            throw AuthorityFault("\(error)")
        }
    }

    /// What was issued for this gateway, is good and not revoked.
    func standing() throws(AuthorityFault) -> Set<String> {
        guard let gateway else { return [] }
        let now = directory.clock.now().seconds
        do throws(ProgramError) {
            let standing = try directory.index().issued.filter { item in
                item.gateway == gateway && item.revokedAt == nil && item.notAfter > now
            }
            return Set(standing.map(\.serial))
        } catch {
            throw AuthorityFault("\(error)")
        }
    }

    /// Puts certificates on the revocation list, and renews the list when it is due; whether it changed.
    func withdraw(_ serials: [String]) throws(AuthorityFault) -> Bool {
        let now = directory.clock.now()
        let (isDue, isLong) = known.withLock { known in
            (
                !known.withdrawn.isSuperset(of: serials) || known.renewAt.map { $0 <= now.seconds } != false,
                known.issued >= issuedPerList
            )
        }
        guard isDue || isLong else { return false }
        do throws(ProgramError) {
            let outcome = try directory.withdraw(serials, listLifetime: Self.listLifetime, renews: isLong)
            known.withLock { known in
                known.withdrawn = Set(serials)
                known.renewAt = outcome.renewAt
                if outcome.isChanged { known.issued = 0 }
            }
            return outcome.isChanged
        } catch {
            throw AuthorityFault("\(error)")
        }
    }
}

extension AuthorityDirectory {
    /// The certificate of the authority.
    func certificates() throws(ProgramError) -> [Certificate] {
        let bytes = try read(certificatePath, maximumBytes: Certificate.pemBytesLimit)
        return try cryptographic { () throws(CryptographyError) in try Certificate.certificates(pem: bytes) }
    }

    /// Its revocation list.
    func lists() throws(ProgramError) -> [CertificateRevocationList] {
        let bytes = try read(listPath, maximumBytes: CertificateRevocationList.bytesLimit)
        return try cryptographic { () throws(CryptographyError) in try CertificateRevocationList.lists(bytes) }
    }

    func pem(of certificate: Certificate) throws(ProgramError) -> [UInt8] {
        try cryptographic { () throws(CryptographyError) in try certificate.pem() }
    }

    /// Issues a certificate that is handed over and kept in the index only.
    func certify(
        _ key: PublicKey, uri: String, gateway: String?, lifetime: Lifetime
    ) throws(ProgramError) -> Certificate {
        try DurableFile.locked(lockPath) { () throws(ProgramError) in
            let authority = try load()
            let now = clock.now()
            let name = String(uri.suffix(64))
            let certificate = try cryptographic { () throws(CryptographyError) in
                try authority.issueClient(
                    uri: uri, name: name, key: key, validity: try validity(lifetime, from: now), random: random)
            }
            guard certificate.notAfter <= authority.certificate.notAfter else {
                throw ProgramError("the certificate would outlive its authority: renew the authority")
            }
            let line = IssuanceIndex.issued(
                serial: certificate.serialHexadecimal, name: uri, notAfter: certificate.notAfter, at: now,
                gateway: gateway)
            try DurableFile.append(line: line, to: indexPath)
            return certificate
        }
    }

    /// Revokes those of `serials` that are not yet, and writes a new list when that was any or half its time is over.
    ///
    /// - Parameter renews: whether a new list is written in any case.
    func withdraw(
        _ serials: [String], listLifetime: Lifetime, renews: Bool = false
    ) throws(ProgramError) -> (isChanged: Bool, renewAt: Int64) {
        try DurableFile.locked(lockPath) { () throws(ProgramError) in
            let now = clock.now()
            let index = try index()
            let withdrawn = Set(index.revoked.map(\.serial))
            let missing = serials.filter { !withdrawn.contains($0) }
            for serial in missing {
                try DurableFile.append(line: IssuanceIndex.revoked(serial: serial, at: now), to: indexPath)
            }
            let listed = try lists()
            let authority = try load()
            let renewAt = listed.compactMap { list in list.nextUpdate.map { (list.thisUpdate + $0) / 2 } }.max() ?? 0
            // A power cut may have come between the index and the list.
            let isNewest = listed.contains { $0.sequence == index.listNumber } && !index.awaitsList
            guard renews || !missing.isEmpty || renewAt <= now.seconds || !isNewest else {
                return (false, renewAt)
            }
            try writeList(of: authority, lifetime: listLifetime)
            return (true, now.seconds + listLifetime.seconds / 2)
        }
    }
}
