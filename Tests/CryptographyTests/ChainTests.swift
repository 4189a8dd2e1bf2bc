@testable import Cryptography
import Testing

@Suite struct ChainTests {
    let now = CertificateFactory.now

    @Test("a leaf of the domain's authority is verified, with its chain")
    func verified() throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf()
        let chain = try factory.store().verify([leaf], at: now).get()
        #expect(chain.certificates == [leaf, factory.authority.certificate])
        #expect(try factory.store().verify(chain.certificates, at: now).refusal == nil)
        #expect(try factory.store().verify([], at: now).refusal == .noCertificate)
    }

    @Test("validity is exact to the second, both ends included")
    func validity() throws {
        let factory = try CertificateFactory()
        let store = try factory.store()
        let leaf = try factory.leaf(CertificateFactory.validity(-10, 10))
        #expect(store.verify([leaf], at: now - 11).refusal == .notYetValid)
        #expect(store.verify([leaf], at: now - 10).refusal == nil)
        #expect(store.verify([leaf], at: now + 9).refusal == nil)
        #expect(store.verify([leaf], at: now + 10).refusal == nil)
        #expect(store.verify([leaf], at: now + 11).refusal == .expired)
    }

    @Test("an authority is valid through its last second too, and the rest of the rules hold in it")
    func authorityValidity() throws {
        let factory = try CertificateFactory()
        let list = try factory.list(validity: CertificateFactory.validity(-3600, 7200))
        let store = try factory.store(lists: [list])
        let leaf = try factory.leaf(CertificateFactory.validity(-10, 7200))
        let last = now + 3600
        #expect(store.verify([leaf], at: last - 1).refusal == nil)
        #expect(store.verify([leaf], at: last).refusal == nil)
        let late = try #require(store.verify([leaf], at: last + 1).failure)
        #expect(late.reason == .expired && late.depth == 1)
        let both = try factory.leaf()
        #expect(store.verify([both], at: last).refusal == nil)
        #expect(store.verify([both], at: last + 1).refusal == .expired)
        var der = both.der
        der[der.count - 1] ^= 1
        #expect(try store.verify([Certificate(der: der)], at: last).refusal == .badSignature)
        let revoked = try factory.store(lists: [
            factory.list([both], validity: CertificateFactory.validity(-3600, 7200))
        ])
        #expect(revoked.verify([both], at: last).refusal == .revoked)
        let server = try factory.leaf { $0.extendedKeyUsage = .server }
        #expect(store.verify([server], at: last).refusal == .wrongPurpose)
    }

    @Test("another domain's authority, even one of the same name, is refused")
    func otherAuthority() throws {
        let store = try CertificateFactory().store()
        #expect(try store.verify([CertificateFactory().leaf()], at: now).refusal == .badSignature
            || store.verify([CertificateFactory(name: "evil").leaf()], at: now).refusal == .untrustedAuthority)
        let other = try CertificateFactory(name: "evil")
        let chain = [try other.leaf(), other.authority.certificate]
        #expect(store.verify(chain, at: now).refusal == .untrustedAuthority)
    }

    @Test("a self-signed leaf is refused, and so is the authority in a leaf's place")
    func selfSigned() throws {
        let factory = try CertificateFactory()
        let store = try factory.store()
        #expect(try store.verify([CertificateFactory(name: "self").authority.certificate], at: now).refusal != nil)
        #expect(store.verify([factory.authority.certificate], at: now).refusal != nil)
    }

    @Test("usages and constraints that do not fit a client are refused by the chain rules")
    func purposes() throws {
        let factory = try CertificateFactory()
        let store = try factory.store()
        #expect(try store.verify([factory.leaf { $0.extendedKeyUsage = .server }], at: now).refusal == .wrongPurpose)
        let unknown = try factory.leaf { $0.rawExtensions = [("1.3.6.1.4.1.55555.1", true, [5, 0])] }
        #expect(store.verify([unknown], at: now).refusal == .invalidExtension)
        let twice = try factory.leaf { $0.rawExtensions = [("2.5.29.17", false, bytes("3003820163"))] }
        #expect(store.verify([twice], at: now).refusal != nil)
    }

    @Test("an intermediate signs leaves but no further authority")
    func pathLength() throws {
        let factory = try CertificateFactory()
        let key = try PrivateKey.generate(.ecdsaP256)
        func intermediate(_ above: CertificateAuthority, _ name: String) throws -> CertificateAuthority {
            try above.intermediate(name: name, key: key, validity: CertificateFactory.validity(), random: .system)
        }
        func leaf(_ authority: CertificateAuthority) throws -> Certificate {
            try authority.issueClient(
                uri: CertificateFactory.uri, name: "sender", key: factory.key.publicKey(),
                validity: CertificateFactory.validity(), random: .system)
        }
        let first = try intermediate(factory.authority, "issuing")
        let second = try intermediate(first, "rogue")
        let list = try first.revocationList(revoked: [], number: 1, validity: CertificateFactory.validity())
        let store = try CertificateStore(
            authorities: [factory.authority.certificate, first.certificate], revocationLists: [factory.list(), list])
        #expect(try store.verify([leaf(first)], at: now).refusal == nil)
        #expect(try store.verify([leaf(first), first.certificate], at: now).get().certificates.count == 3)
        #expect(try store.verify([leaf(second), second.certificate], at: now).refusal == .invalidAuthority)
        var configuration = CertificateStore.Configuration()
        configuration.issuerPins = [first.certificate.publicKeyFingerprint]
        let pinned = try CertificateStore(
            authorities: [factory.authority.certificate, first.certificate], revocationLists: [factory.list(), list],
            configuration: configuration)
        #expect(try pinned.verify([leaf(first)], at: now).refusal == nil)
        #expect(try pinned.verify([factory.leaf()], at: now).refusal == .authorityNotPinned)
    }

    /// A root and, one below the other, as many authorities as `count` says; each allows what stands below it.
    private func line(of count: Int) throws -> [CertificateAuthority] {
        var line = [try CertificateFactory(pathLength: count).authority]
        for number in 1...count {
            let profile = CertificateProfile(
                commonName: "below \(number)", constraint: .authority(pathLength: count - number), keyUsage: .authority)
            let key = try PrivateKey.generate(.ecdsaP256)
            let certificate = try line[number - 1].issue(
                profile, to: key.publicKey(), validity: CertificateFactory.validity(), random: .system)
            line.append(try CertificateAuthority(certificate: certificate, key: key))
        }
        return line
    }

    @Test("four intermediates are followed to the root and a fifth is one too many, sent or stored")
    func chainLength() throws {
        let line = try line(of: 6)
        let lists = try line.map {
            try $0.revocationList(revoked: [], number: 1, validity: CertificateFactory.validity())
        }
        let all = try CertificateStore(authorities: line.map(\.certificate), revocationLists: lists)
        var configuration = CertificateStore.Configuration()
        configuration.requiresRevocationLists = false
        let root = try CertificateStore(
            authorities: [line[0].certificate], revocationLists: [], configuration: configuration)
        let subject = try PrivateKey.generate(.ecdsaP256).publicKey()
        for count in 0...6 {
            let leaf = try line[count].issueClient(
                uri: CertificateFactory.uri, name: "sender", key: subject, validity: CertificateFactory.validity(),
                random: .system)
            let sent = [leaf] + line[1...].prefix(count).reversed().map(\.certificate)
            for found in [all.verify([leaf], at: now), all.verify(sent, at: now), root.verify(sent, at: now)] {
                if count <= 4 {
                    #expect(try found.get().certificates == sent + [line[0].certificate], "\(count) intermediates")
                } else {
                    #expect(found.refusal == .chainTooLong, "\(count) intermediates")
                }
            }
        }
    }

    @Test("a leaf signed by another leaf is refused")
    func leafAsAuthority() throws {
        let factory = try CertificateFactory()
        let middle = try factory.leaf()
        let forged = try CertificateBuilder.sign(
            CertificateProfile(commonName: "forged", constraint: .leaf, keyUsage: .signing),
            subject: factory.key.publicKey(), validity: CertificateFactory.validity(), issuer: middle,
            key: factory.key, random: .system)
        #expect(try factory.store().verify([forged, middle], at: now).refusal == .invalidAuthority)
    }

    @Test("a certificate whose signature was changed is refused")
    func badSignature() throws {
        let factory = try CertificateFactory()
        var der = try factory.leaf().der
        der[der.count - 1] ^= 1
        #expect(try factory.store().verify([Certificate(der: der)], at: now).refusal == .badSignature)
    }

    @Test("a store takes authorities only")
    func leafInStore() throws {
        let leaf = try CertificateFactory().leaf()
        #expect(throws: CryptographyError.unsupported(.certificate)) {
            try CertificateStore(authorities: [leaf], revocationLists: [])
        }
    }
}

