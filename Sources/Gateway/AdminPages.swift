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

    private enum Page: CaseIterable {
        case health
        case readiness
        case metrics

        var path: StaticString {
            switch self {
            case .health: "/healthz"
            case .readiness: "/readyz"
            case .metrics: "/metrics"
            }
        }
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

    /// Answers one request; another path is 404, another method of a page 405.
    package func answer(_ request: borrowing Request, requestID: UniqueID) -> Response {
        let target = request.target
        guard let page = Page.allCases.first(where: { target.equals($0.path) }) else {
            return text(404, "the pages are /healthz, /readyz and /metrics\n", requestID)
        }
        guard request.isMethod(Response.AllowedMethod.get.text) else {
            return text(405, "only GET is answered here\n", requestID, allow: .get)
        }
        switch page {
        case .health: return text(200, "ok\n", requestID)
        case .readiness:
            let readiness = state.withLock { $0 }
            return text(readiness == .ready ? 200 : 503, readiness.rawValue + "\n", requestID)
        case .metrics:
            refresh()
            var body: [UInt8] = []
            metrics.appendOpenMetrics(to: &body)
            return Response(status: 200, contentType: .openMetrics, requestID: requestID, body: body)
        }
    }

    private func text(
        _ status: UInt16, _ text: String, _ requestID: UniqueID, allow: Response.AllowedMethod? = nil
    ) -> Response {
        Response(status: status, contentType: .text, requestID: requestID, allow: allow, body: Array(text.utf8))
    }
}
