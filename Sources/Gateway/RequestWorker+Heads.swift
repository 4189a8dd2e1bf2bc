import Domain
import Identity
import Network
import Registry
import Telemetry

/// Requests whose content is late: what their head alone refuses is refused before the content is kept.
extension RequestWorker {
    /// The answer that `request` gets whatever content would follow; `nil` when that takes the content.
    ///
    /// The steps are those of a whole request up to the first that reads content, so code and message are the same; a
    /// refusal is counted and logged here, once, for the request is not handed out afterwards.
    ///
    /// - Source: THREATS 2.1, row "Slow headers / slow body".
    func refusal(ofHead request: borrowing Request, _ connection: Connection) -> Response? {
        if connection.facts.listenerID == AdminPages.listenerID { return nil }
        refresh()
        let requestID = ids.next()
        do throws(Fault) {
            try checkHead(request, connection, requestID)
            return nil
        } catch {
            services.metrics.add(to: request.version == .http2 ? .requestsHTTP2 : .requestsHTTP1)
            services.record(error, connection, requestID, nil)
            guard case .api = route(of: request.target), request.isMethod("POST"),
                isForTokenService(request, target: request.fields.index(of: "x-amz-target"))
            else { return error.response(requestID) }
            return SecurityTokenService.response(error, requestID: requestID)
        }
    }

    private func checkHead(
        _ request: borrowing Request, _ connection: Connection, _ requestID: UniqueID
    ) throws(Fault) {
        let route = route(of: request.target)
        var credential: WebhookCredential?
        switch route {
        case .join: return try checkForm(request, contentBytes: declaredBytes(of: request))
        case .renew: try checkForm(request, contentBytes: declaredBytes(of: request))
        case .webhook(let source): credential = try webhook(at: source).credential
        case .api, .bus, .decision, .nowhere: break
        }
        try route.checkMethod(request)
        try authenticateHead(request, connection, requestID, services.clock.now(), as: credential)
    }

    /// What `content-length` promises; 0 where it is absent.
    private func declaredBytes(of request: borrowing Request) -> Int {
        request.fields.value(of: "content-length").flatMap { Int($0.text) } ?? 0
    }
}
