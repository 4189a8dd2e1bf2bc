import Domain
import Synchronization
import TestKit
import Testing

@testable import Network

/// Answers that a server keeps back until it is told.
private final class Parked: Sendable {
    private let waiting = Mutex<[@Sendable () -> Void]>([])

    func park(_ request: Request, _ connection: Connection, _ token: StreamToken) {
        // Proof: parked and answered on the connection's loop.
        nonisolated(unsafe) let connection = connection
        waiting.withLock { $0.append { connection.respond(TestServer.description(of: request), to: token) } }
    }

    func answer(_ server: TestServer) async {
        await server.loops.onEach { loop in
            for answer in self.waiting.withLock({ $0 }) { answer() }
            loop.scheduleRound()
        }
    }
}

@Suite("How an HTTP/1.1 connection ends")
struct EndTests {
    private static let request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"

    @Test("a client that shuts its side after a whole request still gets its answer, then the connection ends")
    func halfClose() async throws {
        let parked = Parked()
        let server = try await TestServer.start(answer: { parked.park($0, $1, $2) })
        let client = try RawClient(port: server.port)
        client.send(Self.request)
        client.finishSending()
        while server.seen.requests == 0 { await Task.yield() }
        for _ in 0..<3 { await server.loops.onEach { _ in } }
        #expect(server.listener.openConnections == 1)
        await parked.answer(server)
        let answer = client.receiveAll()
        #expect(Answers(parsing: answer).statuses == [200])
        await server.stop()
        #expect(server.seen.closed == 1)
    }

    @Test("a client that shuts its side within a request, or without one, is closed without an answer")
    func halfCloseInside() async throws {
        let server = try await TestServer.start()
        for text in ["", "GET / HT", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nab"] {
            let client = try RawClient(port: server.port)
            let begin = ContinuousClock.now
            client.send(text)
            client.finishSending()
            #expect(client.receiveAll().isEmpty)
            #expect(ContinuousClock.now - begin < .seconds(2))
        }
        #expect(server.seen.requests == 0)
        await server.stop()
    }

    @Test("pipelined requests before a half-close are all answered")
    func pipelinedHalfClose() async throws {
        let server = try await TestServer.start()
        let client = try RawClient(port: server.port)
        client.send(String(repeating: Self.request, count: 5))
        client.finishSending()
        let answer = client.receiveAll()
        #expect(Answers(parsing: answer).statuses == Array(repeating: 200, count: 5))
        await server.stop()
    }

    @Test("a request that is never answered does not hold a drain beyond its time")
    func boundedDrain() async throws {
        var limits = ConnectionLimits()
        limits.drainNanoseconds = 1 * .second
        let server = try await TestServer.start(limits: limits, answer: { _, _, _ in })
        let client = try RawClient(port: server.port)
        client.send(Self.request)
        while server.seen.requests == 0 { await Task.yield() }
        let begin = ContinuousClock.now
        await server.listener.drain()
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        #expect(seconds >= 0.9 && seconds < 2.5)
        #expect(server.seen.refusals == ["draining took too long"])
        #expect(client.receiveAll().isEmpty)
        await server.stop()
    }

    @Test("a connection of its maximum age closes with its next answer and says so")
    func age() async throws {
        var limits = ConnectionLimits()
        limits.maximumAgeNanoseconds = 1 * .second
        let parked = Parked()
        let server = try await TestServer.start(limits: limits, answer: { parked.park($0, $1, $2) })
        let busy = try RawClient(port: server.port)
        let idle = try RawClient(port: server.port)
        let begin = ContinuousClock.now
        busy.send(Self.request)
        #expect(idle.receiveAll().isEmpty)
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        #expect(seconds >= 0.85 && seconds < 2.5)
        // The busy one may live a fifth longer than the idle one: when a later connection has ended, it is past its
        // age.
        #expect(try RawClient(port: server.port).receiveAll().isEmpty)
        await parked.answer(server)
        let answer = busy.receiveAll()
        #expect(Answers(parsing: answer).statuses == [200])
        #expect(answer.contains("connection: close"))
        await server.stop()
    }

    @Test("the age is spread over a tenth either way")
    func spread() {
        let age = 3600 * UInt64.second
        #expect(ConnectionHandler.spread(age, after: 7, jitter: 0) == 7 + age / 10 * 9)
        #expect(ConnectionHandler.spread(age, after: 7, jitter: .max) <= 7 + age / 10 * 11)
        #expect(ConnectionHandler.spread(age, after: 7, jitter: .max) > 7 + age / 100 * 109)
    }
}
