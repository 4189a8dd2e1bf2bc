import COpenSSL
@testable import Cryptography
@testable import TLS
import Testing

@Suite struct ReturningClientTests {
    @Test("a client that comes back is known by its bytes, and both connections have the same chain")
    func returns() throws {
        let fixture = try TLSFixture()
        let (store, leaf) = (try fixture.clientStore(), try fixture.leaf())
        for _ in 0..<2 {
            let server = try fixture.server(store: store)
            converse(try fixture.client(leaf), server)
            #expect(server.handshake?.verifiedChain?.certificates == [leaf, fixture.clients.certificate])
        }
        #expect(store.memory.count == 1)
    }

    @Test("who shows a remembered certificate without its key is refused")
    func withoutKey() throws {
        let fixture = try TLSFixture()
        let (store, leaf) = (try fixture.clientStore(), try fixture.leaf())
        let honest = try fixture.server(store: store)
        converse(try fixture.client(leaf), honest)
        #expect(honest.handshake != nil && store.memory.count == 1)
        let thief = try fixture.client(leaf, key: mismatched(fixture.clientKey))
        let server = try fixture.server(store: store)
        converse(thief, server)
        #expect(server.handshake == nil)
        #expect(server.failure != nil)
    }

    @Test("a client that is revoked while it is away is refused when it comes back")
    func revokedMeanwhile() throws {
        let fixture = try TLSFixture()
        let leaf = try fixture.leaf()
        let first = try fixture.server(store: fixture.clientStore())
        converse(try fixture.client(leaf), first)
        #expect(first.handshake != nil)
        let second = try fixture.server(store: fixture.clientStore(revoked: [leaf]))
        converse(try fixture.client(leaf), second)
        guard case .certificateRefused(let refusal, _)? = second.failure else {
            Issue.record("a revoked client was let in")
            return
        }
        #expect(refusal.reason == .revoked)
    }

    /// The public half of `key` beside another's private half: it shows the certificate and signs as someone else.
    private func mismatched(_ key: PrivateKey) throws -> PrivateKey {
        let stranger = try PrivateKey.generate(.ecdsaP256)
        let mine = try #require(EVP_PKEY_get1_EC_KEY(key.key))
        let other = try #require(EVP_PKEY_get1_EC_KEY(stranger.key))
        try #require(stranger.kind == key.kind)
        let forged = try #require(EC_KEY_dup(other))
        defer { for each in [mine, other, forged] { EC_KEY_free(each) } }
        try #require(EC_KEY_set_public_key(forged, EC_KEY_get0_public_key(mine)) == 1)
        let result = try #require(EVP_PKEY_new())
        try #require(EVP_PKEY_set1_EC_KEY(result, forged) == 1)
        return PrivateKey(adopting: result)
    }
}