@Suite struct RevocationTests {
    let now = CertificateFactory.now

    @Test("a revoked certificate is refused, its neighbour is not")
    func revoked() throws {
        let factory = try CertificateFactory()
        let (bad, good) = (try factory.leaf(), try factory.leaf())
        let store = try factory.store(lists: [factory.list([bad])])
        #expect(store.verify([bad], at: now).refusal == .revoked)
        #expect(store.verify([good], at: now).refusal == nil)
    }

    @Test("an authority without a revocation list is refused, unless lists are not required")
    func missing() throws {
        let factory = try CertificateFactory()
        #expect(try factory.store(lists: []).verify([factory.leaf()], at: now).refusal == .revocationListMissing)
        let lax = try factory.store(lists: []) { $0.requiresRevocationLists = false }
        #expect(try lax.verify([factory.leaf()], at: now).refusal == nil)
    }

    @Test("a list is used until its grace ends, and is overdue after its next update")
    func stale() throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf(CertificateFactory.validity(-3600, 3000))
        let list = try factory.list(validity: CertificateFactory.validity(-1000, -500))
        let store = try factory.store(lists: [list]) { $0.revocationGrace = 600 }
        #expect(store.usableUntil == now + 100)
        for moment in [now - 500, now - 499, now + 100] { #expect(store.verify([leaf], at: moment).refusal == nil) }
        #expect(store.overdueLists(at: now - 500).isEmpty)
        let overdue = store.overdueLists(at: now - 499)
        #expect(overdue.map(\.authority) == ["CN=acme.example root"] && overdue.map(\.refusedFrom) == [now + 101])
        #expect(store.verify([leaf], at: now + 101).refusal == .revocationListStale)
        let strict = try factory.store(lists: [list]) { $0.revocationGrace = 0 }
        #expect(strict.verify([leaf], at: now - 499).refusal == .revocationListStale)
        #expect(strict.verify([leaf], at: now - 1001).refusal == .revocationListNotYetValid)
    }

