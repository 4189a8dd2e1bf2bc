import Cryptography
import Domain
import TestKit
import Testing

@testable import Bus

@Suite("Requests that a loop takes back from the log")
struct WithdrawalsTests {
    /// A batch of requests without events, each asking for its own durable key.
    private static func batch(_ tokens: [UInt64], _ number: UInt64, _ completions: CompletionQueue) -> AppendBatch {
        var batch = AppendBatch(completions: completions, policyRevision: 1, number: number)
        for token in tokens {
            batch.beginRequest()
            let key = RepeatGuard.named(event: .zero, principal: .zero)
            batch.endRequest(token: token, repeatGuard: key, entryMask: 0)
        }
        return batch
    }

    @Test("a request is withdrawn until the log begins with its batch, and not after it")
    func inTime() {
        let completions = CompletionQueue(wake: {})
        let withdrawals = completions.withdrawals
        var first = Self.batch([1, 2, 3], 1, completions)
        var second = Self.batch([4, 5], 2, completions)
        #expect(withdrawals.withdraw([2], of: 1))
        #expect(withdrawals.withdraw([4, 5], of: 2))
        first.begin()
        #expect(first.requests.map(\.token) == [1, 3])
        #expect(!withdrawals.withdraw([1], of: 1))
        #expect(withdrawals.count == 2)
        second.begin()
        #expect(second.isEmpty)
        #expect(withdrawals.count == 0)
    }

    @Test("what was withdrawn from a batch that was refused is forgotten with its outcome")
    func refused() {
        let withdrawals = CompletionQueue(wake: {}).withdrawals
        #expect(withdrawals.withdraw([7], of: 3))
        withdrawals.forget(7)
        withdrawals.forget(8)
        #expect(withdrawals.count == 0)
    }

    @Test("however submits, withdrawals and commits interleave, stored is submitted without withdrawn in time")
    func model() {
        let seed = UInt64.random(in: 0...(.max))
        print("withdrawals: seed \(seed)")
        var random = SeededRandom(seed)
        for _ in 0..<200 {
            let completions = CompletionQueue(wake: {})
            var queue: [AppendBatch] = []
            // The model: what is neither taken by the log nor withdrawn, and where each request ended.
            var open: [UInt64: UInt64] = [:]
            var withdrawn: Set<UInt64> = []
            var late: Set<UInt64> = []
            var stored: [UInt64] = []
            var token: UInt64 = 0
            var number: UInt64 = 0
            func take() {
                guard !queue.isEmpty else { return }
                var batch = queue.removeFirst()
                let expected = batch.requests.map(\.token).filter { !withdrawn.contains($0) }
                batch.begin()
                #expect(batch.requests.map(\.token) == expected)
                stored += expected
            }
            for _ in 0..<Int.random(in: 1...60, using: &random) {
                switch Int.random(in: 0..<5, using: &random) {
                case 0, 1:
                    number += 1
                    let tokens = (0..<Int.random(in: 1...6, using: &random)).map { token + UInt64($0) }
                    token += UInt64(tokens.count)
                    for one in tokens { open[one] = number }
                    queue.append(Self.batch(tokens, number, completions))
                case 2, 3:
                    let keys = open.keys.sorted()
                    guard let one = keys.randomElement(using: &random), let batch = open[one] else { break }
                    open[one] = nil
                    let isInTime = queue.contains { $0.number == batch }
                    #expect(completions.withdrawals.withdraw([one], of: batch) == isInTime)
                    if isInTime { withdrawn.insert(one) } else { late.insert(one) }
                default: take()
                }
            }
            while !queue.isEmpty { take() }
            #expect(Set(stored) == Set(0..<token).subtracting(withdrawn) && stored.count == Set(stored).count)
            #expect(late.isSubset(of: stored), "what was too late is stored")
            #expect(completions.withdrawals.count == 0)
        }
    }
}
