import Domain
import Identity
import Testing

@testable import Cryptography

/// A small authority that signs whatever a test asks for, also what nobody should sign.
struct CertificateFactory {
    static let now: Int64 = 1_795_240_800
    static let uri = "spiffe://acme.example/account/111122223333/role/orders"

    let root: CertificateAuthority
    let store: CertificateStore
    let validity: ValidityPeriod

    init(pins: Set<Digest> = []) throws {
        validity = try ValidityPeriod(notBefore: Self.now - 3600, notAfter: Self.now + 3600)
        root = try CertificateAuthority.root(
            name: "acme root", pathLength: 1, key: PrivateKey.generate(.ecdsaP256), validity: validity, random: .system)
        var configuration = CertificateStore.Configuration()
        configuration.requiresRevocationLists = false
        configuration.issuerPins = pins
        store = try CertificateStore(
            authorities: [root.certificate], revocationLists: [], configuration: configuration)
    }

    var pin: Digest { root.certificate.publicKeyFingerprint }

    func domain(
        name: String = "acme.example", accounts: [UInt64] = [111_122_223_333], pins: [Digest]? = nil,
        regions: [String]? = nil
    ) -> TrustDomain {
        TrustDomain(
            name: name, accounts: accounts.map { AccountID(unchecked: $0) }, issuerPins: pins ?? [pin], regions: regions
        )
    }

    static func profile(uris: [String] = [uri]) -> CertificateProfile {
        var profile = CertificateProfile(commonName: "orders", constraint: .leaf, keyUsage: .signing)
        profile.extendedKeyUsage = .client
        profile.names.uris = uris.map { Array($0.utf8) }
        return profile
    }

    func leaf(_ profile: CertificateProfile) throws -> Certificate {
        try root.issue(
            profile, to: PrivateKey.generate(.ecdsaP256).publicKey(), validity: validity, random: .system)
    }

    func identity(
        of leaf: Certificate, domain: TrustDomain? = nil, region: String = "eu-central-1", now: Int64 = now
    ) throws -> CertificateIdentity {
        try CertificateIdentity(
            chain: VerifiedChain(certificates: [leaf, root.certificate], verifiedBy: store),
            verifiedFor: domain ?? self.domain(), at: .init(partition: "aws", region: region),
            now: Timestamp(seconds: now))
    }
}

@Suite struct CertificateIdentityTests {
    let factory: CertificateFactory

    init() throws { factory = try CertificateFactory() }

    @Test("a verified leaf with one SPIFFE id speaks for the principal it names")
    func accepts() throws {
        let leaf = try factory.leaf(CertificateFactory.profile())
        let chain = try factory.store.verify([leaf], at: CertificateFactory.now).get()
        let identity = try CertificateIdentity(
            chain: chain, verifiedFor: factory.domain(), at: .init(partition: "aws", region: "eu-central-1"),
            now: Timestamp(seconds: CertificateFactory.now))
        #expect(identity.principal.arn == "arn:aws:iam::111122223333:role/orders")
        #expect(identity.trustDomain == "acme.example")
        #expect(identity.fingerprint == leaf.fingerprint)
        #expect(identity.issuer == factory.pin)
    }

    @Test("other names beside the one URI change nothing, critical or not")
    func ignoresOtherNames() throws {
        var profile = CertificateFactory.profile()
        profile.names.dnsNames = [Array("evil.example".utf8)]
        profile.names.addresses = [[127, 0, 0, 1]]
        profile.names.isCritical = true
        #expect(try factory.identity(of: factory.leaf(profile)).account.value == 111_122_223_333)
    }

