import COpenSSL
import Cryptography

/// One TLS connection without a socket: ciphertext in, plaintext out, and back. Confined to one thread.
///
/// ```
///           read/write            peer's close_notify, shutdown()
/// handshaking ──→ established ──→ closed
///      └──────────────┴─ any throw ─→ failed
/// ```
///
/// Ciphertext is borrowed, never stored: `read` takes from the caller's buffer what OpenSSL asks for, so a caller that
/// stops reading keeps the rest in its own buffer. What goes out waits in `pendingCiphertext` until the caller takes
/// it.
/// While idle the session holds no buffer at all.
package final class TLSSession {
    /// The most ciphertext a peer may send before the handshake is complete: 64 KiB.
    package static let handshakeBytesLimit = 64 * 1024
    /// The most KeyUpdate messages a peer may send on one connection: each makes us derive keys and, if it asks,
    /// answer.
    package static let keyUpdatesLimit = 32

    /// Where the session stands.
    package enum State: Sendable {
        case handshaking
        case established(Handshake)
        /// The peer said with close_notify that no more plaintext will come.
        case closed
        case failed(TLSError)
    }

    /// What a call to `read` came to.
    package enum ReadResult: Hashable, Sendable {
        /// So many bytes of plaintext, at least 1, were written; call again.
        case plaintext(Int)
        /// All ciphertext was taken and more is needed.
        case needsMore
        /// The peer ended its side with close_notify.
        case closed
    }

    /// Where the session stands.
    package private(set) var state = State.handshaking

    private let ssl: OpaquePointer
    private let role: Role
    private var transport = Transport()
    private var handshakeBytes = 0
    private var keyUpdates = 0
    private var verifiedChain: VerifiedChain?
    /// What a callback found wrong, more precise than OpenSSL's error queue.
    var note: TLSError?

    private enum Role {
        case server(ServerContext)
        case client(ClientContext)
    }

    /// The server's side of a new connection.
    ///
    /// - Throws: `.configuration(.session, …)` when OpenSSL is out of memory.
    package convenience init(server context: ServerContext) throws(TLSError) {
        try self.init(context.pointer, role: .server(context))
        SSL_set_accept_state(ssl)
    }

    /// The client's side of a new connection; its first flight is pending at once.
    ///
    /// - Parameter serverName: the DNS name to ask for (SNI) and to find in the server's certificate.
    /// - Throws: `.configuration(.session, …)`.
    package convenience init(client context: ClientContext, serverName: String) throws(TLSError) {
        try self.init(context.pointer, role: .client(context))
        guard isthmus_SSL_set_tlsext_host_name(ssl, serverName) == 1, SSL_set1_host(ssl, serverName) == 1 else {
            throw OpenSSLFailure.configuration(.session)
        }
        SSL_set_connect_state(ssl)
        ERR_clear_error()
        _ = SSL_do_handshake(ssl)
    }

    private init(_ context: OpaquePointer, role: Role) throws(TLSError) {
        ERR_clear_error()
        guard let ssl = SSL_new(context) else { throw OpenSSLFailure.configuration(.session) }
        guard let bio = SessionCallbacks.makeBIO() else {
            SSL_free(ssl)
            throw OpenSSLFailure.configuration(.session)
        }
        self.ssl = ssl
        self.role = role
        SSL_set_bio(ssl, bio, bio)
        // INVARIANT: unretained is sound because `deinit` frees the SSL, and with it the BIO, before the session goes.
        let reference = Unmanaged.passUnretained(self).toOpaque()
        BIO_set_data(bio, reference)
        SSL_set_ex_data(ssl, 0, reference)
    }

    deinit { SSL_free(ssl) }

    /// Takes ciphertext and gives plaintext, driving the handshake as a side effect. Look at `pendingCiphertext` after.
    ///
    /// - Parameters:
    ///   - ciphertext: what came from the socket; on return, what was not taken. Empty asks for plaintext left over.
    ///   - plaintext: room for at least 1 byte; 16 KiB holds any record.
    /// - Throws: the reason the session is over.
    package func read(
        from ciphertext: inout UnsafeRawBufferPointer, into plaintext: UnsafeMutableRawBufferPointer
    ) throws(TLSError) -> ReadResult {
        switch state {
        case .closed: return .closed
        case .failed(let error): throw error
        case .handshaking, .established: break
        }
        transport.input = ciphertext
        OpenSSLFailure.clearQueue()
        var count = 0
        let result = SSL_read_ex(ssl, plaintext.baseAddress, plaintext.count, &count)
        let taken = ciphertext.count - transport.input.count
        ciphertext = transport.input
        transport.input = UnsafeRawBufferPointer(start: nil, count: 0)
        try noteProgress(taken)
        return result == 1 ? .plaintext(count) : try explain(result)
    }

    /// Whether ciphertext was taken whose plaintext `read` has yet to give.
    package var holdsBytes: Bool { SSL_has_pending(ssl) == 1 }

    /// Encrypts `plaintext` into records that wait in `pendingCiphertext`.
    ///
    /// - Parameter plaintext: any count; 16 KiB fill a record, so gather before calling.
    /// - Throws: `.ended` before the handshake is complete or after the end.
    package func write(_ plaintext: UnsafeRawBufferPointer) throws(TLSError) {
        guard case .established = state else { throw .ended }
        if plaintext.isEmpty { return }
        OpenSSLFailure.clearQueue()
        var count = 0
        let result = SSL_write_ex(ssl, plaintext.baseAddress, plaintext.count, &count)
        if result != 1 { throw fail(OpenSSLFailure.session()) }
    }

    /// Says close_notify: no more plaintext will be written. Does nothing before the handshake or after the end.
    package func shutdown() {
        guard case .established = state else { return }
        ERR_clear_error()
        _ = SSL_shutdown(ssl)
        ERR_clear_error()
    }

    /// Lets the session put what goes out into memory of the caller's, for as long as `body` runs: a session that
    /// writes allocates nothing for it, and one that is idle holds nothing.
    package func writing<Value>(into room: inout [UInt8], _ body: () -> Value) -> Value {
        transport.lend(&room)
        defer { transport.takeBack(&room) }
        return body()
    }

    /// Bytes that wait to be sent.
    package var pendingCiphertextBytes: Int { transport.output.count - transport.outputTaken }

    /// Lends the bytes that wait to be sent.
    ///
    /// - Parameter body: returns how many of them it took; those are gone.
    package func takeCiphertext(_ body: (UnsafeRawBufferPointer) -> Int) {
        let start = transport.outputTaken
        let taken = transport.output.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        transport.take(taken)
    }
}

