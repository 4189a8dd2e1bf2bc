package import Domain
package import Telemetry
import Synchronization

/// The pages of the loopback admin listener: `/healthz`, `/readyz`, `/metrics`.
package final class AdminPages: Sendable {
    /// The id of the listener that serves the pages; no other may have it.
    package static let listenerID = "admin"

    /// Whether the gateway takes requests.
    package enum Readiness: String, Sendable {
        case starting
        case ready
        case draining
        case failed
    }

    private let metrics: Metrics
    private let refresh: @Sendable () -> Void
    private let state = Mutex(Readiness.starting)

    /// `refresh` brings gauges up to date before they are shown.
    package init(metrics: Metrics, refresh: @escaping @Sendable () -> Void) {
        self.metrics = metrics
        self.refresh = refresh
    }

    package func set(_ readiness: Readiness) { state.withLock { $0 = readiness } }

    /// Answers one request; anything but a GET of a known page is 404 or 405.
    package func answer(_ request: borrowing Request, requestID: UniqueID) -> Response {
        guard request.method.equals("GET") else {
            return page(405, "only GET is answered here\n", requestID)
        }
        if request.target.equals("/healthz") { return page(200, "ok\n", requestID) }
        if request.target.equals("/readyz") {
            let readiness = state.withLock { $0 }
            return page(readiness == .ready ? 200 : 503, readiness.rawValue + "\n", requestID)
        }
        guard request.target.equals("/metrics") else {
            return page(404, "the pages are /healthz, /readyz and /metrics\n", requestID)
        }
        refresh()
        var body: [UInt8] = []
        metrics.appendOpenMetrics(to: &body)
        return Response(status: 200, contentType: .openMetrics, requestID: requestID, body: body)
    }

    private func page(_ status: UInt16, _ text: String, _ requestID: UniqueID) -> Response {
        Response(status: status, contentType: .text, requestID: requestID, body: Array(text.utf8))
    }
}
