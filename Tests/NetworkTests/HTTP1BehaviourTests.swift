import Domain
import Synchronization
import TestKit
import Testing

@testable import Network

@Suite("HTTP/1.1 behaviour")
struct HTTP1BehaviourTests {
    private static let host = "Host: a.example\r\n"
    private static let golden = [
        "POST /a?b=c HTTP/1.1\r\n\(host)X-Amz-Target: T\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n0003\r\nllo\r\n0\r\n\r\n",
        "GET http://a.example/p HTTP/1.1\r\nhost:a.example\r\nA: \t b c \t\r\n\r\n",
    ]
    private static let expected = [
        "POST /a?b=c a.example [host=a.example] [x-amz-target=T] [content-length=5] <hello> 5",
        "POST / a.example [host=a.example] [transfer-encoding=chunked] <hello> 5",
        "GET /p a.example [host=a.example] [a=b c] <> 0",
    ]

    @Test("a request is the same wherever it is split")
    func splits() async throws {
        let server = try await TestServer.start()
        var variants = 0
        for (request, expected) in zip(Self.golden, Self.expected) {
            let bytes = Array(request.utf8)
            let client = try RawClient(port: server.port)
            for cut in 1..<bytes.count {
                client.send(Array(bytes[..<cut]))
                client.send(Array(bytes[cut...]))
                #expect(Answers(parsing: client.receiveAnswers(1)).bodies == [expected], "cut at \(cut)")
                variants += 1
            }
            for byte in bytes { client.send([byte]) }
            #expect(Answers(parsing: client.receiveAnswers(1)).bodies == [expected])
        }
        print("S3: \(variants + Self.golden.count) variants")
        await server.stop()
    }

    @Test("requests glued together are answered in order, one at a time")
    func pipelines() async throws {
        let server = try await TestServer.start()
        let client = try RawClient(port: server.port)
        client.send(String(repeating: Self.golden.joined(), count: 20))
        let answers = Answers(parsing: client.receiveAnswers(60))
        #expect(answers.bodies == Array(repeating: Self.expected, count: 20).flatMap { $0 })
        await server.stop()
    }

