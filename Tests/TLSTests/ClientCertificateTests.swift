@testable import Cryptography
@testable import TLS
import Testing

@Suite struct ClientCertificateTests {
    private func refusal(
        _ leaf: Certificate?, _ store: CertificateStore, _ fixture: TLSFixture
    ) throws -> ChainRefusal.Reason? {
        let (client, server) = (try fixture.client(leaf), try fixture.server(store: store))
        converse(client, server)
        guard case .certificateRefused(let refusal, let fingerprint)? = server.failure else {
            #expect(server.handshake != nil)
            return nil
        }
        #expect(fingerprint == leaf?.fingerprint)
        guard case .alert? = client.failure else {
            Issue.record("the client was not told")
            return nil
        }
        return refusal.reason
    }

    @Test("a leaf that is not valid now, or whose authority is not the domain's, fails the handshake")
    func badLeaves() throws {
        let fixture = try TLSFixture()
        let store = try fixture.clientStore()
        #expect(try refusal(fixture.leaf(), store, fixture) == nil)
        #expect(try refusal(fixture.leaf(TLSFixture.validity(-100, -10)), store, fixture) == .expired)
        #expect(try refusal(fixture.leaf(TLSFixture.validity(600, 700)), store, fixture) == .notYetValid)
        let other = try TLSFixture.root("other")
        #expect(try refusal(fixture.leaf(by: other), store, fixture) == .untrustedAuthority)
        let impostor = try TLSFixture.root("acme.example root")
        #expect(try refusal(fixture.leaf(by: impostor), store, fixture) != nil)
        let selfSigned = try CertificateAuthority.root(
            name: "self", pathLength: 0, key: fixture.clientKey, validity: TLSFixture.validity(), random: .system)
        #expect(try refusal(selfSigned.certificate, store, fixture) != nil)
    }

    @Test("a leaf for servers fails the handshake; a missing purpose is left to identity rules")
    func purposes() throws {
        let fixture = try TLSFixture()
        func leaf(_ usage: CertificateProfile.ExtendedKeyUsage) throws -> Certificate {
            var profile = CertificateProfile(commonName: "sender", constraint: .leaf, keyUsage: .signing)
            profile.extendedKeyUsage = usage
            return try fixture.clients.issue(
                profile, to: fixture.clientKey.publicKey(), validity: TLSFixture.validity(), random: .system)
        }
        let store = try fixture.clientStore()
        #expect(try refusal(leaf(.server), store, fixture) == .wrongPurpose)
        #expect(try refusal(leaf(.absent), store, fixture) == nil)
        #expect(try leaf(.absent).usage.extendedKeyUsage == nil)
    }

    @Test("revoked, or an authority whose list is missing or stale, fails the handshake")
    func revocation() throws {
        let fixture = try TLSFixture()
        let leaf = try fixture.leaf()
        #expect(try refusal(leaf, fixture.clientStore(revoked: [leaf]), fixture) == .revoked)
        #expect(try refusal(leaf, fixture.clientStore(withList: false), fixture) == .revocationListMissing)
        let stale = try fixture.clientStore(listValidity: TLSFixture.validity(-9000, -3700))
        #expect(try refusal(leaf, stale, fixture) == .revocationListStale)
        let inGrace = try fixture.clientStore(listValidity: TLSFixture.validity(-9000, -3500))
        #expect(try refusal(leaf, inGrace, fixture) == nil)
    }

    @Test("the store is the one the unverified leaf's name selects, and no other is tried")
    func selection() throws {
        let fixture = try TLSFixture()
        let mine = try fixture.clientStore()
        let theirs = try CertificateStore(
            authorities: [fixture.servers.certificate],
            revocationLists: [fixture.servers.revocationList(revoked: [], number: 1, validity: TLSFixture.validity())])
        let byName: ServerContext.StoreSelection = { leaf in
            leaf.names.uris.first == Array(TLSFixture.uri.utf8) ? mine : theirs
        }
        let good = try fixture.server(select: byName)
        converse(try fixture.client(fixture.leaf()), good)
        #expect(good.handshake != nil)
        let foreign = try fixture.server(select: byName)
        converse(try fixture.client(fixture.leaf(by: fixture.servers)), foreign)
        guard case .certificateRefused(let refusal, _)? = foreign.failure else {
            Issue.record("another domain's authority was accepted")
            return
        }
        #expect(refusal.reason == .untrustedAuthority)
        let unknown = try fixture.server(select: { _ in nil })
        let leaf = try fixture.leaf()
        converse(try fixture.client(leaf), unknown)
        #expect(
            unknown.failure
                == .certificateRefused(ChainRefusal(.unknownTrustDomain), fingerprint: leaf.fingerprint))
    }

    @Test("no certificate is refused where one is required, and only there")
    func missing() throws {
        let fixture = try TLSFixture()
        let required = try fixture.server(.required)
        let client = try fixture.client(nil)
        converse(client, required)
        #expect(required.failure == .certificateMissing)
        #expect(client.failure == .alert(116))
        for wanted in [ServerContext.ClientCertificates.optional, .none] {
            let server = try fixture.server(wanted)
            converse(try fixture.client(nil), server)
            #expect(server.handshake != nil && server.handshake?.verifiedChain == nil)
        }
        let unasked = try fixture.server(.none)
        converse(try fixture.client(fixture.leaf()), unasked)
        #expect(unasked.handshake != nil && unasked.handshake?.verifiedChain == nil)
    }

    @Test("an optional certificate that does not verify is refused, not ignored")
    func optionalButBad() throws {
        let fixture = try TLSFixture()
        let server = try fixture.server(.optional)
        converse(try fixture.client(fixture.leaf(by: TLSFixture.root("other"))), server)
        guard case .certificateRefused? = server.failure else {
            Issue.record("accepted")
            return
        }
    }

    @Test("a chain of an open connection is refused by a newer store that revokes it")
    func recheck() throws {
        let fixture = try TLSFixture()
        let leaf = try fixture.leaf()
        let server = try fixture.server()
        converse(try fixture.client(leaf), server)
        let chain = try #require(server.handshake?.verifiedChain)
        let newer = try fixture.clientStore(revoked: [leaf])
        guard case .failure(let refusal) = newer.verify(chain.certificates) else {
            Issue.record("still accepted")
            return
        }
        #expect(refusal.reason == .revoked)
    }
}
