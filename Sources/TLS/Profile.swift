import COpenSSL

/// The TLS profile of every listener and every outgoing connection: Mozilla's "intermediate", version 6.0
/// (ssl-config.mozilla.org/guidelines/6.0.json), without the suites OpenSSL 3.0 lacks.
enum Profile {
    /// TLS 1.2: ECDHE with AEAD only. AES-128 first: the cheapest of the six where AES is in hardware.
    static let cipherList = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ].joined(separator: ":")

    static let cipherSuites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    static let groups = "X25519:P-256:P-384"

    /// SHA-256 and longer; no SHA-1, no SHA-224, no DSA.
    static let signatureAlgorithms = [
        "ECDSA+SHA256", "ed25519", "ECDSA+SHA384", "ECDSA+SHA512", "RSA-PSS+SHA256", "RSA-PSS+SHA384",
        "RSA-PSS+SHA512", "RSA+SHA256", "RSA+SHA384", "RSA+SHA512",
    ].joined(separator: ":")

    /// Keys and digests under 112 bits are refused (docs.openssl.org SSL_CTX_set_security_level(3)).
    static let securityLevel: Int32 = 2

    /// The most bytes of certificates a peer may send: 32 KiB, five RSA-4096 certificates with room to spare.
    static let peerChainBytesLimit = 32 * 1024

    /// Applies what both roles share to a fresh SSL_CTX.
    static func apply(to context: OpaquePointer) throws(TLSError) {
        SSL_CTX_set_options(context, isthmus_SSL_OP_profile())
        _ = isthmus_SSL_CTX_set_mode(context, Int(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
        SSL_CTX_set_security_level(context, securityLevel)
        isthmus_SSL_CTX_set_max_cert_list(context, peerChainBytesLimit)
        guard isthmus_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1,
            isthmus_SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1
        else { throw OpenSSLFailure.configuration(.versions) }
        guard SSL_CTX_set_cipher_list(context, cipherList) == 1,
            SSL_CTX_set_ciphersuites(context, cipherSuites) == 1
        else { throw OpenSSLFailure.configuration(.ciphers) }
        guard isthmus_SSL_CTX_set1_groups_list(context, groups) == 1 else {
            throw OpenSSLFailure.configuration(.groups)
        }
        guard isthmus_SSL_CTX_set1_sigalgs_list(context, signatureAlgorithms) == 1 else {
            throw OpenSSLFailure.configuration(.signatureAlgorithms)
        }
        forgetSessions(context)
    }

    /// No ticket (all three settings), no cache, no early data: every connection proves its certificate again.
    private static func forgetSessions(_ context: OpaquePointer) {
        _ = isthmus_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_num_tickets(context, 0)
        SSL_CTX_set_max_early_data(context, 0)
        SSL_CTX_set_recv_max_early_data(context, 0)
    }
}

/// OpenSSL's error queue as a `TLSError`.
enum OpenSSLFailure {
    /// Empties the queue before a call on the way of every request. Looking costs a ninth of clearing all 16 places,
    /// and there is almost never anything in them.
    static func clearQueue() {
        if ERR_peek_error() != 0 { ERR_clear_error() }
    }

    static func configuration(_ setting: TLSError.Setting) -> TLSError {
        let code = UInt(ERR_peek_error())
        ERR_clear_error()
        return .configuration(setting, code: code)
    }

    /// The reason a session failed, from the first error in the queue; empties it.
    static func session() -> TLSError {
        let code = ERR_peek_error()
        ERR_clear_error()
        let reason = isthmus_ERR_reason(code)
        // Reasons from 1000 up are alerts the peer sent (SSL_AD_REASON_OFFSET).
        if isthmus_ERR_is_ssl(code) == 1, reason >= 1000, reason < 1256 { return .alert(UInt8(reason - 1000)) }
        switch reason {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return .certificateMissing
        case SSL_R_NO_APPLICATION_PROTOCOL: return .noApplicationProtocol
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_WRONG_SSL_VERSION, SSL_R_UNKNOWN_PROTOCOL:
            return .unsupportedVersion
        case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SHARED_GROUPS, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
            SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
            return .nothingShared
        default: return .protocolViolation(code: UInt(code))
        }
    }
}
