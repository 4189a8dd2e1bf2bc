import Cryptography
import Domain
import Glibc

/// The directory of one trust domain's authority: `ca.key` (mode 0600), `ca.pem`, `crl.pem`, `index.jsonl`, `issued/`.
///
/// Every change takes the directory's lock, is written to the index first, and is whole or not there.
struct AuthorityDirectory {
    let path: String
    let files: SourceFiles
    let clock: WallClock
    let random: RandomBytes

    private var keyPath: String { path + "/ca.key" }
    var certificatePath: String { path + "/ca.pem" }
    var listPath: String { path + "/crl.pem" }
    var indexPath: String { path + "/index.jsonl" }
    var lockPath: String { path + "/.lock" }

    /// Where a certificate and its key were written.
    struct Issued: Equatable {
        let certificatePath: String
        /// Nil when the key stayed with its owner.
        let keyPath: String?
        let serial: String
        let notAfter: Timestamp
    }

    /// Makes the authority: a P-256 key, a self-signed certificate that may sign leaves only, an empty revocation list.
    ///
    /// - Returns: the pin of its key, for `issuerPins`.
    func found(trustDomain: String, lifetime: Lifetime, listLifetime: Lifetime) throws(ProgramError) -> Digest {
        guard TrustDomainName.isValid(trustDomain), trustDomain.utf8.count <= 60 else {
            throw ProgramError(
                "`\(trustDomain)` is not a trust domain: write a name such as `acme.example`, at most 60 characters")
        }
        try DurableFile.makeDirectory(path)
        return try DurableFile.locked(lockPath) { () throws(ProgramError) in
            DurableFile.removeLeftover(besides: keyPath)
            for file in [keyPath, certificatePath] { try DurableFile.requireAbsent(file) }
            let now = clock.now()
            let made: (authority: CertificateAuthority, key: [UInt8]) = try cryptographic {
                () throws(CryptographyError) in
                let key = try PrivateKey.generate(.ecdsaP256)
                let authority = try CertificateAuthority.root(
                    name: trustDomain, pathLength: 0, key: key, validity: validity(lifetime, from: now), random: random)
                return (authority, try key.pem())
            }
            let pem = try cryptographic { () throws(CryptographyError) in try made.authority.certificate.pem() }
            let drafts = [
                DurableFile.Draft(path: keyPath, bytes: made.key, mode: 0o600),
                DurableFile.Draft(path: certificatePath, bytes: pem, mode: 0o644),
            ]
            // Certificate and key take their places last: an authority that has them has everything.
            try DurableFile.write(drafts, replacing: false) { () throws(ProgramError) in
                try DurableFile.append(line: IssuanceIndex.founded(trustDomain: trustDomain, at: now), to: indexPath)
                try writeList(of: made.authority, lifetime: listLifetime)
            }
            return made.authority.certificate.publicKeyFingerprint
        }
    }

    /// Issues a certificate for `principal` of `account` and writes it, with a new key unless `request` brings one.
    func issuePrincipal(
        _ principal: String, account: AccountID, lifetime: Lifetime, to output: OutputPlace
    ) throws(ProgramError) -> Issued {
        let parts = principal.split(separator: "/", maxSplits: 1)
        guard parts.count == 2, parts[0] == "role" || parts[0] == "user", PrincipalPath.isValid(String(parts[1])) else {
            throw ProgramError("`\(principal)` is not a principal: write `role/NAME` or `user/NAME`")
        }
        return try issue(lifetime, named: principal, to: output) {
            (authority, key, period, domain) throws(CryptographyError) in
            let uri = "spiffe://\(domain)/account/\(account)/\(principal)"
            let name = String("\(account) \(principal)".prefix(64))
            return (try authority.issueClient(uri: uri, name: name, key: key, validity: period, random: random), uri)
        }
    }

