import CAllocations
import Glibc
import TestKit

/// Counts what an allow allocates, in an optimised build: nothing, for each of the five kinds.
///
/// Writes `ok …` or `not ok …` a kind; ends with 1 when one allocates or does not allow.
@main
enum DecisionAllocations {
    static let rounds = 100_000

    static func main() throws {
        let context = DecisionCases.timedContext()
        var isGood = isCounting()
        for item in try DecisionCases.allows() {
            let warm = DecisionCases.decide(item.layers, context, rounds: 10)
            let before = allocations_made()
            let allowed = DecisionCases.decide(item.layers, context, rounds: rounds)
            let made = allocations_made() - before
            let holds = made == 0 && warm == 10 && allowed == rounds
            isGood = isGood && holds
            let verdict = holds ? "ok" : "not ok"
            say("\(verdict) \(item.name): \(made) allocations in \(rounds) decisions, \(allowed) allows")
        }
        exit(isGood ? 0 : 1)
    }

    /// Whether the counter sees an allocation: else nothing was ever shown.
    private static func isCounting() -> Bool {
        let before = allocations_made()
        UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8).deallocate()
        let isCounting = allocations_made() > before
        say("\(isCounting ? "ok" : "not ok") what is allocated is counted")
        return isCounting
    }

    private static func say(_ line: String) { puts(line) }
}