// MARK: - Progress

extension TLSSession {
    private func noteProgress(_ taken: Int) throws(TLSError) {
        if keyUpdates > Self.keyUpdatesLimit { throw fail(.tooManyKeyUpdates) }
        guard case .handshaking = state else { return }
        handshakeBytes += taken
        if SSL_is_init_finished(ssl) == 1 {
            guard let handshake = agreement() else { throw fail(.noApplicationProtocol) }
            state = .established(handshake)
        } else if handshakeBytes > Self.handshakeBytesLimit {
            throw fail(.handshakeTooLong)
        }
    }

    private func explain(_ result: Int32) throws(TLSError) -> ReadResult {
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ: return .needsMore
        case SSL_ERROR_ZERO_RETURN:
            state = .closed
            return .closed
        default: throw fail(note ?? OpenSSLFailure.session())
        }
    }

    private func fail(_ error: TLSError) -> TLSError {
        ERR_clear_error()
        state = .failed(error)
        return error
    }

    private func agreement() -> Handshake? {
        var start: UnsafePointer<UInt8>?
        var count: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &start, &count)
        let name = UnsafeBufferPointer(start: start, count: Int(count))
        guard let spoken = ApplicationProtocol.allCases.first(where: { name.elementsEqual($0.rawValue.utf8) }) else {
            return nil
        }
        return Handshake(applicationProtocol: spoken, verifiedChain: verifiedChain)
    }
}

// MARK: - Called by OpenSSL, inside `read`

extension TLSSession {
    /// The session an SSL belongs to.
    static func from(_ ssl: OpaquePointer?) -> TLSSession? {
        guard let ssl, let raw = SSL_get_ex_data(ssl, 0) else { return nil }
        return Unmanaged<TLSSession>.fromOpaque(raw).takeUnretainedValue()
    }

    /// The session whose peer an X509_STORE_CTX verifies.
    static func from(verifying peer: OpaquePointer?) -> TLSSession? {
        guard let raw = X509_STORE_CTX_get_ex_data(peer, SSL_get_ex_data_X509_STORE_CTX_idx()) else { return nil }
        return from(OpaquePointer(raw))
    }

    /// Verifies what the peer sent: 1 to go on, 0 to refuse with the alert that OpenSSL derives from the code.
    func verify(_ peer: OpaquePointer?) -> Int32 {
        guard let pointer = X509_STORE_CTX_get0_cert(peer), let leaf = certificate(pointer) else {
            return refuse(ChainRefusal(.noCertificate), nil, peer)
        }
        let store: CertificateStore?
        switch role {
        case .server(let context): store = context.selectStore(leaf)
        case .client(let context): store = context.store
        }
        guard let store else { return refuse(ChainRefusal(.unknownTrustDomain), leaf, peer) }
        switch store.verify(leaf: leaf, untrusted: X509_STORE_CTX_get0_untrusted(peer)) {
        case .failure(let refusal): return refuse(refusal, leaf, peer)
        case .success(let chain):
            guard isNamedAsAsked(pointer) else { return refuse(ChainRefusal(.wrongName), leaf, peer) }
            verifiedChain = chain
            if case .server(let context) = role { context.certificates.remember(leaf) }
            X509_STORE_CTX_set_error(peer, X509_V_OK)
            return 1
        }
    }

    /// Counts KeyUpdate messages (handshake type 24, RFC 8446 § 4).
    func countMessage(type: UInt8) {
        if type == 24 { keyUpdates += 1 }
    }

    /// Gives OpenSSL up to `count` bytes of ciphertext; 0 when there is none now.
    func supply(_ target: UnsafeMutableRawPointer, count: Int) -> Int { transport.supply(target, count: count) }

    /// Takes ciphertext from OpenSSL.
    func accept(_ bytes: UnsafeRawBufferPointer) { transport.output.append(contentsOf: bytes) }

    private func refuse(_ refusal: ChainRefusal, _ leaf: Certificate?, _ peer: OpaquePointer?) -> Int32 {
        note = .certificateRefused(refusal, fingerprint: leaf?.fingerprint)
        X509_STORE_CTX_set_error(peer, refusal.code == 0 ? X509_V_ERR_CERT_REJECTED : refusal.code)
        return 0
    }

    private func isNamedAsAsked(_ leaf: OpaquePointer) -> Bool {
        guard case .client = role, let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else { return true }
        return X509_check_host(leaf, name, 0, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT), nil) == 1
    }

    private func certificate(_ pointer: OpaquePointer) -> Certificate? {
        do throws(CryptographyError) {
            switch role {
            case .server(let context): return try context.certificates.certificate(sharing: pointer)
            case .client: return try Certificate(sharing: pointer)
            }
        } catch {
            return nil
        }
    }
}
