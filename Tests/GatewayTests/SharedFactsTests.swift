import Domain
import Identity
import Registry
import TestKit
import Testing

@testable import Gateway

@Suite("Facts that connections share")
struct SharedFactsTests {
    private func role(_ name: String) -> Principal { Principal(.role, path: name, account: Scene.sender) }

    @Test("a second connection of a caller takes the facts of the first; one that came another way does not")
    func sharing() throws {
        let snapshot = try Scene.snapshot(Scene.declaration())
        let shared = SharedFacts()
        let first = shared.facts(of: Callers.caller(Scene.publisher), snapshot)
        #expect(shared.facts(of: Callers.caller(Scene.publisher), snapshot) === first)
        #expect(shared.facts(of: Callers.caller(Scene.publisher, endpoint: "vpce-other"), snapshot) !== first)
        #expect(shared.facts(of: Callers.caller(role("another")), snapshot) !== first)
    }

    @Test("a new generation shares nothing with the one before")
    func generations() throws {
        let snapshot = try Scene.snapshot(Scene.declaration())
        let next = try snapshot.adopting(Scene.declaration(), at: SettableClock.start).snapshot
        let shared = SharedFacts()
        let caller = Callers.caller(Scene.publisher)
        let first = shared.facts(of: caller, snapshot)
        #expect(shared.facts(of: caller, next) !== first)
        #expect(shared.count == 1)
    }

    @Test("just under, at and over the limit of callers no more than that are kept")
    func limit() throws {
        let snapshot = try Scene.snapshot(Scene.declaration())
        let shared = SharedFacts()
        for index in 1..<SharedFacts.limit { _ = shared.facts(of: Callers.caller(role("r\(index)")), snapshot) }
        #expect(shared.count == SharedFacts.limit - 1)
        _ = shared.facts(of: Callers.caller(role("last")), snapshot)
        #expect(shared.count == SharedFacts.limit)
        _ = shared.facts(of: Callers.caller(role("over")), snapshot)
        #expect(shared.count == 1)
    }
}
