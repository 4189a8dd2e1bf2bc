import Domain
import Synchronization

@testable import Network

/// What the workers of a test server have seen.
final class Seen: Sendable {
    struct State {
        var requests = 0
        /// Content bytes of each request whose head was asked about.
        var heads: [Int] = []
        var refusals: [String] = []
        var closed = 0
        /// The streams of the requests that were cancelled.
        var cancelled: [UInt64] = []
    }

    let state = Mutex(State())

    var heads: [Int] { state.withLock { $0.heads } }
    var requests: Int { state.withLock { $0.requests } }
    var refusals: [String] { state.withLock { $0.refusals } }
    var cancelled: [UInt64] { state.withLock { $0.cancelled } }
    var closed: Int { state.withLock { $0.closed } }
}

/// A real listener on loopback whose worker says back what it was asked.
struct TestServer {
    let loops: EventLoops
    let listener: Listener
    let seen: Seen
    let gate: AcceptGate

    var port: Int { listener.port }

    static func start(
        loops count: Int = 1, limits: ConnectionLimits = ConnectionLimits(),
        budgets: ConnectionBudgets = ConnectionBudgets(), security: ListenerSecurity = .plaintext,
        sources: SourceSlot = SourceSlot(), proxies: SourceSlot = SourceSlot(admits: { _ in false }),
        refuseHead: @escaping @Sendable (borrowing Request) -> Response? = { _ in nil },
        answer: (@Sendable (Request, Connection, StreamToken) -> Void)? = nil
    ) async throws -> TestServer {
        let seen = Seen()
        let loops = EventLoops(count: count) { _, _ in
            LoopWorker(
                receive: { request, connection, token in
                    seen.state.withLock { $0.requests += 1 }
                    if let answer {
                        answer(request, connection, token)
                    } else {
                        connection.respond(Self.description(of: request), to: token)
                    }
                    return WorkToken(value: UInt64(token.stream))
                },
                refuseHead: { request, _ in
                    let bytes = request.body.count
                    seen.state.withLock { $0.heads.append(bytes) }
                    return refuseHead(request)
                },
                cancel: { work in
                    seen.state.withLock { $0.cancelled.append(work.value) }
                    return true
                },
                closed: { _ in seen.state.withLock { $0.closed += 1 } },
                refused: { refusal in seen.state.withLock { $0.refusals.append("\(refusal.reason)") } })
        }
        var configuration = ListenerConfiguration(id: "test", host: "127.0.0.1", port: 0, security: security)
        configuration.limits = limits
        configuration.sources = sources
        configuration.proxies = proxies
        let gate = AcceptGate(budgets: budgets)
        let listener = try await Listener.start(configuration, on: loops, gate: gate)
        return TestServer(loops: loops, listener: listener, seen: seen, gate: gate)
    }

    /// Returns when a connection of the server has been told to drain.
    func untilDraining() async {
        let isTold = Mutex(false)
        while !isTold.withLock({ $0 }) {
            await loops.onEach { loop in
                if loop.connections.contains(where: { $0.drainEndsAt != nil }) { isTold.withLock { $0 = true } }
            }
        }
    }

    func stop() async {
        await listener.close()
        await loops.shutdown()
    }

    /// Every part of the request on one line, so that two requests can be compared.
    static func description(of request: Request) -> Response {
        var text = "\(request.method.text) \(request.target.text) \(request.authority.text)"
        for index in 0..<request.fields.count {
            text += " [\(request.fields.name(at: index).text)=\(request.fields.value(at: index).text)]"
        }
        text += " <\(request.body.prefix(64)[...].text)> \(request.body.count)"
        return Response(status: 200, contentType: .text, requestID: UniqueID(high: 1, low: 2), body: Array(text.utf8))
    }
}
