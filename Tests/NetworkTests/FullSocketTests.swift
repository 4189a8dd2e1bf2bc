import NIOCore
import TestKit
import Testing

@testable import Network

@Suite("A connection whose peer does not read", .timeLimit(.minutes(1)))
struct FullSocketTests {
    private static let upload = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2000\r\n\r\nab"

    @Test("an upload that is too slow is told of once, however long its answer waits in a full socket")
    func saysOnce() async throws {
        var limits = ConnectionLimits()
        limits.bodyNanoseconds = 1 * .second
        limits.writeStallNanoseconds = 3 * .second
        let server = try await TestServer.start(limits: limits)
        let client = try RawClient(port: server.port, receiveBufferBytes: 4096)
        client.send(Self.upload)
        try await until { !server.seen.heads.isEmpty }
        await server.loops.onEach { loop in
            // As answers to earlier requests would.
            let earlier = ByteBuffer(repeating: 0x61, count: 32 << 20)
            for connection in loop.connections {
                connection.context?.writeAndFlush(connection.wrapOutboundOut(earlier), promise: nil)
            }
        }
        try await until { server.seen.closed > 0 }
        #expect(server.seen.refusals == ["the body took too long", "the peer does not read"])
        withExtendedLifetime(client) {}
        await server.stop()
    }

    @Test("the last answer has the idle time to be read, also by a peer that takes a byte now and then")
    func lastWords() async throws {
        var limits = ConnectionLimits()
        limits.idleNanoseconds = 1 * .second
        let server = try await TestServer.start(limits: limits)
        let client = try RawClient(port: server.port, receiveBufferBytes: 4096)
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        try await until { server.seen.requests > 0 }
        let begin = ContinuousClock.now
        await server.loops.onEach { loop in
            for connection in loop.connections {
                guard let context = connection.context else { continue }
                let answer = ByteBuffer(repeating: 0x61, count: 32 << 20)
                context.writeAndFlush(connection.wrapOutboundOut(answer), promise: nil)
                connection.endOutput(context)
            }
        }
        var taken = 0
        try await until {
            taken += client.receiveWithoutWaiting(1).count
            return server.seen.closed > 0
        }
        let lasted = ContinuousClock.now - begin
        #expect(server.seen.refusals == ["the peer reads the last answer too slowly"])
        #expect(taken > 4096, "a peer that takes nothing is another case")
        #expect(lasted >= .seconds(0.9), "a peer that listens has its time")
        #expect(lasted < .seconds(3), "each byte that it takes is no new time")
        withExtendedLifetime(client) {}
        await server.stop()
    }

    @Test("a connection that closes has the idle time for its last words, and no deadline of a request any more")
    func closing() {
        let limits = ConnectionLimits()
        let session = HTTP1Session(limits: limits)
        var deadlines = HTTP1Deadlines(limits: limits, start: 0)
        #expect(deadlines.tick(now: limits.headerBlockNanoseconds, bodyBytes: 0) == .timeout(.headerBlock))
        _ = session.refuse(.timeout)
        for second in [5, 40] as [UInt64] { deadlines.observe(session, now: second * .second) }
        let end = 5 * .second + limits.idleNanoseconds
        #expect(deadlines.tick(now: end - 1, bodyBytes: 0) == .nothing)
        #expect(deadlines.tick(now: end, bodyBytes: 0) == .idle)
    }
}
