import Bus
import Domain
import Synchronization

/// What readers find without the index: the blocks committed last, and the bodies of the very last ones. Shared by the
/// writer and the readers; the writer adds after a commit, never before.
final class BlockDirectory: Sendable {
    /// A block whose body is in memory.
    struct Recent: Sendable {
        let header: BlockHeader
        let body: [UInt8]
    }

    private struct State {
        var heads: [BusNumber: UInt64] = [:]
        /// The end of each bus, without gaps: at least what the index lacks.
        var blocks: [BusNumber: [UnindexedBlock]] = [:]
        var bodies: [Int64: Recent] = [:]
        var order = AgeQueue<Int64, Timestamp>()
        var bodyBytes = 0
    }

    /// Where a block is.
    enum Place {
        case memory(Recent)
        case row(Int64)
        /// Older than the blocks known here: the index has it, or nothing has.
        case index
        /// Beyond the end of the bus.
        case beyond
    }

    private let state: Mutex<State>
    private let bodyBytesLimit: Int

    init(recovery: LogRecovery, bodyBytesLimit: Int) {
        var state = State()
        state.heads = recovery.heads.mapValues(\.next)
        for block in recovery.unindexed { state.blocks[block.bus, default: []].append(block) }
        self.state = Mutex(state)
        self.bodyBytesLimit = bodyBytesLimit
    }

    /// The last sequence of a bus.
    func last(of bus: BusNumber) -> Domain.Sequence? {
        let next = state.withLock { $0.heads[bus] }
        guard let next, next > 1 else { return nil }
        return Domain.Sequence(next - 1)
    }

    /// Where the block that holds `sequence` is.
    func place(of bus: BusNumber, _ sequence: UInt64) -> Place {
        state.withLock { state in
            guard sequence < state.heads[bus, default: 1] else { return .beyond }
            guard let blocks = state.blocks[bus], let first = blocks.first, first.first <= sequence else {
                return .index
            }
            var range = 0..<blocks.count
            while range.count > 1 {
                let middle = range.lowerBound + range.count / 2
                range = blocks[middle].first <= sequence ? middle..<range.upperBound : range.lowerBound..<middle
            }
            let id = blocks[range.lowerBound].id
            return state.bodies[id].map { .memory($0) } ?? .row(id)
        }
    }

    /// The first block of a bus that is known here; older ones are in the index.
    func firstKnown(of bus: BusNumber) -> UInt64? {
        state.withLock { $0.blocks[bus]?.first?.first }
    }

    /// Makes blocks visible, after their commit.
    func add(_ blocks: [(block: UnindexedBlock, recent: Recent)]) {
        state.withLock { state in
            for (block, recent) in blocks {
                state.heads[block.bus] = block.end
                state.blocks[block.bus, default: []].append(block)
                guard recent.body.count <= bodyBytesLimit else { continue }
                state.bodies[block.id] = recent
                state.order.append(block.id, at: recent.header.lastTime)
                state.bodyBytes += recent.body.count
            }
            while state.bodyBytes > bodyBytesLimit, let oldest = state.order.removeFirst() {
                state.bodyBytes -= state.bodies.removeValue(forKey: oldest)?.body.count ?? 0
            }
        }
    }

    /// Forgets what the index has since its commit, but for the blocks whose bodies are still in memory.
    func dropIndexed() {
        state.withLock { state in
            for bus in Array(state.blocks.keys) {
                let bodies = state.bodies
                guard let last = state.blocks[bus]?.lastIndex(where: { bodies[$0.id] == nil }) else { continue }
                state.blocks[bus]?.removeFirst(last + 1)
                if state.blocks[bus]?.isEmpty == true { state.blocks[bus] = nil }
            }
        }
    }

    /// Forgets the blocks of a bus that end at `sequence` or before it: retention has removed them.
    func trim(_ bus: BusNumber, through sequence: UInt64) {
        state.withLock { state in
            guard let kept = state.blocks[bus]?.firstIndex(where: { $0.end > sequence + 1 }) else {
                state.blocks[bus] = nil
                return
            }
            state.blocks[bus]?.removeFirst(kept)
        }
    }
}
