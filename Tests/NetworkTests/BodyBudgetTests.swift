import Domain
import Testing

@testable import Network

@Suite("The budget for content under way")
struct BodyBudgetTests {
    @Test("those that hold content wait past the limit, all wait past twice the limit")
    func thresholds() {
        let budget = BodyBudget(limit: 100)
        budget.add(99)
        #expect(!budget.mustWait(own: 1))
        budget.add(1)
        #expect(!budget.mustWait(own: 1))
        budget.add(1)
        #expect(budget.mustWait(own: 1))
        #expect(!budget.mustWait(own: 0))
        budget.add(99)
        #expect(!budget.mustWait(own: 0))
        budget.add(1)
        #expect(budget.mustWait(own: 0))
        budget.add(-101)
        #expect(!budget.mustWait(own: 1))
    }

    @Test("past the budget large uploads stand still, small requests are served, and the deadline makes room")
    func holds() async throws {
        var limits = ConnectionLimits()
        limits.bodyNanoseconds = 2 * .second
        var budgets = ConnectionBudgets()
        budgets.bodyBytes = 100_000
        let server = try await TestServer.start(limits: limits, budgets: budgets)
        let head = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: "
        let first = try RawClient(port: server.port)
        let second = try RawClient(port: server.port)
        let piece = [UInt8](repeating: 0x61, count: 400_000)
        first.send(head + "2000000\r\n\r\n")
        second.send(head + "2000000\r\n\r\n")
        _ = first.sendWithoutWaiting(piece)
        _ = second.sendWithoutWaiting(piece)
        while server.gate.bodies.held <= 100_000 { await Task.yield() }
        for _ in 0..<20 { await server.loops.onEach { _ in } }
        // Each may be one read past the limit.
        let held = server.gate.bodies.held
        #expect(held <= 100_000 + 2 * ReceiveBuffer.capacity)
        let small = try RawClient(port: server.port)
        small.send(head + "2\r\n\r\nab")
        #expect(Answers(parsing: small.receiveAnswers(1)).statuses == [200])
        #expect(Answers(parsing: first.receiveAll()).statuses == [408])
        #expect(Answers(parsing: second.receiveAll()).statuses == [408])
        #expect(server.gate.bodies.held == 0)
        let third = try RawClient(port: server.port)
        third.send(head + "90000\r\n\r\n")
        third.send([UInt8](repeating: 0x61, count: 90_000))
        #expect(Answers(parsing: third.receiveAnswers(1)).statuses == [200])
        #expect(server.gate.bodies.held == 0)
        await server.stop()
    }

    @Test("what a connection held is given back when it goes")
    func givesBack() async throws {
        let server = try await TestServer.start()
        do {
            let client = try RawClient(port: server.port)
            client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2000\r\n\r\nabcd")
            while server.gate.bodies.held == 0 { await Task.yield() }
            #expect(server.gate.bodies.held == 4)
        }
        while server.seen.closed == 0 { await Task.yield() }
        #expect(server.gate.bodies.held == 0)
        await server.stop()
    }
}
