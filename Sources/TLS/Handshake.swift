package import Cryptography

/// The protocol spoken inside TLS, agreed by ALPN (RFC 7301).
package enum ApplicationProtocol: String, Hashable, Sendable, CaseIterable {
    case http2 = "h2"
    case http11 = "http/1.1"
}

/// What a completed handshake agreed on.
package struct Handshake: Sendable {
    package let applicationProtocol: ApplicationProtocol
    /// The peer's chain and the proof that it was verified; nil when the peer was not asked or sent none.
    package let verifiedChain: VerifiedChain?
}
