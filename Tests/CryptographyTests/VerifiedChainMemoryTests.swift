@testable import Cryptography
import Testing

@Suite struct VerifiedChainMemoryTests {
    let now = CertificateFactory.now

    @Test("a chain accepted before is given again, from its first second to its last and in no other")
    func dates() throws {
        let factory = try CertificateFactory()
        let store = try factory.store()
        let leaf = try factory.leaf(CertificateFactory.validity(-10, 10))
        let first = try store.verify([leaf], at: now).get()
        for moment in [now - 10, now + 10] {
            #expect(try store.verify([leaf], at: moment).get().leaf === first.leaf)
        }
        #expect(store.verify([leaf], at: now - 11).refusal == .notYetValid)
        #expect(store.verify([leaf], at: now + 11).refusal == .expired)
        #expect(store.memory.count == 1)
    }

    @Test("an authority's dates end what is remembered of its leaves")
    func authorityDates() throws {
        let factory = try CertificateFactory()
        let store = try factory.store(lists: [factory.list(validity: CertificateFactory.validity(-7200, 7200))])
        let leaf = try factory.leaf(CertificateFactory.validity(-7200, 7200))
        #expect(store.verify([leaf], at: now + 3600).refusal == nil)
        #expect(store.verify([leaf], at: now + 3601).refusal == .expired)
        #expect(store.verify([leaf], at: now - 3601).refusal == .notYetValid)
        #expect(store.memory.count == 1)
    }

    @Test("what was remembered by a fresh list is examined again when the list is due, and refused after its grace")
    func listDates() throws {
        let factory = try CertificateFactory()
        let list = try factory.list(validity: CertificateFactory.validity(-1000, -500))
        let store = try factory.store(lists: [list]) { $0.revocationGrace = 600 }
        let leaf = try factory.leaf()
        let first = try store.verify([leaf], at: now - 500).get()
        #expect(store.memory.count == 1)
        let again = try Certificate(der: leaf.der)
        #expect(try store.verify([again], at: now - 499).get().leaf === again)
        #expect(try store.verify([again], at: now - 500).get().leaf === first.leaf)
        #expect(store.verify([leaf], at: now + 101).refusal == .revocationListStale)
        #expect(store.verify([leaf], at: now - 1001).refusal == .revocationListNotYetValid)
    }

    @Test("what was accepted by a stale list, or refused, is not remembered")
    func notRemembered() throws {
        let factory = try CertificateFactory()
        let list = try factory.list(validity: CertificateFactory.validity(-1000, -500))
        let stale = try factory.store(lists: [list])
        #expect(try stale.verify([factory.leaf()], at: now).refusal == nil)
        #expect(stale.memory.count == 0)
        let revoked = try factory.leaf()
        let store = try factory.store(lists: [factory.list([revoked])])
        #expect(store.verify([revoked], at: now).refusal == .revoked)
        #expect(try store.verify([factory.leaf { $0.extendedKeyUsage = .server }], at: now).refusal == .wrongPurpose)
        #expect(try store.verify([CertificateFactory().leaf()], at: now).refusal != nil)
        #expect(store.memory.count == 0)
    }

    @Test("a store that was built anew remembers nothing: revocation, pins and authorities count at once")
    func otherStores() throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf()
        #expect(try factory.store().verify([leaf], at: now).refusal == nil)
        #expect(try factory.store(lists: [factory.list([leaf])]).verify([leaf], at: now).refusal == .revoked)
        #expect(try factory.store(lists: []).verify([leaf], at: now).refusal == .revocationListMissing)
        let pinned = try factory.store { $0.issuerPins = [leaf.publicKeyFingerprint] }
        #expect(pinned.verify([leaf], at: now).refusal == .authorityNotPinned)
        let servers = try factory.store { $0.purpose = .server }
        #expect(servers.verify([leaf], at: now).refusal == .wrongPurpose)
        let namesake = try CertificateFactory().store()
        #expect(namesake.verify([leaf], at: now).refusal == .untrustedAuthority)
        #expect(try CertificateFactory(name: "other").store().verify([leaf], at: now).refusal == .untrustedAuthority)
    }

    @Test("a certificate that differs from a remembered one in any byte is not taken for it")
    func alteredBytes() throws {
        let factory = try CertificateFactory()
        let store = try factory.store()
        let leaf = try factory.leaf()
        #expect(store.verify([leaf], at: now).refusal == nil)
        var read = 0
        for position in leaf.der.indices {
            var der = leaf.der
            der[position] ^= 1
            guard let altered = certificate(der), altered != leaf else { continue }
            read += 1
            #expect(store.verify([altered], at: now).refusal != nil, "byte \(position)")
        }
        #expect(read > leaf.der.count / 2)
        #expect(store.memory.count == 1)
    }

    private func certificate(_ der: [UInt8]) -> Certificate? {
        do throws(CryptographyError) { return try Certificate(der: der) } catch { return nil }
    }

    @Test("what came with the leaf is part of what is remembered")
    func untrusted() throws {
        let factory = try CertificateFactory()
        let middle = try factory.authority.intermediate(
            name: "issuing", key: .generate(.ecdsaP256), validity: CertificateFactory.validity(), random: .system)
        let leaf = try middle.issueClient(
            uri: CertificateFactory.uri, name: "sender", key: factory.key.publicKey(),
            validity: CertificateFactory.validity(), random: .system)
        let store = try factory.store { $0.requiresRevocationLists = false }
        #expect(store.verify([leaf], at: now).refusal == .untrustedAuthority)
        #expect(try store.verify([leaf, middle.certificate], at: now).get().certificates.count == 3)
        #expect(store.verify([leaf], at: now).refusal == .untrustedAuthority)
        #expect(try store.verify([leaf, factory.leaf()], at: now).refusal == .untrustedAuthority)
        #expect(store.memory.count == 1)
        let again = try store.verify([leaf, middle.certificate], at: now).get()
        #expect(again.certificates == [leaf, middle.certificate, factory.authority.certificate])
    }

    @Test("chains of 4095 and 4096 bytes are remembered, one of 4097 is verified each time", arguments: [-1, 0, 1])
    func chainBytes(beyond: Int) throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf(of: VerifiedChainMemory.chainBytesLimit + beyond)
        let store = try factory.store()
        for _ in 0..<2 { #expect(store.verify([leaf], at: now).refusal == nil) }
        #expect(store.memory.count == (beyond > 0 ? 0 : 1))
    }

    @Test("255 and 256 chains are remembered; the 257th takes the place of the first, which is verified again")
    func chains() throws {
        let factory = try CertificateFactory()
        let store = try factory.store()
        let first = try factory.leaf()
        let accepted = try store.verify([first], at: now).get()
        for _ in 1..<(VerifiedChainMemory.chainsLimit - 1) { _ = try store.verify([factory.leaf()], at: now).get() }
        #expect(store.memory.count == VerifiedChainMemory.chainsLimit - 1)
        _ = try store.verify([factory.leaf()], at: now).get()
        #expect(store.memory.count == VerifiedChainMemory.chainsLimit)
        let same = try Certificate(der: first.der)
        #expect(try store.verify([same], at: now).get().leaf === accepted.leaf)
        _ = try store.verify([factory.leaf()], at: now).get()
        #expect(store.memory.count == VerifiedChainMemory.chainsLimit)
        #expect(try store.verify([same], at: now).get().leaf === same)
        #expect(store.memory.count == VerifiedChainMemory.chainsLimit)
    }
}
