import Domain
package import Registry
import Synchronization

/// An archive of decisions in memory, whose room a test can take away.
package final class InMemoryDecisionArchive: Sendable {
    private struct State {
        var kept: [(draft: DecisionDraft, bytes: [UInt8])] = []
        var hasRoom = true
    }

    private let state = Mutex(State())

    package init() {}

    /// Whether another record is taken.
    package var hasRoom: Bool {
        get { state.withLock { $0.hasRoom } }
        set { state.withLock { $0.hasRoom = newValue } }
    }

    /// What was kept, in order.
    package var records: [[UInt8]] { state.withLock { $0.kept.map(\.bytes) } }

    /// The archive as the gateway reaches it.
    package var archive: DecisionArchive {
        DecisionArchive(
            keep: { [self] draft in
                state.withLock { state in
                    guard state.hasRoom else { return false }
                    state.kept.append((draft, draft.make()))
                    return true
                }
            },
            find: { [self] id in
                state.withLock { $0.kept.last { $0.draft.id == id }.map { .record($0.bytes) } ?? .absent }
            },
            page: { [self] query in
                let found = state.withLock { state in
                    state.kept.filter {
                        $0.draft.time >= query.since && (query.resource == nil || query.resource == $0.draft.resource)
                    }
                }
                return DecisionArchive.Page(
                    findings: found.map { ($0.draft.id, .record($0.bytes)) }, next: nil)
            })
    }
}
