import Cryptography
import Domain
import Identity
import Registry

/// `/join` and `/renew`: a partner's way in. Both go to the control plane, in the line of the API calls.
extension RequestWorker {
    /// A partner with a token. Without the id of an invitation nobody reaches the control plane.
    func join(_ request: borrowing Request, _ exchange: Exchange) throws(Fault) {
        try checkForm(request, contentBytes: request.body.count)
        guard let message = JoinMessage(parsing: request.body) else {
            throw Fault(.validation, "the content is no request to join: run `isthmus partner join`")
        }
        guard snapshot.invitations[message.invitation] != nil else { throw Fault(ControlFault.unknownInvitation) }
        try offer(.join(message), request, exchange)
    }

    /// A partner that joined, by its certificate alone.
    func renew(_ request: borrowing Request, _ exchange: Exchange) throws(Fault) {
        try checkForm(request, contentBytes: request.body.count)
        let (caller, _) = try authenticate(request, exchange.connection, exchange.requestID, exchange.now)
        guard let fingerprint = caller.certificateFingerprint, caller.signature == nil else {
            throw Fault(
                .missingAuthenticationToken,
                "a certificate is renewed by the certificate: connect with it, and without a signature")
        }
        try offer(.renew(certificate: fingerprint), request, exchange)
    }

    /// Holds a request to join or renew to its method and to the length of its content, the declared one in a head.
    func checkForm(_ request: borrowing Request, contentBytes: Int) throws(Fault) {
        try Route.join.checkMethod(request)
        guard contentBytes <= JoinRequest.contentBytesLimit else {
            throw Fault(
                .requestEntityTooLarge, "the content of a join has at most \(JoinRequest.contentBytesLimit) bytes")
        }
    }

    private func offer(_ kind: JoinCall.Kind, _ request: borrowing Request, _ exchange: Exchange) throws(Fault) {
        try offer(exchange) { token in
            .join(
                JoinCall(
                    kind: kind, content: request.body, requestID: exchange.requestID, token: token, answers: answers))
        }
    }
}
