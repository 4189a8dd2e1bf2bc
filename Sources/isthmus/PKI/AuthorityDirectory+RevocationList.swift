import Cryptography
import Domain

extension AuthorityDirectory {
    /// Writes a new list and, where most of the index is over, a shorter index. The directory is locked.
    func writeList(of authority: CertificateAuthority, lifetime: Lifetime) throws(ProgramError) {
        let index = try index()
        let now = clock.now()
        let number = index.listNumber + 1
        let inForce = listInForce(of: authority)
        let slack = CertificateAuthority.clockSlackSeconds
        let revoked = index.listable(after: inForce.map { ($0.number, $0.thisUpdate) }, slack: slack)
        let entries = revoked.compactMap { item in
            Hexadecimal.bytes(item.serial.utf8).map { (serialNumber: $0, at: item.at) }
        }
        let pem = try cryptographic { () throws(CryptographyError) in
            let period = try ValidityPeriod(notBefore: now.seconds, notAfter: now.seconds + lifetime.seconds)
            return try authority.revocationList(revoked: entries, number: number, validity: period).pem()
        }
        let draft = DurableFile.Draft(path: listPath, bytes: pem, mode: 0o644)
        let line = IssuanceIndex.listed(number: number, at: now)
        try DurableFile.write([draft], replacing: true) { () throws(ProgramError) in
            try DurableFile.append(line: line, to: indexPath)
        }
        // What leaves the list in this run is forgotten in a later one at the soonest: where a clock that is ahead made
        // it leave, it comes back with the right time.
        if let inForce, inForce.count > revoked.count(where: { $0.after < inForce.number }) { return }
        if let kept = index.compacted(listed: Set(revoked.map(\.serial)), endedBefore: now.seconds - slack) {
            try DurableFile.write(kept + line + [0x0A], to: indexPath, mode: 0o600, replacing: true)
        }
    }

    /// The certificate in a PEM file that somebody names to have it revoked: this authority's own, for when it ends is
    /// believed.
    func certificate(toRevoke file: String) throws(ProgramError) -> Certificate {
        let bytes = try files.whole(file, Certificate.pemBytesLimit)
        let named: Certificate
        do throws(CryptographyError) { named = try Certificate.certificates(pem: bytes)[0] } catch {
            throw ProgramError(Printable.line("`\(file)`: \(error): name a PEM file, `BEGIN CERTIFICATE`"))
        }
        let authority = try certificates()[0]
        guard named.issuer == authority.subject else {
            throw ProgramError(
                Printable.line("`\(file)` is of the authority `\(named.issuer)`, not of `\(authority.subject)`: ")
                    + "revoke it in the directory of its own")
        }
        guard named.isSigned(by: authority) else {
            throw ProgramError(
                Printable.line("`\(file)` bears the name of `\(authority.subject)`, but not its key's signature: ")
                    + "what it says of its end is not believed; if its serial number is to be revoked, write "
                    + "`--serial \(named.serialHexadecimal)`, which keeps it on the list for ever")
        }
        return named
    }

    /// The number, date and size of the list in force; nil where there is none to go by, so that nothing leaves the
    /// list. A date to come counts as now: what has not ended yet stays.
    private func listInForce(
        of authority: CertificateAuthority
    ) -> (number: UInt64, thisUpdate: Int64, count: Int)? {
        guard case .success(let lists) = Result(catching: { () throws(ProgramError) in try lists() }),
            let list = lists.first, list.isSigned(by: authority.certificate), let number = list.sequence
        else { return nil }
        return (number, min(list.thisUpdate, clock.now().seconds), list.count)
    }
}

extension CertificateRevocationList {
    /// The list's number; nil when it is absent or longer than this program counts.
    var sequence: UInt64? {
        number.isEmpty || number.count > 8 ? nil : number.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