    /// Issues a certificate for a listener.
    func issueServer(
        names: [String], addresses: [IPAddress], lifetime: Lifetime, to output: OutputPlace
    ) throws(ProgramError) -> Issued {
        guard let first = names.first ?? addresses.first?.description else {
            throw ProgramError("a server certificate needs a name: give `--name HOST` or `--address IP`")
        }
        let longest = CertificateAuthority.serverLifetimeLimit - CertificateAuthority.clockSlackSeconds
        guard lifetime.seconds <= longest else {
            throw ProgramError("a server certificate lives at most 89d: give a shorter `--valid-for`")
        }
        return try issue(lifetime, named: "server", to: output) {
            (authority, key, period, _) throws(CryptographyError) in
            let certificate = try authority.issueServer(
                dnsNames: names, addresses: addresses.map(\.bytes), name: String(first.prefix(64)), key: key,
                validity: period, random: random)
            return (certificate, first)
        }
    }

    /// Revokes a certificate and writes a new list. Revoking again changes nothing but the list's date.
    ///
    /// - Parameter notAfter: when the certificate ends, where the caller knows; without it a serial number that was not
    ///   issued here stays on the list for ever.
    /// - Returns: whether the certificate was issued here and has not been forgotten since.
    func revoke(serial: String, notAfter: Int64? = nil, listLifetime: Lifetime) throws(ProgramError) -> Bool {
        guard (2...40).contains(serial.utf8.count), let bytes = Hexadecimal.bytes(serial.utf8) else {
            throw ProgramError(
                Printable.line("`\(serial)` is not a serial number: ")
                    + "write its hexadecimal digits, as `isthmus pki list` shows them")
        }
        try requireDirectory()
        return try DurableFile.locked(lockPath) { () throws(ProgramError) in
            let authority = try load()
            let number = Hexadecimal.text(Array(bytes.drop { $0 == 0 }))
            let isKnown = try index().knows(number)
            let line = IssuanceIndex.revoked(serial: number, notAfter: notAfter, at: clock.now())
            try DurableFile.append(line: line, to: indexPath)
            try writeList(of: authority, lifetime: listLifetime)
            return isKnown
        }
    }

    /// Writes a fresh revocation list.
    func renewList(lifetime: Lifetime) throws(ProgramError) {
        try requireDirectory()
        try DurableFile.locked(lockPath) { () throws(ProgramError) in try writeList(of: try load(), lifetime: lifetime)
        }
    }

    /// What the authority has done.
    func index() throws(ProgramError) -> IssuanceIndex {
        try IssuanceIndex(reading: try read(indexPath, maximumBytes: IssuanceIndex.maximumBytes), file: indexPath)
    }

    /// The pin of the authority's key.
    func pin() throws(ProgramError) -> Digest { try certificates()[0].publicKeyFingerprint }

    // MARK: -

    /// Refuses where there is no directory: nothing but `found` makes one.
    private func requireDirectory() throws(ProgramError) {
        guard access(path, F_OK) == 0 else {
            throw ProgramError("there is no `\(path)`: make the authority first, by `isthmus pki init`")
        }
    }

    private typealias Signing =
        (CertificateAuthority, PublicKey, ValidityPeriod, String) throws(CryptographyError) -> (Certificate, String)

    private func issue(
        _ lifetime: Lifetime, named name: String, to output: OutputPlace, _ sign: Signing
    ) throws(ProgramError) -> Issued {
        try requireDirectory()
        return try DurableFile.locked(lockPath) { () throws(ProgramError) in
            let authority = try load()
            let domain = try index().trustDomain
            let now = clock.now()
            let prefix = try output.prefix(in: path, name: name)
            let subject = try subject(output, prefix: prefix)
            let (certificate, label) = try cryptographic { () throws(CryptographyError) in
                try sign(authority, subject.publicKey, try validity(lifetime, from: now), domain)
            }
            guard certificate.notAfter <= authority.certificate.notAfter else {
                throw ProgramError("the certificate would outlive its authority: give a shorter `--valid-for`")
            }
            let line = IssuanceIndex.issued(
                serial: certificate.serialHexadecimal, name: label, notAfter: certificate.notAfter, at: now)
            let pem = try cryptographic { () throws(CryptographyError) in try certificate.pem() }
            var drafts = [DurableFile.Draft(path: prefix + ".pem", bytes: pem, mode: 0o644)]
            if let key = subject.key {
                drafts.insert(DurableFile.Draft(path: prefix + ".key", bytes: key, mode: 0o600), at: 0)
            }
            try DurableFile.write(drafts, replacing: output.replacing) { () throws(ProgramError) in
                try DurableFile.append(line: line, to: indexPath)
            }
            return Issued(
                certificatePath: prefix + ".pem", keyPath: subject.key == nil ? nil : prefix + ".key",
                serial: certificate.serialHexadecimal, notAfter: Timestamp(seconds: certificate.notAfter))
        }
    }

