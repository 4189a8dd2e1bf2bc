package import Cryptography

/// Why a TLS context could not be built, or why a session ended. A session that throws one is over: send what
/// ciphertext is pending (the alert), then close.
package enum TLSError: Error, Hashable, Sendable {
    /// A part of a context's configuration.
    package enum Setting: String, Hashable, Sendable {
        case context, versions, ciphers, groups, signatureAlgorithms = "signature algorithms", certificate
        case privateKey = "private key", protocols = "application protocols", session
    }

    /// OpenSSL refused a setting: our configuration or this machine's OpenSSL. `code` is its packed error code.
    case configuration(Setting, code: UInt)
    /// The peer's certificate chain was refused. `fingerprint` is the unverified leaf's, for the audit record.
    case certificateRefused(ChainRefusal, fingerprint: Digest?)
    /// A certificate is required and the peer sent none.
    case certificateMissing
    /// The peer offers neither `h2` nor `http/1.1`.
    case noApplicationProtocol
    /// The peer offers no protocol version from 1.2 up.
    case unsupportedVersion
    /// No cipher suite, group or signature algorithm in common.
    case nothingShared
    /// The handshake sent more than `TLSSession.handshakeBytesLimit`.
    case handshakeTooLong
    /// More post-handshake messages than `TLSSession.keyUpdatesLimit`.
    case tooManyKeyUpdates
    /// The peer sent this fatal alert (RFC 8446 § 6).
    case alert(UInt8)
    /// Bytes that break the protocol; `code` is OpenSSL's packed error code.
    case protocolViolation(code: UInt)
    /// A call after the session ended.
    case ended
}

extension TLSError: CustomStringConvertible {
    /// One line for a log: lower case, no secret.
    package var description: String {
        switch self {
        case .configuration(let setting, let code): "openssl refused the \(setting.rawValue): code \(code)"
        case .certificateRefused(let refusal, let fingerprint):
            "certificate `\(fingerprint?.hexadecimal ?? "none")` refused: \(refusal)"
        case .certificateMissing: "no client certificate: this listener requires one"
        case .noApplicationProtocol: "no application protocol in common: offer h2 or http/1.1 by alpn"
        case .unsupportedVersion: "tls version too old: use 1.2 or 1.3"
        case .nothingShared: "no cipher suite, group or signature algorithm in common"
        case .handshakeTooLong: "handshake of more than \(TLSSession.handshakeBytesLimit) bytes"
        case .tooManyKeyUpdates: "more than \(TLSSession.keyUpdatesLimit) key updates"
        case .alert(let number): "the peer sent alert \(number)"
        case .protocolViolation(let code): "tls protocol violation: openssl code \(code)"
        case .ended: "the session has ended"
        }
    }
}
