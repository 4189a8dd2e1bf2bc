/// Something the network refused before the gateway saw it, as a value for the audit log.
package struct Refusal: Sendable {
    /// What was refused and why.
    package enum Reason: Sendable {
        /// All connections of the process are in use.
        case connectionBudget
        /// The address has too many connections that have not finished their handshake.
        case handshakingBudget
        /// The listener's networks do not hold the address.
        case network
        /// The header of the PROXY protocol that a proxy must send is not one.
        case proxyHeader(ProxyHeaderRefusal)
        /// The TLS handshake failed; the text says why and never holds a peer's bytes unescaped.
        case handshake(String)
        /// A deadline passed.
        case deadline(Deadline)
        /// An HTTP/1.1 request was refused.
        case http1(HTTP1Refusal)
        /// An HTTP/2 request was refused with this status; the connection goes on.
        case http2Request(status: UInt16)
        /// An HTTP/2 connection was ended for an abuse limit or a protocol error.
        case http2Connection(String)
        /// The TLS session broke after the handshake.
        case session(String)
    }

    /// The deadlines of `ConnectionLimits`.
    package enum Deadline: String, Sendable {
        case handshake = "the TLS handshake took too long"
        case preface = "the HTTP/2 preface took too long"
        case headerBlock = "the header block took too long"
        case body = "the body took too long"
        case bodyRate = "the body came too slowly"
        case writeStall = "the peer does not read"
        case lastWords = "the peer reads the last answer too slowly"
        case drain = "draining took too long"
    }

    package let listenerID: String
    /// The address without its port.
    package let sourceAddress: String
    package let reason: Reason
}

extension Refusal.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .connectionBudget: "all connections of the process are in use"
        case .handshakingBudget: "too many unfinished handshakes from this address"
        case .network: "the listener is not for this network"
        case .proxyHeader(let refusal): "the PROXY protocol header was refused: \(refusal.rawValue)"
        case .handshake(let cause): "the TLS handshake failed: \(cause)"
        case .deadline(let deadline): deadline.rawValue
        case .http1(let refusal): refusal.message
        case .http2Request(let status): "an HTTP/2 request was refused with \(status)"
        case .http2Connection(let cause): "the HTTP/2 connection was ended: \(cause)"
        case .session(let cause): "the TLS session broke: \(cause)"
        }
    }
}