    @Test("without exactly one URI nobody is named, whatever the common name and the DNS names say")
    func refusesNames() throws {
        var named = CertificateFactory.profile(uris: [])
        named.commonName = CertificateFactory.uri
        named.names.dnsNames = [Array(CertificateFactory.uri.utf8)]
        expect(named, .noURI)
        expect(CertificateFactory.profile(uris: []), .noURI)
        expect(
            CertificateFactory.profile(uris: [CertificateFactory.uri, CertificateFactory.uri]), .severalURIs(count: 2))
        expect(
            CertificateFactory.profile(uris: [CertificateFactory.uri, "https://a", "spiffe://b"]),
            .severalURIs(count: 3))
        expect(
            CertificateFactory.profile(uris: ["spiffe://acme.example/account/111122223333/role/a\u{0}b"]),
            .spiffeID(.byte, uri: #"spiffe://acme.example/account/111122223333/role/a\x00b"#))
        expect(
            CertificateFactory.profile(uris: ["spiffe://acme.example\u{0}.evil/`x`"]),
            .spiffeID(.byte, uri: #"spiffe://acme.example\x00.evil/\x60x\x60"#))
    }

    @Test("a second extension of names, or one that cannot be decoded, is refused")
    func refusesExtensions() throws {
        let one = Array(CertificateFactory.uri.utf8)
        let der: [UInt8] = [0x30, UInt8(one.count + 2), 0x86, UInt8(one.count)] + one
        var twice = CertificateFactory.profile()
        twice.rawExtensions = [("2.5.29.17", false, der)]
        let refusals: [CertificateRefusal] = [.repeatedExtension, .invalidExtension]
        #expect(try refusals.contains(#require(refusal(twice))))
        var broken = CertificateFactory.profile(uris: [])
        broken.rawExtensions = [("2.5.29.17", false, [0x30, 0x7F, 0x86])]
        let others: [CertificateRefusal] = [.unreadableNames, .invalidExtension]
        #expect(try others.contains(#require(refusal(broken))))
        var unknown = CertificateFactory.profile()
        unknown.rawExtensions = [("1.3.6.1.4.1.99999.1", true, [0x05, 0x00])]
        expect(unknown, .invalidExtension)
    }

    @Test("a key that is for something else than a client's signatures is refused")
    func refusesUsages() {
        func changed(_ change: (inout CertificateProfile) -> Void) -> CertificateProfile {
            var profile = CertificateFactory.profile()
            change(&profile)
            return profile
        }
        expect(changed { $0.constraint = .authority(pathLength: 0) }, .authority)
        expect(changed { $0.keyUsage = .absent }, .noDigitalSignature)
        expect(changed { $0.keyUsage = .agreement }, .noDigitalSignature)
        expect(changed { $0.keyUsage = .signingAndCertificates }, .signsCertificates)
        expect(changed { $0.extendedKeyUsage = .absent }, .noExtendedKeyUsage)
        expect(changed { $0.extendedKeyUsage = .any }, .anyExtendedKeyUsage)
        expect(changed { $0.extendedKeyUsage = .server }, .notForClients)
    }

    @Test("a trust domain speaks only for its accounts, in its Regions, through its pinned authority")
    func refusesDomains() throws {
        let leaf = try factory.leaf(CertificateFactory.profile())
        func refusal(_ domain: TrustDomain, region: String = "eu-central-1") -> CertificateRefusal? {
            refused { try factory.identity(of: leaf, domain: domain, region: region) }
        }
        #expect(
            refusal(factory.domain(accounts: [444_455_556_666]))
                == .accountNotVouched(trustDomain: "acme.example", account: AccountID(unchecked: 111_122_223_333)))
        #expect(
            refusal(factory.domain(name: "other.example"))
                == .foreignStore(verifiedFor: "other.example", named: "acme.example"))
        #expect(
            refusal(factory.domain(pins: [.zero]))
                == .issuerNotPinned(trustDomain: "acme.example", issuer: factory.pin))
        #expect(
            refusal(factory.domain(pins: [])) == .issuerNotPinned(trustDomain: "acme.example", issuer: factory.pin))
        #expect(
            refusal(factory.domain(regions: ["eu-west-1"]))
                == .region(trustDomain: "acme.example", region: "eu-central-1"))
        #expect(refusal(factory.domain(regions: ["eu-west-1"]), region: "eu-west-1") == nil)
    }

    @Test("an authority of one domain cannot name another domain's principal")
    func refusesForeignAuthority() throws {
        let foreign = try CertificateFactory()
        let leaf = try foreign.leaf(CertificateFactory.profile())
        let chain = try foreign.store.verify([leaf], at: CertificateFactory.now).get()
        let found = refused {
            try CertificateIdentity(
                chain: chain, verifiedFor: factory.domain(), at: .init(partition: "aws", region: "eu-central-1"),
                now: Timestamp(seconds: CertificateFactory.now))
        }
        #expect(found == .issuerNotPinned(trustDomain: "acme.example", issuer: foreign.pin))
    }

    @Test("an identity holds from notBefore to notAfter, both seconds included")
    func dates() throws {
        let leaf = try factory.leaf(CertificateFactory.profile())
        let identity = try factory.identity(of: leaf)
        func refusal(at seconds: Int64) -> CertificateRefusal? {
            refused {
                try identity.check(
                    against: factory.domain(), region: "eu-central-1", now: Timestamp(seconds: seconds))
            }
        }
        #expect(refusal(at: leaf.notBefore) == nil)
        #expect(refusal(at: leaf.notAfter) == nil)
        #expect(refusal(at: leaf.notBefore - 1) == .notYetValid(notBefore: "2026-11-21T05:00:00Z"))
        #expect(refusal(at: leaf.notAfter + 1) == .expired(notAfter: "2026-11-21T07:00:00Z"))
        #expect(
            refused { try identity.check(against: nil, region: "eu-central-1", now: Timestamp(seconds: leaf.notAfter)) }
                == .unknownTrustDomain(name: "acme.example"))
    }

    func expect(_ profile: CertificateProfile, _ expected: CertificateRefusal, line: Int = #line) {
        let found = refusal(profile)
        #expect(found == expected, "line \(line)")
    }

    func refusal(_ profile: CertificateProfile) -> CertificateRefusal? {
        refused { try factory.identity(of: factory.leaf(profile)) }
    }

    func refused(_ body: () throws -> some Any) -> CertificateRefusal? {
        do {
            _ = try body()
            return nil
        } catch let refusal as CertificateRefusal {
            return refusal
        } catch {
            Issue.record(error)
            return nil
        }
    }
}