    @Test("the newest list of an authority counts, whatever the order")
    func newest() throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf()
        let (old, new) = (try factory.list(number: 1), try factory.list([leaf], number: 256))
        for lists in [[old, new], [new, old]] {
            let store = try factory.store(lists: lists)
            #expect(store.verify([leaf], at: now).refusal == .revoked)
        }
    }

    @Test("a list that the authority did not sign is ignored, so the authority is refused")
    func forged() throws {
        let (factory, impostor) = (try CertificateFactory(), try CertificateFactory())
        let store = try factory.store(lists: [impostor.list()])
        #expect(store.revocationLists.isEmpty)
        #expect(try store.verify([factory.leaf()], at: now).refusal == .revocationListMissing)
    }

    @Test("a list survives PEM, and text that is none is malformed")
    func encodings() throws {
        let factory = try CertificateFactory()
        let list = try factory.list([factory.leaf()], number: 7)
        let read = try #require(try CertificateRevocationList.lists(list.pem()).first)
        #expect(read.count == 1 && read.number == [7] && read.isComplete)
        #expect(read.thisUpdate == now - 3600 && read.nextUpdate == now + 3600)
        #expect(throws: CryptographyError.malformed(.revocationList)) { try CertificateRevocationList.lists([]) }
        #expect(throws: CryptographyError.malformed(.revocationList)) { try CertificateRevocationList.lists([0x30, 0]) }
    }

    @Test("among 100 000 revoked serial numbers a lookup is a search, not a walk")
    func large() throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf()
        let serials: [(serialNumber: [UInt8], at: Int64)] = (0..<100_000).map { number in
            let bytes = withUnsafeBytes(of: UInt32(number).bigEndian) { [1] + [UInt8]($0) }
            return (serialNumber: bytes, at: now - 60)
        }
        let list = try factory.authority.revocationList(
            revoked: serials + [(leaf.serialNumber, now - 60)], number: 1, validity: CertificateFactory.validity())
        #expect(list.count == 100_001)
        let store = try factory.store(lists: [list])
        let clock = ContinuousClock()
        let elapsed = clock.measure {
            for _ in 0..<100 { #expect(store.verify([leaf], at: now).refusal == .revoked) }
        }
        #expect(elapsed < .seconds(2))
    }
}
