import Bus
import Domain
import Storage
import TestKit
import Testing

@Suite struct WithdrawalTests {
    @Test("while the writer works, each request is stored and answered once or was withdrawn, whatever the order")
    func interleavings() throws {
        let seed = UInt64.random(in: 0...(.max))
        print("withdrawals beside a writer: seed \(seed)")
        var random = SeededRandom(seed)
        let directory = ScratchDirectory()
        let log = try SQLiteLogTests.open(directory, HeldClock(Timestamp(seconds: 1_800_000_000)))
        let loop = TestLoop(log)
        var batchOf: [UInt64: UInt64] = [:]
        var submitted: [UInt64] = []
        var withdrawn: Set<UInt64> = []
        var late = 0
        for number in 1...400 as ClosedRange<UInt64> {
            let next = UInt64(submitted.count) + 1
            let count = UInt64.random(in: 1...5, using: &random)
            for token in next..<next + count { batchOf[token] = number }
            // Some are withdrawn from the open batch, before it is handed over.
            for token in next..<next + count where Int.random(in: 0..<8, using: &random) == 0 {
                #expect(loop.completions.withdrawals.withdraw([token], of: number))
                withdrawn.insert(token)
            }
            submitted += loop.submit((next..<next + count).map { TestLoop.request("\($0)") }, number: number)
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let back = UInt64.random(in: 0...6, using: &random)
                let token = next + count - 1 - min(back, next + count - 2)
                guard !withdrawn.contains(token), let batch = batchOf[token] else { continue }
                if loop.completions.withdrawals.withdraw([token], of: batch) {
                    withdrawn.insert(token)
                } else {
                    late += 1
                }
            }
        }
        let kept = submitted.filter { !withdrawn.contains($0) }
        let outcomes = loop.outcomes(kept)
        #expect(outcomes == (1...UInt64(kept.count)).map { stored($0...$0) })
        #expect(try log.details() == kept.map { "\($0)" })
        log.stop()
        var rest: [AppendCompletion] = []
        loop.completions.drain(into: &rest)
        #expect(rest.isEmpty)
        #expect(loop.completions.withdrawals.count == 0)
        print("\(kept.count) stored, \(withdrawn.count) withdrawn, \(late) too late")
    }
}
