import Domain
import Identity
import Registry

/// The facts of callers that connections of one loop have in common: a sender's second connection takes those of the
/// first, and a decision for either finds them in place.
final class SharedFacts {
    /// The most that are kept; at the limit all are forgotten, and made again for who still sends.
    static let limit = 1024

    private var kept: [String: CallerFacts] = [:]
    private var generation: UInt64 = 0

    /// Kept now.
    var count: Int { kept.count }

    /// The facts of `caller` under `snapshot`.
    func facts(of caller: Caller, _ snapshot: Snapshot) -> CallerFacts {
        let name = caller.principal.arn
        if generation == snapshot.generation, let facts = kept[name], facts.serve(caller, snapshot) { return facts }
        if generation != snapshot.generation || kept.count >= Self.limit { kept.removeAll(keepingCapacity: true) }
        generation = snapshot.generation
        let facts = CallerFacts(caller, snapshot)
        kept[name] = facts
        return facts
    }
}
