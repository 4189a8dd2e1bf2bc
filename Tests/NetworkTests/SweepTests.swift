import NIOCore
import Synchronization
import TestKit
import Testing

@testable import Network

@Suite("A look at all connections")
struct SweepTests {
    /// What happened on the loop, in order: connections looked at since the last other work.
    private final class Turns: Sendable {
        private let state = Mutex((looked: 0, most: 0, others: 0, isDone: false))

        func look() {
            state.withLock {
                $0.looked += 1
                $0.most = max($0.most, $0.looked)
            }
        }

        func other() {
            state.withLock {
                $0.looked = 0
                $0.others += 1
            }
        }

        func end() { state.withLock { $0.isDone = true } }

        /// Work that asks for itself again at once, as sockets with requests do.
        func work(_ loop: LoopState) {
            other()
            guard state.withLock({ !$0.isDone }) else { return }
            loop.eventLoop.execute { self.work(loop) }
        }

        var most: Int { state.withLock { $0.most } }
        var others: Int { state.withLock { $0.others } }
    }

    @Test("other work of the loop comes in between, a few connections after it asks; all are looked at once")
    func takesTurns() async throws {
        let server = try await TestServer.start()
        var clients: [RawClient] = []
        for _ in 0..<100 { clients.append(try RawClient(port: server.port)) }
        while server.listener.openConnections < clients.count { await Task.yield() }
        let turns = Turns()
        await server.loops.onEach { loop in turns.work(loop) }
        let seen = Mutex<Set<ObjectIdentifier>>([])
        let closed = await server.loops.closeConnections { connection in
            turns.look()
            return seen.withLock { $0.insert(ObjectIdentifier(connection)).inserted && $0.count % 2 == 0 }
        }
        turns.end()
        #expect(closed == 50)
        #expect(seen.withLock { $0.count } == 100)
        #expect(turns.most <= ConnectionSweep.connectionsPerTurn)
        #expect(turns.others >= 100 / ConnectionSweep.connectionsPerTurn)
        while server.listener.openConnections > 50 { await Task.yield() }
        #expect(server.listener.openConnections == 50)
        withExtendedLifetime(clients) {}
        await server.stop()
    }

    @Test("a loop without connections is done at once, and one that goes meanwhile does no harm")
    func goneMeanwhile() async throws {
        let server = try await TestServer.start(loops: 2)
        #expect(await server.loops.closeConnections { _ in true } == 0)
        var clients: [RawClient] = []
        for _ in 0..<40 { clients.append(try RawClient(port: server.port)) }
        while server.listener.openConnections < clients.count { await Task.yield() }
        let count = await server.loops.closeConnections { connection in
            connection.close()
            return true
        }
        #expect(count == 40)
        while server.listener.openConnections > 0 { await Task.yield() }
        #expect(server.seen.closed == 40)
        await server.stop()
    }
}
