import COpenSSL
package import Cryptography

/// Everything the connections of one listener share. Immutable: a reload builds a new one, gives it to new connections,
/// and lets the old one go with its last session.
///
/// Sendable because the SSL_CTX is not changed after `init`, OpenSSL locks and counts references to it, every property
/// is a `let`, and the memory of certificates locks itself.
package final class ServerContext: @unchecked Sendable {
    /// Whether a client must show a certificate.
    package enum ClientCertificates: Hashable, Sendable {
        case required
        /// Verified when sent.
        case optional
        /// Not asked for.
        case none
    }

    /// Picks the one store a client's chain is verified against, from what its UNVERIFIED leaf claims to be. Runs
    /// inside
    /// the handshake, on the session's thread, once; nil refuses with `.unknownTrustDomain`.
    package typealias StoreSelection = @Sendable (_ unverified: Certificate) -> CertificateStore?

    let pointer: OpaquePointer
    let selectStore: StoreSelection
    /// The clients' certificates that were read before.
    let certificates = CertificateMemory()
    /// Whether a client must show a certificate.
    package let clientCertificates: ClientCertificates

    /// Builds the context of a listener.
    ///
    /// - Parameters:
    ///   - chain: the listener's own certificate first, then its intermediates.
    ///   - key: the private key of the first.
    ///   - clientCertificates: whether clients must show one.
    ///   - selectStore: not called with `.none`.
    /// - Throws: `.configuration`, naming the setting OpenSSL refused; `.certificate` also covers a weak one.
    package init(
        chain: [Certificate], key: PrivateKey, clientCertificates: ClientCertificates,
        selectStore: @escaping StoreSelection
    ) throws(TLSError) {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new_ex(ProfileLibrary.context, nil, TLS_server_method()) else {
            throw OpenSSLFailure.configuration(.context)
        }
        self.pointer = pointer
        self.selectStore = selectStore
        self.clientCertificates = clientCertificates
        try Profile.apply(to: pointer)
        try Identification.install(chain, key, in: pointer)
        SSL_CTX_set_alpn_select_cb(pointer, ServerCallbacks.selectProtocol, nil)
        SSL_CTX_set_client_hello_cb(pointer, ServerCallbacks.readClientHello, nil)
        SSL_CTX_set_verify(pointer, Self.verifyMode(clientCertificates), nil)
        SSL_CTX_set_cert_verify_callback(pointer, ServerCallbacks.verifyPeer, nil)
        isthmus_SSL_CTX_set_msg_callback(pointer, SessionCallbacks.countMessages)
    }

    deinit { SSL_CTX_free(pointer) }

    private static func verifyMode(_ wanted: ClientCertificates) -> Int32 {
        switch wanted {
        case .required: SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
        case .optional: SSL_VERIFY_PEER
        case .none: SSL_VERIFY_NONE
        }
    }
}

/// A side's own certificate and key in an SSL_CTX.
enum Identification {
    static func install(_ chain: [Certificate], _ key: PrivateKey, in context: OpaquePointer) throws(TLSError) {
        guard let leaf = chain.first, leaf.withOpenSSLCertificate({ SSL_CTX_use_certificate(context, $0) }) == 1 else {
            throw OpenSSLFailure.configuration(.certificate)
        }
        for intermediate in chain.dropFirst() {
            let isAdded = intermediate.withOpenSSLCertificate { isthmus_SSL_CTX_add1_chain_cert(context, $0) }
            if isAdded != 1 { throw OpenSSLFailure.configuration(.certificate) }
        }
        guard key.withOpenSSLKey({ SSL_CTX_use_PrivateKey(context, $0) }) == 1, SSL_CTX_check_private_key(context) == 1
        else { throw OpenSSLFailure.configuration(.privateKey) }
    }
}

/// What OpenSSL calls during a server's handshake. None of them may call back into the session but to leave a note.
enum ServerCallbacks {
    /// ALPN, our preference first: `h2`, then `http/1.1`; neither is a fatal alert (RFC 7301 § 3.2).
    static let selectProtocol:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
            UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
        ) -> Int32 = { ssl, selected, selectedCount, offered, offeredCount, _ in
            let list = UnsafeBufferPointer(start: offered, count: Int(offeredCount))
            for wanted in ApplicationProtocol.allCases {
                guard let range = ProtocolList.find(wanted, in: list) else { continue }
                selected?.pointee = offered.map { $0 + range.lowerBound }
                selectedCount?.pointee = UInt8(range.count)
                return SSL_TLSEXT_ERR_OK
            }
            TLSSession.from(ssl)?.note = .noApplicationProtocol
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }

    /// Refuses a client that does not use ALPN, before any key is computed.
    static let readClientHello:
        @convention(c) (OpaquePointer?, UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32 = {
            ssl, alert, _ in
            var bytes: UnsafePointer<UInt8>?
            var count = 0
            let extensionType = UInt32(TLSEXT_TYPE_application_layer_protocol_negotiation)
            if SSL_client_hello_get0_ext(ssl, extensionType, &bytes, &count) == 1 { return SSL_CLIENT_HELLO_SUCCESS }
            TLSSession.from(ssl)?.note = .noApplicationProtocol
            alert?.pointee = SSL_AD_NO_APPLICATION_PROTOCOL
            return SSL_CLIENT_HELLO_ERROR
        }

    /// Verifies the client's chain against the store its leaf selects, and against no other.
    static let verifyPeer: @convention(c) (OpaquePointer?, UnsafeMutableRawPointer?) -> Int32 = { peer, _ in
        guard let session = TLSSession.from(verifying: peer) else { return 0 }
        return session.verify(peer)
    }
}

/// An ALPN protocol list: each name after one byte of its length (RFC 7301 § 3.1).
enum ProtocolList {
    /// Where `wanted` stands in `list`; nil when absent, also from a malformed list.
    static func find(_ wanted: ApplicationProtocol, in list: UnsafeBufferPointer<UInt8>) -> Range<Int>? {
        var position = 0
        while position < list.count {
            let range = (position + 1)..<(position + 1 + Int(list[position]))
            if range.upperBound > list.count { return nil }
            if list[range].elementsEqual(wanted.rawValue.utf8) { return range }
            position = range.upperBound
        }
        return nil
    }

    /// The list that offers `protocols`.
    static func bytes(_ protocols: [ApplicationProtocol]) -> [UInt8] {
        protocols.flatMap { [UInt8($0.rawValue.utf8.count)] + Array($0.rawValue.utf8) }
    }
}
