import Bus
import Domain

/// The ids of the events that one round answers about: made together, for that costs a fifth of making each alone, and
/// handed out in the order of the outcomes.
struct AnsweredIDs {
    private var positions: [Position] = []
    private var ids: [UniqueID] = []
    private var taken = 0

    /// Makes the ids of everything that stands by `completions`; what was made before is gone.
    mutating func make(for completions: [AppendCompletion], with codec: EventIDCodec) {
        positions.removeAll(keepingCapacity: true)
        ids.removeAll(keepingCapacity: true)
        taken = 0
        for completion in completions {
            guard let found = completion.outcome.positions else { continue }
            for position in found { positions.append(position) }
        }
        if !positions.isEmpty { codec.append(idsOf: positions, to: &ids) }
    }

    /// The ids of the next outcome, one a position; none when nothing stands by it. Ask for each in turn.
    mutating func take(for outcome: AppendOutcome) -> ArraySlice<UniqueID> {
        let count = outcome.positions?.count ?? 0
        defer { taken += count }
        return ids[taken..<taken + count]
    }
}
