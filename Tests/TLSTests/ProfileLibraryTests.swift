import COpenSSL
@testable import Cryptography
@testable import TLS
import Testing

@Suite struct ProfileLibraryTests {
    /// A fresh key of `algorithm`, with one more setting where it needs one.
    private func key(_ algorithm: String, _ setting: (name: String, value: String)? = nil) throws -> PrivateKey {
        let context = try #require(EVP_PKEY_CTX_new_from_name(nil, algorithm, nil))
        defer { EVP_PKEY_CTX_free(context) }
        try #require(EVP_PKEY_keygen_init(context) == 1)
        if let setting { try #require(EVP_PKEY_CTX_ctrl_str(context, setting.name, setting.value) == 1) }
        var key: OpaquePointer?
        try #require(EVP_PKEY_generate(context, &key) == 1)
        return PrivateKey(adopting: try #require(key))
    }

    private func curve(_ name: String) throws -> PrivateKey { try key("EC", ("ec_paramgen_curve", name)) }

    /// What the server said of a client that holds `key`; nil when it was let in.
    private func refusal(of key: PrivateKey) throws -> TLSError? {
        let fixture = try TLSFixture()
        let leaf = try fixture.clients.issueClient(
            uri: TLSFixture.uri, name: "sender", key: key.publicKey(), validity: TLSFixture.validity(),
            random: .system)
        var configuration = CertificateStore.Configuration()
        configuration.purpose = .server
        configuration.requiresRevocationLists = false
        let store = try CertificateStore(
            authorities: [fixture.servers.certificate], revocationLists: [], configuration: configuration)
        let context = try ClientContext(store: store, chain: [leaf], key: key, protocols: [.http2])
        let (client, server) = (try TLSSession(client: context, serverName: "localhost"), try fixture.server())
        converse(client, server)
        if server.handshake != nil { #expect(server.handshake?.verifiedChain?.leaf == leaf) }
        return server.failure
    }

    @Test("TLS works in a context of its own, which holds the profile's algorithms and no other")
    func selection() throws {
        let context = try #require(ProfileLibrary.context)
        for name in ["AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"] {
            let cipher = EVP_CIPHER_fetch(context, name, nil)
            #expect(cipher != nil, "\(name)")
            EVP_CIPHER_free(cipher)
        }
        for name in ["AES-128-CBC", "AES-256-CTR", "NULL", "DES-EDE3-CBC", "CAMELLIA-128-CBC"] {
            #expect(EVP_CIPHER_fetch(context, name, nil) == nil, "\(name)")
        }
        #expect(EVP_MD_fetch(context, "MD5", nil) == nil)
        for name in ["DH", "DSA", "X448", "ED448", "SM2"] {
            #expect(EVP_KEYMGMT_fetch(context, name, nil) == nil, "\(name)")
        }
        ERR_clear_error()
    }

    @Test("a client's key of each kind that the profile takes is read and believed")
    func kinds() throws {
        #expect(try refusal(of: curve("P-256")) == nil)
        #expect(try refusal(of: curve("P-384")) == nil)
        #expect(try refusal(of: key("ED25519")) == nil)
        #expect(try refusal(of: key("RSA", ("rsa_keygen_bits", "2048"))) == nil)
    }

    @Test("a client's key of another kind is refused, and the server's own of each kind serves")
    func otherKinds() throws {
        #expect(try refusal(of: key("ED448")) != nil)
        // Its signatures are `rsa_pss_pss_*` (RFC 8446 section 4.2.3), which the profile does not offer.
        #expect(try refusal(of: key("RSA-PSS", ("rsa_keygen_bits", "2048"))) != nil)
        for own in [try curve("P-384"), try key("ED25519"), try key("RSA", ("rsa_keygen_bits", "3072"))] {
            let fixture = try TLSFixture(serverKey: own)
            let (client, server) = (try fixture.client(fixture.leaf()), try fixture.server())
            converse(client, server)
            #expect(server.handshake != nil, "\(own.kind)")
        }
    }

    @Test("a context with a provider of the operator's, or where FIPS is asked for, is not passed over")
    func operatorsChoice() throws {
        func isDefault(_ change: (OpaquePointer) -> Bool) throws -> Bool {
            let context = try #require(OSSL_LIB_CTX_new())
            defer { OSSL_LIB_CTX_free(context) }
            try #require(change(context))
            return ProfileLibrary.holdsOnlyDefaultProvider(context)
        }
        #expect(try isDefault { _ in true })
        #expect(try isDefault { OSSL_PROVIDER_load($0, "default") != nil })
        #expect(try !isDefault { OSSL_PROVIDER_load($0, "base") != nil })
        #expect(try !isDefault { OSSL_PROVIDER_load($0, "default") != nil && OSSL_PROVIDER_load($0, "null") != nil })
        #expect(try !isDefault { EVP_default_properties_enable_fips($0, 1) == 1 })
    }
}
