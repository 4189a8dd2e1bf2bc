import TLS

/// Where and how a listener listens.
package struct ListenerConfiguration: Sendable {
    /// The listener's name in facts, logs and policies.
    package var id: String
    /// An address or a name of this machine: `127.0.0.1`, `::`.
    package var host: String
    /// 0 lets the system choose; `Listener.port` tells.
    package var port: Int
    /// Connections the kernel holds before they are accepted.
    package var backlog = 1024
    package var limits = ConnectionLimits()
    package var security: ListenerSecurity
    /// Which addresses may connect.
    package var sources = SourceSlot()
    /// Which addresses are load balancers that must say, by the PROXY protocol, whom they speak for.
    package var proxies = SourceSlot(admits: { _ in false })
    /// Whether each signature is taken once; the gateway reads it.
    package var refusesReplays = false

    package init(id: String, host: String, port: Int, security: ListenerSecurity) {
        self.id = id
        self.host = host
        self.port = port
        self.security = security
    }
}

/// What lies between socket and HTTP.
package enum ListenerSecurity: Sendable {
    /// HTTP/1.1 in the clear, for the loopback admin pages only.
    case plaintext
    /// TLS, then the HTTP that ALPN agrees on.
    case tls(ServerContextSlot)

    var requiresClientCertificate: Bool {
        switch self {
        case .plaintext: false
        case .tls(let slot): slot.current.clientCertificates == .required
        }
    }
}
