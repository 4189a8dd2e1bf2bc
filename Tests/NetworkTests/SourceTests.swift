import TestKit
import Testing

@testable import Network

@Suite("Who may connect")
struct SourceTests {
    private static let request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"

    @Test("an address outside the listener's networks is turned away before a byte is read, until the rule changes")
    func networks() async throws {
        let sources = SourceSlot { $0 == "10.0.0.1" }
        let server = try await TestServer.start(sources: sources)
        let outside = try RawClient(port: server.port)
        outside.send(Self.request)
        #expect(outside.receiveAll().isEmpty)
        #expect(server.seen.refusals == ["the listener is not for this network"])
        #expect(server.seen.requests == 0)
        #expect(server.gate.openConnections == 0)
        sources.replace { $0 == "127.0.0.1" }
        let inside = try RawClient(port: server.port)
        inside.send(Self.request)
        #expect(Answers(parsing: inside.receiveAnswers(1)).statuses == [200])
        sources.replace { _ in false }
        inside.send(Self.request)
        #expect(Answers(parsing: inside.receiveAnswers(1)).statuses == [200])
        #expect(server.gate.takeAccepted() == 1)
        #expect(server.gate.takeAccepted() == 0)
        await server.stop()
    }

    @Test("asking often costs the last no more than the first")
    func asksOften() {
        let sources = SourceSlot { $0 == "10.0.0.1" }
        #expect((0..<200_000).allSatisfy { _ in sources.admits("10.0.0.1") })
    }

    @Test(
        "an IPv4 address inside IPv6 counts as the IPv4 address",
        arguments: [
            ("::ffff:10.1.2.3", "10.1.2.3"), ("10.1.2.3", "10.1.2.3"), ("::1", "::1"), ("::ffff:0:1", "::ffff:0:1"),
            ("", ""),
        ])
    func unmaps(address: String, expected: String) {
        #expect(SourceSlot.unmapped(address) == expected)
    }
}
