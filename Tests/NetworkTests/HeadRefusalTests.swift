import Domain
import TestKit
import Testing

@testable import Network

/// What a worker that takes no content says.
enum EarlyAnswer {
    static let text = "not yours"

    static func refuse(_ request: borrowing Request) -> Response? {
        Response(status: 403, contentType: .text, requestID: UniqueID(high: 1, low: 2), body: Array(text.utf8))
    }
}

@Suite("What the head of a request alone refuses")
struct HeadRefusalTests {
    private static let head = "POST / HTTP/1.1\r\nHost: a.example\r\n"
    private static let length = head + "Content-Length: 1000000\r\n\r\n"
    private static let chunked = head + "Transfer-Encoding: chunked\r\n\r\n"

    @Test(
        "the answer comes before the content, nothing of which is kept, and the connection closes",
        arguments: [
            length, length + String(repeating: "a", count: 50_000), chunked, chunked + "5\r\nhel",
            head + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        ])
    func refuses(request: String) async throws {
        let server = try await TestServer.start(refuseHead: EarlyAnswer.refuse)
        let client = try RawClient(port: server.port)
        client.send(request)
        let bytes = client.receiveAll()
        #expect(bytes.hasPrefix("HTTP/1.1 403 Forbidden\r\n"), "no 100 Continue is said before")
        #expect(bytes.contains("\r\nconnection: close\r\n"))
        #expect(Answers(parsing: bytes).bodies == [EarlyAnswer.text])
        #expect(server.gate.bodies.held == 0)
        #expect(server.seen.heads == [0])
        #expect(server.seen.requests == 0)
        #expect(server.seen.refusals.isEmpty)
        await server.stop()
    }

    @Test("a request that is whole in one read is never asked about")
    func whole() async throws {
        let server = try await TestServer.start(refuseHead: EarlyAnswer.refuse)
        let client = try RawClient(port: server.port)
        let requests = [
            Self.head + "Content-Length: 5\r\n\r\nhello", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            Self.chunked + "5\r\nhello\r\n0\r\n\r\n",
        ]
        for request in requests {
            client.send(request)
            #expect(Answers(parsing: client.receiveAnswers(1)).statuses == [200])
        }
        #expect(server.seen.heads.isEmpty)
        await server.stop()
    }

    @Test("a request that may go on is asked about once, without its content, and arrives whole")
    func admits() async throws {
        let server = try await TestServer.start()
        let client = try RawClient(port: server.port)
        client.send(Self.head + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n")
        #expect(String(decoding: client.receiveSome(), as: UTF8.self) == "HTTP/1.1 100 Continue\r\n\r\n")
        for piece in ["abc", "def", "ghi"] {
            client.send(piece)
            for _ in 0..<3 { await server.loops.onEach { _ in } }
        }
        let answer = Answers(parsing: client.receiveAnswers(1))
        #expect(answer.bodies.first?.hasSuffix("<abcdefghi> 9") == true)
        #expect(server.seen.heads == [0])
        await server.stop()
    }

    @Test("the head of a pipelined request is asked about once the answer before it is written")
    func pipelined() async throws {
        let server = try await TestServer.start(refuseHead: EarlyAnswer.refuse)
        let client = try RawClient(port: server.port)
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n" + Self.length)
        #expect(Answers(parsing: client.receiveAll()).statuses == [200, 403])
        #expect(server.gate.bodies.held == 0)
        await server.stop()
    }
}
