import COpenSSL
import Testing

@testable import TLS

/// An OpenSSL client without our profile, to offer what ours never would.
final class RawPeer {
    private let context: OpaquePointer
    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer

    init() throws {
        context = try #require(SSL_CTX_new(TLS_client_method()))
        ssl = try #require(SSL_new(context))
        incoming = try #require(BIO_new(BIO_s_mem()))
        outgoing = try #require(BIO_new(BIO_s_mem()))
        SSL_set_bio(ssl, incoming, outgoing)
        SSL_set_connect_state(ssl)
        SSL_set_security_level(ssl, 0)
        let protocols = ProtocolList.bytes([.http2])
        SSL_set_alpn_protos(ssl, protocols, UInt32(protocols.count))
    }

    deinit {
        SSL_free(ssl)
        SSL_CTX_free(context)
    }

    /// Offers these versions and TLS 1.2 suites.
    func offer(_ lowest: Int32, _ highest: Int32, suites: String = "ALL:@SECLEVEL=0") {
        _ = SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(lowest), nil)
        _ = SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(highest), nil)
        _ = SSL_set_cipher_list(ssl, suites)
    }

    func receive(_ bytes: [UInt8]) {
        if !bytes.isEmpty { BIO_write(incoming, bytes, Int32(bytes.count)) }
        var room = [UInt8](repeating: 0, count: 16_384)
        _ = SSL_read(ssl, &room, Int32(room.count))
        ERR_clear_error()
    }

    func takeAll() -> [UInt8] {
        var room = [UInt8](repeating: 0, count: 65_536)
        let count = BIO_read(outgoing, &room, Int32(room.count))
        return Array(room.prefix(max(0, Int(count))))
    }

    var version: Int32 { SSL_version(ssl) }
    var hasTicket: Bool { SSL_SESSION_has_ticket(SSL_get_session(ssl)) == 1 }

    /// The first bytes of a renegotiation.
    func renegotiate() -> [UInt8] {
        SSL_renegotiate(ssl)
        _ = SSL_do_handshake(ssl)
        ERR_clear_error()
        return takeAll()
    }

    /// A KeyUpdate message that asks for one in return.
    func updateKey() -> [UInt8] {
        SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED)
        _ = SSL_do_handshake(ssl)
        ERR_clear_error()
        return takeAll()
    }
}

/// Carries ciphertext between a raw client and a session until neither has any.
func converse(_ client: RawPeer, _ server: TLSSession) {
    for _ in 0..<10 {
        client.receive(server.takeAll())
        let bytes = client.takeAll()
        if bytes.isEmpty { return }
        do throws(TLSError) { _ = try server.feed(bytes) } catch { #expect(server.failure == error) }
    }
}
