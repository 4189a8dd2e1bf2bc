import Domain
import TestKit
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

    private static let head = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: "

    /// Waits for `condition`, at most ten seconds.
    private func eventually(_ condition: () -> Bool) async -> Bool {
        let end = ContinuousClock.now + .seconds(10)
        while !condition() {
            if ContinuousClock.now > end { return false }
            await Task.yield()
        }
        return true
    }

    @Test("past the budget large uploads stand still, small requests are served, and room comes back at their deadline")
    func holds() async throws {
        var limits = ConnectionLimits()
        limits.bodyNanoseconds = 4 * .second
        var budgets = ConnectionBudgets()
        budgets.bodyBytes = 100_000
        let server = try await TestServer.start(limits: limits, budgets: budgets)
        let piece = [UInt8](repeating: 0x61, count: 400_000)
        do {
            let first = try RawClient(port: server.port)
            let second = try RawClient(port: server.port)
            first.send(Self.head + "2000000\r\n\r\n")
            second.send(Self.head + "2000000\r\n\r\n")
            let isFull = await eventually {
                _ = first.sendWithoutWaiting(piece) + second.sendWithoutWaiting(piece)
                return server.gate.bodies.held > 100_000
            }
            #expect(isFull)
            for _ in 0..<20 { await server.loops.onEach { _ in } }
            // Each may be one read past the limit.
            #expect(server.gate.bodies.held <= 100_000 + 2 * ReceiveBuffer.capacity)
            let small = try RawClient(port: server.port)
            small.send(Self.head + "2\r\n\r\nab")
            #expect(Answers(parsing: small.receiveAnswers(1)).statuses == [200])
            #expect(await eventually { server.gate.bodies.held == 0 })
            // Both stay until here.
            first.finishSending()
            second.finishSending()
        }
        let next = try RawClient(port: server.port)
        next.send(Self.head + "90000\r\n\r\n")
        next.send([UInt8](repeating: 0x61, count: 90_000))
        #expect(Answers(parsing: next.receiveAnswers(1)).statuses == [200])
        await server.stop()
    }

    @Test("an upload that stands still for the budget runs out of time and makes room")
    func runsOut() async throws {
        var limits = ConnectionLimits()
        limits.bodyNanoseconds = 1 * .second
        var budgets = ConnectionBudgets()
        budgets.bodyBytes = 10
        let server = try await TestServer.start(limits: limits, budgets: budgets)
        let client = try RawClient(port: server.port)
        client.send(Self.head + "2000\r\n\r\n" + String(repeating: "a", count: 50))
        #expect(Answers(parsing: client.receiveAll()).statuses == [408])
        #expect(await eventually { server.gate.bodies.held == 0 })
        await server.stop()
    }

    @Test("what a connection held is given back when it goes")
    func givesBack() async throws {
        let server = try await TestServer.start()
        do {
            let client = try RawClient(port: server.port)
            client.send(Self.head + "2000\r\n\r\nabcd")
            #expect(await eventually { server.gate.bodies.held == 4 })
        }
        #expect(await eventually { server.seen.closed == 1 && server.gate.bodies.held == 0 })
        await server.stop()
    }
}
