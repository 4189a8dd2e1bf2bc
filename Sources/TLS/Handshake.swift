package import Cryptography

/// The protocol spoken inside TLS, agreed by ALPN (RFC 7301).
package enum ApplicationProtocol: String, Hashable, Sendable, CaseIterable {
    case http2 = "h2"
    case http11 = "http/1.1"
}

/// What a completed handshake agreed on.
package struct Handshake: Sendable {
    /// A protocol version; nothing older is spoken.
    package enum Version: String, Hashable, Sendable {
        case tls12 = "TLSv1.2"
        case tls13 = "TLSv1.3"
    }

    package let version: Version
    /// The suite's IANA number, such as 0x1301.
    package let cipherSuite: UInt16
    package let applicationProtocol: ApplicationProtocol
    /// The peer's chain and the proof that it was verified; nil when the peer was not asked or sent none.
    package let verifiedChain: VerifiedChain?
}
