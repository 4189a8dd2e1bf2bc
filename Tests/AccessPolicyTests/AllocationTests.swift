import AccessPolicy
import CAllocations
import TestKit
import Testing

/// Deciding allocates nothing once a loop's context is warm. An optimised build is held to it by `decision-allocations`
/// of Tests/Benchmarks/Allocations.
@Suite("Allocations of a decision", .enabled(if: allocations_made() >= 0))
struct AllocationTests {
    static let rounds = 10_000
    /// A build without optimisation allocates for some generic calls that an optimised one inlines: there only what the
    /// hot path of a gateway meets is asked.
    #if DEBUG
        static let casesAsked = 1
    #else
        static let casesAsked = 5
    #endif

    @Test("an allow allocates nothing, by statements alike or apart, in every layer and with rare conditions")
    func none() throws {
        let context = DecisionCases.timedContext()
        for item in try DecisionCases.allows().prefix(Self.casesAsked) {
            #expect(DecisionCases.decide(item.layers, context, rounds: 10) == 10, "\(item.name)")
            let before = allocations_made()
            let allowed = DecisionCases.decide(item.layers, context, rounds: Self.rounds)
            let made = allocations_made() - before
            #expect(made == 0, "\(item.name): \(made) allocations in \(Self.rounds) decisions")
            #expect(allowed == Self.rounds, "\(item.name)")
        }
    }

    @Test("what is allocated is counted")
    func counts() {
        let before = allocations_made()
        let block = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8)
        #expect(allocations_made() > before)
        block.deallocate()
    }
}