    @Test("100-continue is said once, before the content, and HTTP/1.0 is answered and closed")
    func continues() async throws {
        let server = try await TestServer.start()
        let client = try RawClient(port: server.port)
        client.send("POST / HTTP/1.1\r\n\(Self.host)Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
        #expect(String(decoding: client.receiveSome(), as: UTF8.self) == "HTTP/1.1 100 Continue\r\n\r\n")
        client.send("a")
        #expect(Answers(parsing: client.receiveAnswers(1)).statuses == [200])
        let old = try RawClient(port: server.port)
        old.send("GET / HTTP/1.0\r\n\(Self.host)\r\n")
        let answer = old.receiveAll()
        #expect(Answers(parsing: answer).statuses == [200])
        #expect(answer.contains("connection: close"))
        await server.stop()
    }

    @Test("an answer to HEAD has its length and no content")
    func answersHead() async throws {
        let server = try await TestServer.start()
        let client = try RawClient(port: server.port)
        client.send("HEAD / HTTP/1.1\r\n\(Self.host)Connection: close\r\n\r\n")
        let answer = client.receiveAll()
        #expect(answer.hasSuffix("\r\n\r\n"))
        #expect(!answer.contains("content-length: 0"))
        await server.stop()
    }

    @Test("limits hold just under and at, and refuse just over")
    func limits() async throws {
        let server = try await TestServer.start()
        let limit = Limits.wireBodyBytes
        func status(_ text: String) throws -> [Int] {
            let client = try RawClient(port: server.port)
            client.send(text)
            return Answers(parsing: client.receiveAnswers(1)).statuses
        }
        func fields(_ count: Int) -> String { String(repeating: "A: b\r\n", count: count) }
        func value(_ count: Int) -> String { "A: " + String(repeating: "b", count: count) + "\r\n" }
        func content(_ count: Int) -> String { String(repeating: "x", count: count) }
        let get = "GET / HTTP/1.1\r\n\(Self.host)"
        #expect(try status(get + fields(98) + "\r\n") == [200])
        #expect(try status(get + fields(99) + "\r\n") == [200])
        #expect(try status(get + fields(100) + "\r\n") == [431])
        #expect(try status(get + value(16_384 - 15) + "\r\n") == [200])
        #expect(try status(get + value(16_384 - 14) + "\r\n") == [200])
        #expect(try status(get + value(16_384 - 13) + "\r\n") == [431])
        let post = "POST / HTTP/1.1\r\n\(Self.host)"
        #expect(try status(post + "Content-Length: \(limit)\r\n\r\n" + content(limit)) == [200])
        #expect(try status(post + "Content-Length: \(limit + 1)\r\n\r\n") == [413])
        let chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
        let half = String(limit / 2, radix: 16) + "\r\n" + content(limit / 2) + "\r\n"
        #expect(try status(chunked + half + half + "0\r\n\r\n") == [200])
        #expect(try status(chunked + half + half + "1\r\na\r\n0\r\n\r\n") == [413])
        await server.stop()
    }

    @Test("a peer that does not read its answers is not read either")
    func slowReader() async throws {
        let body = [UInt8](repeating: 0x61, count: 64 * 1024)
        let server = try await TestServer.start(answer: { _, connection, token in
            connection.respond(
                Response(status: 200, contentType: .text, requestID: UniqueID(high: 1, low: 2), body: body), to: token)
        })
        let client = try RawClient(port: server.port, receiveBufferBytes: 4096)
        let request = Array("GET / HTTP/1.1\r\n\(Self.host)\r\n".utf8)
        let batch = Array(repeating: request, count: 1000).flatMap { $0 }
        var sent = 0
        var stuck = 0
        while stuck < 10, sent < 2_000_000 * request.count {
            let count = client.sendWithoutWaiting(batch)
            sent += count
            stuck = count == 0 ? stuck + 1 : 0
            if count == 0 { try await ContinuousClock().sleep(until: .now + .milliseconds(50)) }
        }
        // Kernel buffers hold a few MiB of answers, and the connection 1 MiB; the rest was never asked for.
        print("slow reader: \(sent / request.count) requests sent, \(server.seen.requests) served")
        #expect(stuck == 10, "the sockets never filled")
        #expect((1..<400).contains(server.seen.requests))
        await server.stop()
    }

    @Test("a request under way is answered before a drain is over, and says that the connection closes")
    func drains() async throws {
        let parked = Mutex<[@Sendable () -> Void]>([])
        let server = try await TestServer.start(answer: { request, connection, token in
            nonisolated(unsafe) let connection = connection
            parked.withLock { $0.append { connection.respond(TestServer.description(of: request), to: token) } }
        })
        let client = try RawClient(port: server.port)
        client.send("GET / HTTP/1.1\r\n\(Self.host)\r\n")
        while server.seen.requests == 0 { await Task.yield() }
        async let drained: Void = server.listener.drain()
        await server.untilDraining()
        await server.loops.onEach { _ in
            for answer in parked.withLock({ $0 }) { answer() }
        }
        await server.loops.onEach { $0.scheduleRound() }
        let answer = client.receiveAll()
        #expect(Answers(parsing: answer).statuses == [200])
        #expect(answer.contains("connection: close"))
        client.finishSending()
        await drained
        #expect(server.listener.openConnections == 0)
        await server.stop()
    }

    @Test("slow heads, slow bodies and silence are cut at their deadline, within a second")
    func deadlines() async throws {
        var limits = ConnectionLimits()
        limits.headerBlockNanoseconds = 1 * .second
        limits.bodyNanoseconds = 2 * .second
        limits.idleNanoseconds = 1 * .second
        let server = try await TestServer.start(limits: limits)
        let cases: [(text: String, seconds: Double, statuses: [Int])] = [
            ("", 1, [408]), ("GET / HT", 1, [408]),
            ("POST / HTTP/1.1\r\n\(Self.host)Content-Length: 2\r\n\r\na", 2, [408]),
            ("GET / HTTP/1.1\r\n\(Self.host)\r\n", 1, [200]),
        ]
        for item in cases {
            let client = try RawClient(port: server.port)
            let start = ContinuousClock.now
            client.send(item.text)
            let answers = Answers(parsing: client.receiveAll())
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            #expect(answers.statuses == item.statuses)
            #expect(seconds >= item.seconds - 0.01 && seconds < item.seconds + 1.5, "\(item.text): \(seconds)")
        }
        await server.stop()
    }

    @Test("connections over a budget are turned away, and a principal has its share")
    func budgets() async throws {
        var budgets = ConnectionBudgets()
        budgets.connections = 2
        budgets.connectionsPerPrincipal = 1
        let server = try await TestServer.start(budgets: budgets)
        let first = try RawClient(port: server.port)
        let second = try RawClient(port: server.port)
        for client in [0, 1] {
            let text = "GET / HTTP/1.1\r\n\(Self.host)\r\n"
            if client == 0 { first.send(text) } else { second.send(text) }
            #expect(Answers(parsing: client == 0 ? first.receiveAnswers(1) : second.receiveAnswers(1)).complete == 1)
        }
        let third = try RawClient(port: server.port)
        #expect(third.receiveAll().isEmpty)
        #expect(server.seen.refusals == ["all connections of the process are in use"])
        #expect(server.gate.occupy(principal: "p"))
        #expect(!server.gate.occupy(principal: "p"))
        server.gate.vacate(principal: "p")
        #expect(server.gate.occupy(principal: "p"))
        await server.stop()
    }

    @Test("connections that a predicate picks are closed at once")
    func closesByPredicate() async throws {
        let server = try await TestServer.start()
        let client = try RawClient(port: server.port)
        client.send("GET / HTTP/1.1\r\n\(Self.host)\r\n")
        #expect(Answers(parsing: client.receiveAnswers(1)).complete == 1)
        #expect(await server.loops.closeConnections { $0.facts.listenerID == "other" } == 0)
        #expect(await server.loops.closeConnections { $0.facts.listenerID == "test" } == 1)
        #expect(client.receiveAll().isEmpty)
        #expect(server.seen.closed == 1)
        await server.stop()
    }
}