    /// The key to certify: the one of a signing request, else a new one that is then written.
    private func subject(
        _ output: OutputPlace, prefix: String
    ) throws(ProgramError) -> (publicKey: PublicKey, key: [UInt8]?) {
        if let request = output.request {
            let bytes = try SourceFiles.system.whole(request, CertificateSigningRequest.bytesLimit)
            do throws(CryptographyError) { return (try CertificateSigningRequest(pem: bytes).publicKey, nil) } catch {
                throw ProgramError(
                    "`\(request)` cannot be used: \(error): name a PEM file, `BEGIN CERTIFICATE REQUEST`, of a P-256 "
                        + "or Ed25519 key")
            }
        }
        return try cryptographic { () throws(CryptographyError) in
            let key = try PrivateKey.generate(.ecdsaP256)
            return (try key.publicKey(), try key.pem())
        }
    }

    /// The authority's certificate and key. The directory is locked.
    func load() throws(ProgramError) -> CertificateAuthority {
        DurableFile.removeLeftover(besides: keyPath)
        let certificate = try read(certificatePath, maximumBytes: Certificate.pemBytesLimit)
        let key = try read(keyPath, maximumBytes: PublicKey.encodedBytesLimit, isSecret: true)
        return try cryptographic { () throws(CryptographyError) in
            let certificates = try Certificate.certificates(pem: certificate)
            return try CertificateAuthority(certificate: certificates[0], key: try PrivateKey(pem: key))
        }
    }

    func validity(_ lifetime: Lifetime, from now: Timestamp) throws(CryptographyError) -> ValidityPeriod {
        try ValidityPeriod(
            notBefore: now.seconds - CertificateAuthority.clockSlackSeconds, notAfter: now.seconds + lifetime.seconds)
    }

    /// - Parameter isSecret: whether it must be readable by its owner alone.
    func read(_ file: String, maximumBytes: Int, isSecret: Bool = false) throws(ProgramError) -> [UInt8] {
        let content: SourceFiles.Content
        do throws(SourceFiles.Failure) {
            content = try files.read(file, maximumBytes)
        } catch {
            throw ProgramError(
                "cannot read `\(file)`: \(error.cause): is `\(path)` a directory made by `isthmus pki init`?")
        }
        if isSecret { try content.requireSecret(file) }
        return content.bytes
    }

    func cryptographic<Result>(
        _ body: () throws(CryptographyError) -> Result
    ) throws(ProgramError) -> Result {
        do throws(CryptographyError) { return try body() } catch { throw ProgramError("\(path): \(error)") }
    }
}

/// Where an issued certificate goes, and whose key it certifies.
struct OutputPlace {
    /// `PREFIX.pem` and `PREFIX.key`; nil is `issued/NAME` in the authority's directory.
    var prefix: String?
    /// A PKCS #10 file; nil makes a new key.
    var request: String?
    /// Whether files that are there may be replaced.
    var replacing = false

    func prefix(in directory: String, name: String) throws(ProgramError) -> String {
        if let prefix { return prefix }
        try DurableFile.makeDirectory(directory + "/issued")
        return directory + "/issued/" + name.map { $0 == "/" ? "-" : String($0) }.joined()
    }
}
