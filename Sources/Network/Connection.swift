package import Cryptography
package import Domain
import TLS

/// What a connection's peer is, fixed once the handshake is done. Confined to the connection's loop.
package final class ConnectionFacts {
    package let listenerID: String
    /// Whether the listener insists on a client certificate.
    package let requiresClientCertificate: Bool
    /// Whether the listener takes each signature once.
    package let refusesReplays: Bool
    /// The peer's address without its port; the client's where a proxy was believed.
    package let sourceAddress: String
    /// What limits of an address count the peer to: `sourceAddress`, or the /64 around it in IPv6.
    package let addressBlock: String
    /// The client's chain as the handshake verified it; `nil` without a client certificate.
    package fileprivate(set) var verifiedChain: VerifiedChain?

    init(_ listener: ListenerConfiguration, sourceAddress: String) {
        listenerID = listener.id
        requiresClientCertificate = listener.security.requiresClientCertificate
        refusesReplays = listener.refusesReplays
        self.sourceAddress = sourceAddress
        addressBlock = AddressBlock.name(of: sourceAddress)
    }
}

/// One connection as the gateway sees it. Lives on its loop; outlives its socket, and is then deaf.
package final class Connection {
    package let facts: ConnectionFacts
    /// The gateway's own place on the connection: the identity it found, once. Dropped after `LoopWorker.closed`.
    package var attachment: AnyObject?
    private var handler: ConnectionHandler?
    private(set) var principal: String?
    private let gate: AcceptGate

    init(facts: ConnectionFacts, handler: ConnectionHandler, gate: AcceptGate) {
        self.facts = facts
        self.handler = handler
        self.gate = gate
    }

    /// The handshake is done.
    func establish(_ handshake: Handshake) {
        facts.verifiedChain = handshake.verifiedChain
    }

    /// The socket is gone: the two let go of each other.
    func detach() { handler = nil }

    /// Whether an answer could still be sent.
    package var isOpen: Bool { handler?.isOpen ?? false }

    /// Answers a request. The bytes leave at the end of the round; an answer to a request that was reset, or on a
    /// closed connection, is dropped.
    package func respond(_ response: consuming Response, to token: StreamToken) {
        handler?.respond(response, to: token)
    }

    /// Ends a request that was cancelled too late for `LoopWorker.cancel` to end it: no answer is made, and the peer
    /// may have another at work.
    package func release(_ token: StreamToken) { handler?.release(token) }

    /// Counts this connection to `principal`; `false` when the principal has its share of connections already.
    /// A connection that changes its principal gives the first place back.
    package func occupy(principal: String) -> Bool {
        if self.principal == principal { return true }
        guard gate.occupy(principal: principal) else { return false }
        if let former = self.principal { gate.vacate(principal: former) }
        self.principal = principal
        return true
    }

    /// Lets the requests under way finish and takes no more.
    package func drain() { handler?.beginDrain() }

    /// Ends the connection now; requests under way are not answered.
    package func close() { handler?.closeNow() }
}
