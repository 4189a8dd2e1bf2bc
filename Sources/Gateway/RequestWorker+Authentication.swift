import Bus
import Domain
import Identity
import Network
import Registry
import Telemetry

extension RequestWorker {
    /// Who makes the request. The identity of the certificate is read once a connection and held to today's trust.
    func authenticate(
        _ request: borrowing Request, _ connection: Connection, _ requestID: UniqueID, _ now: Timestamp
    ) throws(Fault) -> Caller {
        do throws(AuthenticationRefusal) {
            let facts = connection.facts
            let arrival = Authenticator.Arrival(
                endpoint: facts.listenerID, clientCertificate: facts.clientCertificate,
                sourceAddress: facts.sourceAddress, certificate: try certificate(of: connection, now))
            switch authenticator.authenticate(copy request, from: arrival, directory: directory, now: now) {
            case .caller(let caller): return caller
            case .refused(let refusal): throw refusal
            }
        } catch {
            services.metrics.add(to: .authenticationFailures)
            services.logger.log(
                .info, "authentication-refused",
                [
                    ("listener", .text(connection.facts.listenerID)),
                    ("sourceAddress", .text(connection.facts.sourceAddress)), ("reason", .text("\(error.label)")),
                    ("message", .text("\(error)")), ("requestId", .text("\(requestID)")),
                ])
            throw Fault(error.code, "\(error)")
        }
    }

    private func certificate(
        of connection: Connection, _ now: Timestamp
    ) throws(AuthenticationRefusal) -> CertificateIdentity? {
        if let known = connection.attachment as? ConnectionIdentity { return try known.current(snapshot, now: now) }
        guard let chain = connection.facts.verifiedChain else { return nil }
        let identity = try ConnectionIdentity(chain, snapshot, now: now)
        connection.attachment = identity
        return try identity.current(snapshot, now: now)
    }
}
