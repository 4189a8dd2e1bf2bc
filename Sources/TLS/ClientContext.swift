import COpenSSL
package import Cryptography

/// Everything the outgoing connections to one kind of peer share.
///
/// Sendable because the SSL_CTX is not changed after `init`, OpenSSL locks and counts references to it, and every
/// property is a `let`.
package final class ClientContext: @unchecked Sendable {
    let pointer: OpaquePointer
    let store: CertificateStore

    /// Builds a client's context.
    ///
    /// - Parameters:
    ///   - store: of purpose `.server`; whom to believe.
    ///   - chain: our own certificate first, then intermediates; empty to show none.
    ///   - key: the private key of the first, nil with an empty chain.
    ///   - protocols: what to offer by ALPN, best first; empty sends no such extension, which our servers refuse.
    /// - Throws: `.configuration`.
    package init(
        store: CertificateStore, chain: [Certificate], key: PrivateKey?, protocols: [ApplicationProtocol]
    ) throws(TLSError) {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new_ex(ProfileLibrary.context, nil, TLS_client_method()) else {
            throw OpenSSLFailure.configuration(.context)
        }
        self.pointer = pointer
        self.store = store
        try Profile.apply(to: pointer)
        if let key { try Identification.install(chain, key, in: pointer) }
        let list = ProtocolList.bytes(protocols)
        // Unlike its siblings, this function answers 0 for success.
        if !list.isEmpty, SSL_CTX_set_alpn_protos(pointer, list, UInt32(list.count)) != 0 {
            throw OpenSSLFailure.configuration(.protocols)
        }
        SSL_CTX_set_verify(pointer, SSL_VERIFY_PEER, nil)
        SSL_CTX_set_cert_verify_callback(pointer, ServerCallbacks.verifyPeer, nil)
        isthmus_SSL_CTX_set_msg_callback(pointer, SessionCallbacks.countMessages)
    }

    deinit { SSL_CTX_free(pointer) }
}
