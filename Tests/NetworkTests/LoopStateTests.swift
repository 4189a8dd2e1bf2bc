import NIOEmbedded
import Synchronization
import Testing

@testable import Network

@Suite struct LoopStateTests {
    @Test("a round that was asked for before anything was read has its own time, not that of an earlier round")
    func roundTime() {
        let clock = Mutex<UInt64>(5_000_000_000_000)
        let loop = EmbeddedEventLoop()
        let state = LoopState(eventLoop: loop) { clock.withLock { $0 } }
        state.employ(LoopWorker(receive: { _, _, _ in .none }))
        state.scheduleRound()
        #expect(state.timeOfRead() == 5_000_000_000_000)
        loop.run()
        clock.withLock { $0 += 90_000_000_000 }
        state.scheduleRound()
        #expect(state.timeOfRead() == 5_090_000_000_000)
        loop.run()
    }
}
