import Domain
import Identity
import Network
import Registry
import Telemetry

/// Calls of STS: who is calling, and sessions of roles.
extension RequestWorker {
    func answerTokenService(_ request: borrowing Request, _ exchange: Exchange) throws(Fault) {
        let response: Response
        do throws(Fault) {
            let (caller, state) = try authenticate(request, exchange.connection, exchange.requestID, exchange.now)
            let charge = Charge(sender: .account(caller.account), action: MeteredActions.tokenService, units: 1)
            try take(charge, caller, state, exchange)
            let form = try QueryForm(parsing: request.body)
            switch try SecurityTokenService.action(form) {
            case .getCallerIdentity:
                response = SecurityTokenService.callerIdentity(caller, requestID: exchange.requestID)
            case .assumeRole: response = try assumeRole(form, caller, exchange)
            }
        } catch {
            services.record(error, exchange.connection, exchange.requestID, caller)
            response = SecurityTokenService.response(error, requestID: exchange.requestID)
        }
        exchange.connection.respond(response, to: exchange.stream)
    }

    private func assumeRole(
        _ form: QueryForm, _ caller: Caller, _ exchange: Exchange
    ) throws(Fault) -> Response {
        do throws(Fault) {
            let call = try RoleAssumption(form, compatibility: snapshot.declaration.policyCompatibility)
            let granted = try call.grant(
                RoleAssumption.Question(
                    caller: caller, snapshot: snapshot, now: exchange.now, userAgent: exchange.userAgent,
                    decisionID: exchange.requestID, decisions: services.decisions),
                services.accessKeys.sessions, services.random)
            services.logger.log(
                .info, "role-assumed",
                [
                    ("principal", .text(caller.principal.arn)), ("session", .text(granted.session.principal.arn)),
                    ("accessKeyId", .text(granted.accessKeyID)),
                    ("expires", .text(granted.session.expiresAt.iso8601)),
                    ("requestId", .text("\(exchange.requestID)")),
                ])
            services.metrics.add(to: .rolesAssumed)
            return SecurityTokenService.assumedRole(granted, requestID: exchange.requestID)
        } catch {
            services.logger.log(
                .info, "role-assumption-refused",
                [
                    ("principal", .text(caller.principal.arn)), ("role", .text(form["RoleArn"] ?? "")),
                    ("code", .text(error.code.rawValue)), ("message", .text(error.message)),
                    ("requestId", .text("\(exchange.requestID)")),
                ])
            throw error.logged
        }
    }
}
