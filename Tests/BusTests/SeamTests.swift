import Cryptography
import Domain
import Synchronization
import Testing

@testable import Bus

@Suite struct SeamTests {
    @Test("a loop is woken once for what gathers until it drains")
    func wakesOnce() {
        let wakes = Atomic<Int>(0)
        let queue = CompletionQueue { wakes.add(1, ordering: .relaxed) }
        queue.publish([])
        #expect(wakes.load(ordering: .relaxed) == 0)
        queue.publish([
            AppendCompletion(token: 1, outcome: .keyMismatch), AppendCompletion(token: 2, outcome: .keyMismatch),
        ])
        queue.publish(AppendCompletion(token: 3, outcome: .unknownOutcome))
        #expect(wakes.load(ordering: .relaxed) == 1)
        var taken: [AppendCompletion] = []
        queue.drain(into: &taken)
        #expect(taken.map(\.token) == [1, 2, 3])
        queue.publish(AppendCompletion(token: 4, outcome: .keyMismatch))
        #expect(wakes.load(ordering: .relaxed) == 2)
        queue.drain(into: &taken)
        #expect(taken.map(\.token) == [4])
    }

    @Test("a run of positions equals the same positions one by one")
    func positions() {
        let run = Positions(bus: BusNumber(2), first: Domain.Sequence(10), count: 3)
        let listed = Positions((10...12).map { Position(bus: BusNumber(2), sequence: Domain.Sequence($0)) })
        #expect(run == listed)
        #expect(run.hashValue == listed.hashValue)
        #expect(run.map(\.sequence.value) == [10, 11, 12])
    }

    @Test("guards differ by principal, key, invocation and body, and cannot be moved between fields")
    func guards() {
        let body = SHA256.hash([1])
        func key(_ principal: String, _ key: String) -> RepeatGuard {
            .explicit(principal: principal, key: Array(key.utf8)[...], body: body)
        }
        #expect(key("a", "k") == key("a", "k"))
        #expect(key("a", "bk") != key("ab", "k"))
        func invocation(_ principal: String, _ id: String, _ body: Digest) -> RepeatGuard {
            .implicit(principal: principal, invocation: Array(id.utf8)[...], body: body)
        }
        #expect(invocation("a", "bk", body) != invocation("ab", "k", body))
        #expect(invocation("a", "k", body) != invocation("a", "k", SHA256.hash([2])))
    }

    @Test("a subscription is woken once, then again after it rearms")
    func subscription() {
        let wakes = Atomic<Int>(0)
        let subscriptions = CommitSubscriptions()
        let subscription = subscriptions.add(bus: BusNumber(1)) { wakes.add(1, ordering: .relaxed) }
        subscriptions.notify(BusNumber(2))
        #expect(wakes.load(ordering: .relaxed) == 0)
        subscriptions.notify(BusNumber(1))
        subscriptions.notify(BusNumber(1))
        #expect(wakes.load(ordering: .relaxed) == 1)
        subscription?.rearm()
        #expect(wakes.load(ordering: .relaxed) == 2)
        subscription?.rearm()
        #expect(wakes.load(ordering: .relaxed) == 2)
        subscriptions.notify(BusNumber(1))
        #expect(wakes.load(ordering: .relaxed) == 3)
    }

    @Test("subscriptions are bounded and released ones make room")
    func subscriptionLimit() {
        let subscriptions = CommitSubscriptions()
        var kept: [CommitSubscription?] = []
        for number in 0..<EventLogLimits.subscriptions {
            kept.append(subscriptions.add(bus: BusNumber(UInt32(number % 7 + 1))) {})
        }
        #expect(kept.last.map { $0 != nil } == true)
        #expect(subscriptions.add(bus: BusNumber(1)) {} == nil)
        kept.removeFirst()
        #expect(subscriptions.add(bus: BusNumber(1)) {} != nil)
    }
}
