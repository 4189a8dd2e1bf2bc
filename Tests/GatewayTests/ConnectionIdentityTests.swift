import Domain
import Identity
import Registry
import TestKit
import Testing

@testable import Cryptography
@testable import Gateway

/// A root, an authority under it and a leaf of that, as long as each is told to live.
private struct Chain {
    static let start = SettableClock.start.seconds
    static let long: Int64 = 86_400

    let root: CertificateAuthority
    let authority: CertificateAuthority
    let leaf: Certificate

    init(
        root rootSeconds: Int64 = long, authority authoritySeconds: Int64 = long, leaf leafSeconds: Int64 = long
    ) throws {
        root = try .root(
            name: "acme root", pathLength: 1, key: .generate(.ecdsaP256), validity: Self.validity(rootSeconds),
            random: .system)
        authority = try Self.authority(of: root, key: .generate(.ecdsaP256), authoritySeconds)
        leaf = try authority.issueClient(
            uri: "spiffe://acme.example/account/\(Scene.sender)/role/publisher", name: "publisher",
            key: PrivateKey.generate(.ecdsaP256).publicKey(), validity: Self.validity(leafSeconds), random: .system)
    }

    /// The authority with the same name and key, valid for another time.
    func renewed(_ seconds: Int64) throws -> CertificateAuthority {
        try Self.authority(of: root, key: authority.key, seconds)
    }

    /// What trusts these authorities, else both; the authority's list takes back `revoked`.
    func store(_ authorities: [CertificateAuthority]? = nil, revoked: [Certificate] = []) throws -> CertificateStore {
        let serials = revoked.map { (serialNumber: $0.serialNumber, at: Self.start - 60) }
        let lists = try (authorities ?? [root, authority]).map { one in
            try one.revocationList(
                revoked: one.certificate == root.certificate ? [] : serials, number: 1,
                validity: Self.validity(2 * Self.long))
        }
        return try CertificateStore(
            authorities: (authorities ?? [root, authority]).map(\.certificate), revocationLists: lists)
    }

    /// The snapshot after `previous`, or a first one, that trusts by `store`.
    func snapshot(_ store: CertificateStore, after previous: Snapshot? = nil) throws -> Snapshot {
        let plain = try Scene.declaration()
        let domain = TrustDomain(
            name: "acme.example", accounts: [Scene.sender], issuerPins: [authority.certificate.publicKeyFingerprint])
        let declaration = Declaration(
            partition: plain.partition, region: plain.region, accounts: plain.accounts,
            trustDomains: [.init(facts: domain, store: store)], seeds: [], endpoints: plain.endpoints,
            quotas: plain.quotas)
        return try previous?.adopting(declaration, at: SettableClock.start).snapshot ?? Scene.snapshot(declaration)
    }

    /// What the handshake hands over when the peer sends its leaf and the authority of it.
    func verified(by store: CertificateStore) throws -> VerifiedChain {
        try store.verify([leaf, authority.certificate], at: Self.start).get()
    }

    private static func authority(
        of root: CertificateAuthority, key: PrivateKey, _ seconds: Int64
    ) throws -> CertificateAuthority {
        try root.intermediate(name: "acme issuing", key: key, validity: validity(seconds), random: .system)
    }

    private static func validity(_ seconds: Int64) throws -> ValidityPeriod {
        try ValidityPeriod(notBefore: start - 3600, notAfter: start + seconds)
    }
}

@Suite struct ConnectionIdentityTests {
    private let now = SettableClock.start

    /// Why a request at that moment is refused; nil when it is not.
    private func refusal(
        _ identity: ConnectionIdentity, _ snapshot: Snapshot, after seconds: Int64 = 0
    ) -> AuthenticationRefusal? {
        do throws(AuthenticationRefusal) {
            _ = try identity.current(snapshot, now: now.advanced(bySeconds: seconds))
            return nil
        } catch {
            return error
        }
    }

