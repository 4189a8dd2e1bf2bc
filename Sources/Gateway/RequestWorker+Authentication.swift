import Bus
package import Cryptography
package import Domain
import Identity
import Network
package import Registry
import Telemetry

extension RequestWorker {
    /// Who makes the request. The identity of the certificate is read once a connection and held to today's trust.
    func authenticate(
        _ request: borrowing Request, _ connection: Connection, _ requestID: UniqueID, _ now: Timestamp
    ) throws(Fault) -> (Caller, ConnectionState) {
        let caller: Caller
        let state: ConnectionState
        do throws(AuthenticationRefusal) {
            state = try self.state(of: connection, now)
            let arrival = state.arrival(connection.facts, try state.identity?.current(snapshot, now: now))
            let outcome = authenticator.authenticate(
                request, from: arrival, after: state.caller, directory: directory, now: now)
            switch outcome {
            case .caller(let proven):
                caller = proven
                state.caller = proven
                self.caller = proven
            case .refused(let refusal): throw refusal
            }
        } catch {
            throw refuse(error, connection, requestID)
        }
        try occupy(connection, caller)
        return (caller, state)
    }

    /// Whom the request of a webhook is by, and what stands for what was signed; nil where that was nothing. The
    /// connection is not counted to the caller: that the message is a new one is for the caller of this to find out.
    func authenticate(
        _ request: borrowing Request, as credential: WebhookCredential, _ exchange: Exchange
    ) throws(Fault) -> (Caller, ConnectionState, message: Digest?) {
        do throws(AuthenticationRefusal) {
            let (connection, now) = (exchange.connection, exchange.now)
            let state = try self.state(of: connection, now)
            let arrival = state.arrival(connection.facts, try state.identity?.current(snapshot, now: now))
            let outcome = authenticator.authenticate(
                webhook: credential, copy request, from: arrival, after: state.webhookCaller, directory: directory,
                now: now)
            switch outcome {
            case .caller(let caller, let message):
                state.webhookCaller = caller
                self.caller = caller
                return (caller, state, message)
            case .refused(let refusal): throw refusal
            }
        } catch {
            throw refuse(error, exchange.connection, exchange.requestID)
        }
    }

    /// Counts the connection to its caller's principal.
    func occupy(_ connection: Connection, _ caller: Caller) throws(Fault) {
        guard connection.occupy(principal: caller.accountable) else {
            throw Fault(
                .throttling, "the principal has too many open connections; use fewer and keep them open",
                retryAfterSeconds: 1)
        }
    }

    /// Refuses a request whose head alone already has no caller; the first steps of `authenticate`, told as it tells.
    func authenticateHead(
        _ request: borrowing Request, _ connection: Connection, _ requestID: UniqueID, _ now: Timestamp,
        as credential: WebhookCredential? = nil
    ) throws(Fault) {
        do throws(AuthenticationRefusal) {
            let state = try self.state(of: connection, now)
            let arrival = state.arrival(connection.facts, try state.identity?.current(snapshot, now: now))
            let refusal: AuthenticationRefusal?
            if let credential {
                refusal = authenticator.refusal(
                    ofHead: copy request, webhook: credential, from: arrival, directory: directory, now: now)
            } else {
                refusal = authenticator.refusal(
                    ofHead: request, from: arrival, after: state.caller, directory: directory, now: now)
            }
            if let refusal { throw refusal }
        } catch {
            throw refuse(error, connection, requestID)
        }
    }

    /// Counts and logs a request without a caller; the answer to it.
    private func refuse(_ refusal: AuthenticationRefusal, _ connection: Connection, _ requestID: UniqueID) -> Fault {
        services.metrics.add(to: .authenticationFailures)
        services.logger.log(
            .info, "authentication-refused",
            [
                ("listener", .text(connection.facts.listenerID)),
                ("sourceAddress", .text(connection.facts.sourceAddress)), ("reason", .text("\(refusal.label)")),
                ("message", .text("\(refusal)")), ("requestId", .text("\(requestID)")),
            ])
        return Fault(
            refusal.code, "\(refusal)", retryAfterSeconds: refusal.code == .serviceUnavailable ? 5 : nil
        ).logged
    }

    /// What is kept with the connection; made at its first request.
    private func state(of connection: Connection, _ now: Timestamp) throws(AuthenticationRefusal) -> ConnectionState {
        if let state = connection.attachment as? ConnectionState { return state }
        var identity: ConnectionIdentity?
        if let chain = connection.facts.verifiedChain {
            identity = try ConnectionIdentity(chain, snapshot, now: now)
        }
        let state = ConnectionState(identity: identity)
        connection.attachment = state
        return state
    }

    /// Whether a connection whose certificate was verified earlier may stay open under `snapshot`.
    package static func isTrusted(_ chain: VerifiedChain, _ snapshot: Snapshot, now: Timestamp) -> Bool {
        ConnectionIdentity.stands(chain, snapshot, now: now)
    }
}
