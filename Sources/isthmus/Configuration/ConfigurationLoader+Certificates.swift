import Cryptography
import Domain

extension ConfigurationLoader {
    private static let daySeconds: Int64 = 86_400
    /// A server certificate should not live longer. Source: THREATS 3.1.
    private static let recommendedServerDays: Int64 = 90

    /// A listener's certificate and key: both readable, of one pair, and in their time.
    func checkPair(_ certificate: LoadedFile, _ privateKey: SecretFile, at mapping: YAMLMapping) {
        let chain = certificates(certificate, at: mapping["certificate"])
        let key = key(privateKey, at: mapping["privateKey"])
        guard let leaf = chain.first else { return }
        if let key, key.fingerprint != leaf.publicKeyFingerprint {
            mapping["privateKey"]?.error(
                "`\(privateKey.path)` is not the key of `\(certificate.path)`",
                "name the key the certificate was issued for, and put the leaf first in the chain")
        }
        guard let place = mapping["certificate"] else { return }
        if leaf.notAfter < now.seconds {
            place.warning(
                "`\(certificate.path)` expired at \(Timestamp(seconds: leaf.notAfter).iso8601)",
                "issue a new one: `isthmus pki issue-server`")
        } else if leaf.notBefore > now.seconds {
            place.warning(
                "`\(certificate.path)` is not valid before \(Timestamp(seconds: leaf.notBefore).iso8601)",
                "check the clock")
        }
        if leaf.usage.extendedKeyUsage?.contains(.serverAuthentication) != true {
            place.warning(
                "`\(certificate.path)` does not say that it is for servers: strict clients refuse it",
                "issue one with extended key usage serverAuth: `isthmus pki issue-server`")
        }
        if leaf.notAfter - leaf.notBefore > Self.recommendedServerDays * Self.daySeconds {
            place.warning(
                "`\(certificate.path)` lives \((leaf.notAfter - leaf.notBefore) / Self.daySeconds) days",
                "issue certificates of at most \(Self.recommendedServerDays) days")
        }
    }

    private func key(_ file: SecretFile, at value: YAMLValue?) -> PublicKey? {
        do throws(CryptographyError) {
            return try PrivateKey(pem: file.bytes).publicKey()
        } catch {
            value?.error(
                "`\(file.path)` is not a usable private key: \(error)",
                "name an unencrypted PEM key of PKCS #8, SEC 1 or PKCS #1")
            return nil
        }
    }

    private func certificates(_ file: LoadedFile, at value: YAMLValue?) -> [Certificate] {
        do throws(CryptographyError) {
            return try Certificate.certificates(pem: file.bytes)
        } catch {
            value?.error(
                "`\(file.path)` holds no usable certificates: \(error)", "name a PEM file, `BEGIN CERTIFICATE`")
            return []
        }
    }

    /// A trust domain's CA certificates, pins and revocation lists, each against the others.
    func checkChain(_ domain: Configuration.TrustDomain, at mapping: YAMLMapping) {
        let authorities = certificates(domain.bundle, at: mapping["bundle"])
        guard !authorities.isEmpty, let bundle = mapping["bundle"], let pins = mapping["issuerPins"] else { return }
        for authority in authorities {
            if !authority.usage.isAuthority {
                bundle.error(
                    "`\(domain.bundle.path)` holds `\(authority.subject)`, which is no CA",
                    "put CA certificates only into a bundle")
            }
            if authority.usage.isAuthority, authority.usage.pathLength.map({ $0 > 1 }) ?? true {
                let count = authority.usage.pathLength.map { "\($0)" } ?? "any number of"
                bundle.warning(
                    "`\(authority.subject)` may have \(count) authorities below it",
                    "issue CAs with a path length of 0 or 1")
            }
            if authority.notAfter < now.seconds {
                bundle.warning(
                    "`\(authority.subject)` expired at \(Timestamp(seconds: authority.notAfter).iso8601)",
                    "replace the bundle")
            }
        }
        for (index, pin) in domain.issuerPins.enumerated()
        where !authorities.contains(where: { $0.publicKeyFingerprint == pin }) {
            let known = authorities.map { "\($0.publicKeyFingerprint.hexadecimal) (`\($0.subject)`)" }
            pins.error(
                "`\(pins.path)[\(index)]` is the key of no CA in `\(domain.bundle.path)`",
                "the bundle holds \(known.joined(separator: ", "))")
        }
        checkLists(domain, authorities, at: mapping["revocationLists"])
        if domain.accounts.count > 1 {
            mapping["accounts"]?.warning(
                "one CA speaks for \(domain.accounts.count) accounts: whoever holds it can be any of them",
                "give each account its own trust domain where they do not trust each other")
        }
    }

    /// Every CA of the bundle needs a list it signed itself; past its time it refuses all that CA's certificates.
    private func checkLists(_ domain: Configuration.TrustDomain, _ authorities: [Certificate], at value: YAMLValue?) {
        guard let value else { return }
        var lists: [CertificateRevocationList] = []
        for file in domain.revocationLists {
            do throws(CryptographyError) {
                let read = try CertificateRevocationList.lists(file.bytes)
                for list in read where !authorities.contains(where: { list.isSigned(by: $0) }) {
                    value.error(
                        "`\(file.path)` holds a list of `\(list.issuer)` that no CA of the bundle signed",
                        "name the lists of the bundle's own CAs")
                }
                for list in read where !list.isComplete {
                    value.warning(
                        "`\(file.path)` holds a partial or delta list of `\(list.issuer)`, which is not used",
                        "name whole lists, as `isthmus pki crl` writes them")
                }
                lists += read.filter(\.isComplete)
            } catch {
                value.error("`\(file.path)` holds no usable revocation lists: \(error)", "run `isthmus pki crl`")
                return
            }
        }
        for authority in authorities {
            guard let list = lists.filter({ $0.isSigned(by: authority) }).max(by: { $0.thisUpdate < $1.thisUpdate })
            else {
                value.error(
                    "there is no revocation list of `\(authority.subject)`: its certificates would all be refused",
                    "run `isthmus pki crl` and name the file")
                continue
            }
            let due = list.nextUpdate ?? list.thisUpdate
            guard due < now.seconds else { continue }
            let end = due + CertificateStore.revocationGraceDefault
            let from = end < now.seconds ? "" : " from \(Timestamp(seconds: end).iso8601) on"
            value.warning(
                "the revocation list of `\(authority.subject)` is past its time: its certificates are refused\(from)",
                "run `isthmus pki crl`")
        }
    }
}
