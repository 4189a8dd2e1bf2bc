import AccessPolicy
import Bus
import Domain
import Identity
import Network
import Telemetry

/// Refusals as log lines: who, what, why, under which id. Never content, signatures or keys.
extension Services {
    /// Something below HTTP or in its framing.
    func record(_ refusal: Refusal) {
        switch refusal.reason {
        case .connectionBudget, .handshakingBudget: metrics.add(to: .connectionsRefused)
        case .handshake: metrics.add(to: .handshakesFailed)
        case .network, .proxyHeader, .deadline, .http1, .http2Request, .http2Connection, .session:
            metrics.add(to: .requestsRefused)
        }
        logger.log(
            .info, "connection-refused",
            [
                ("listener", .text(refusal.listenerID)), ("sourceAddress", .text(refusal.sourceAddress)),
                ("reason", .text("\(refusal.reason)")),
            ])
    }

    /// A request that is answered with an error. Its message may repeat words of the content: the line has the code's
    /// own help instead.
    ///
    /// - Parameter caller: who made it; nil where that was not known yet.
    func record(_ fault: Fault, _ connection: Connection, _ requestID: UniqueID, _ caller: Caller?) {
        metrics.add(to: .requestsRefused)
        guard !fault.isLogged else { return }
        logger.log(
            .info, "request-refused",
            [
                ("listener", .text(connection.facts.listenerID)),
                ("sourceAddress", .text(connection.facts.sourceAddress)),
                ("principal", .text(caller?.principal.arn ?? "")), ("code", .text(fault.code.rawValue)),
                ("reason", .text(fault.code.reason)), ("requestId", .text("\(requestID)")),
            ])
    }

    /// An entry that cannot be read as one.
    ///
    /// - Parameter entry: its place in the request.
    func record(_ code: ErrorCode, _ requestID: UniqueID, _ caller: Caller, entry: Int) {
        metrics.add(to: .entriesInvalid)
        logger.log(
            .info, "entry-refused",
            [
                ("requestId", .text("\(requestID)")), ("entry", .integer(Int64(entry))),
                ("principal", .text(caller.principal.arn)), ("code", .text(code.rawValue)),
                ("reason", .text(code.reason)), ("sourceAddress", .text(caller.sourceAddress)),
            ])
    }

    /// An entry that was not admitted.
    ///
    /// - Parameter entry: its place in the request.
    /// - Returns: `false` when its decision cannot be recorded, so that the denial must not be told.
    func record(
        _ denial: Denial, _ decisionID: UniqueID, _ requestID: UniqueID, _ caller: Caller, entry: Int
    ) -> Bool {
        if let capture = denial.capture {
            let answer = DecisionRecord.Answer(
                code: denial.code.rawValue, message: denial.message, detail: denial.detail)
            guard
                decisions.keep(capture, answer, id: decisionID, requestID: requestID, entry: entry, caller: caller)
            else { return false }
        }
        metrics.add(to: denial.side == .bus ? .entriesInvalid : .entriesDenied)
        logger.log(
            .info, "entry-denied",
            [
                ("decisionId", .text("\(decisionID)")), ("requestId", .text("\(requestID)")),
                ("principal", .text(caller.principal.arn)), ("side", .text(denial.side.rawValue)),
                ("code", .text(denial.code.rawValue)), ("message", .text(denial.message)),
                ("detail", .text(denial.detail ?? "")), ("sourceAddress", .text(caller.sourceAddress)),
            ])
        return true
    }
}

extension ErrorCode {
    private static let reasons = Dictionary(
        uniqueKeysWithValues: allCases.map { ($0, $0.help.replacing("the message", with: "the answer's message")) })

    /// `help` for a line of the log, which has no message of its own.
    var reason: String { Self.reasons[self] ?? help }
}