    @Test("a certificate revoked between its handshake and the first request is refused at that request")
    func revokedBeforeFirstRequest() throws {
        let chain = try Chain()
        let earlier = try chain.store()
        let verified = try chain.verified(by: earlier)
        let snapshot = try chain.snapshot(chain.store(revoked: [chain.leaf]), after: chain.snapshot(earlier))
        let identity = try ConnectionIdentity(verified, snapshot, now: now)
        #expect(refusal(identity, snapshot) == .certificate(.revoked))
        #expect(refusal(identity, snapshot) == .certificate(.revoked))
        #expect(!ConnectionIdentity.stands(verified, snapshot, now: now))
    }

    @Test("an authority dropped from the bundle between a handshake and the first request ends it at that request")
    func droppedBeforeFirstRequest() throws {
        let chain = try Chain()
        let earlier = try chain.store()
        let verified = try chain.verified(by: earlier)
        let snapshot = try chain.snapshot(chain.store([chain.root]), after: chain.snapshot(earlier))
        let identity = try ConnectionIdentity(verified, snapshot, now: now)
        let missing = ChainRefusal(code: 3, depth: 0)
        #expect(missing.reason == .revocationListMissing)
        #expect(refusal(identity, snapshot) == .certificate(.notVerified(reason: "\(missing)")))
    }

    @Test("what the store in force verified in the handshake is not verified again, what an older one did is once")
    func verifiesOnce() throws {
        let chain = try Chain()
        let store = try chain.store()
        let first = try chain.snapshot(store)
        let verified = try chain.verified(by: store)
        let identity = try ConnectionIdentity(verified, first, now: now)
        #expect(refusal(identity, first) == nil)
        #expect(store.memory.count == 1)
        let later = try chain.store()
        let second = try chain.snapshot(later, after: first)
        let straddling = try ConnectionIdentity(verified, second, now: now)
        #expect(later.memory.count == 0)
        for identity in [identity, straddling] {
            #expect(refusal(identity, second) == nil)
            #expect(later.memory.count == 1)
        }
        #expect(ConnectionIdentity.stands(verified, second, now: now))
    }

    @Test("an authority of the chain that expires ends its open connections, after the second that its notAfter names")
    func authorityExpires() throws {
        let chains = [try Chain(root: 10), try Chain(authority: 10), try Chain(leaf: 10)]
        for chain in chains {
            let store = try chain.store()
            let snapshot = try chain.snapshot(store)
            let verified = try chain.verified(by: store)
            let identity = try ConnectionIdentity(verified, snapshot, now: now)
            let expired = AuthenticationRefusal.certificate(.expired(notAfter: now.advanced(bySeconds: 10).iso8601))
            #expect(refusal(identity, snapshot, after: 10) == nil)
            #expect(refusal(identity, snapshot, after: 11) == expired)
            #expect(refusal(identity, snapshot, after: 12) == expired)
            #expect(!ConnectionIdentity.stands(verified, snapshot, now: now.advanced(bySeconds: 11)))
        }
    }

    @Test("an authority that was renewed in time ends nothing, until the renewed one expires")
    func authorityRenewed() throws {
        let chain = try Chain(authority: 10)
        let earlier = try chain.store()
        let first = try chain.snapshot(earlier)
        let identity = try ConnectionIdentity(chain.verified(by: earlier), first, now: now)
        #expect(refusal(identity, first) == nil)
        let both = [chain.root, chain.authority, try chain.renewed(20)]
        let second = try chain.snapshot(chain.store(both), after: first)
        #expect(refusal(identity, second) == nil)
        #expect(refusal(identity, second, after: 11) == nil)
        #expect(refusal(identity, second, after: 20) == nil)
        let expired = AuthenticationRefusal.certificate(.expired(notAfter: now.advanced(bySeconds: 20).iso8601))
        #expect(refusal(identity, second, after: 21) == expired)
    }
}
