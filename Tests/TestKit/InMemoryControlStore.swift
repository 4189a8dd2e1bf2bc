package import Registry
import Synchronization

/// The control store without a disk. It can be told to fail, and keeps what was committed like the real one.
package final class InMemoryControlStore: ControlStore {
    private struct Key: Hashable {
        let kind: ControlRecord.Kind
        let key: String
    }

    private struct State {
        var records: [Key: ControlRecord] = [:]
        var failures: [ControlStoreError] = []
        var commits = 0
    }

    private let state = Mutex(State())

    package init(_ records: [ControlRecord] = []) {
        state.withLock { state in
            for record in records { state.records[Key(kind: record.kind, key: record.key)] = record }
        }
    }

    /// The next commit fails so; with `.unknownOutcome` its changes are stored all the same, as a disk may have done.
    package func failNext(_ error: ControlStoreError) { state.withLock { $0.failures.append(error) } }

    /// How many commits succeeded.
    package var commits: Int { state.withLock { $0.commits } }

    package func load() throws(ControlStoreError) -> [ControlRecord] {
        state.withLock { Array($0.records.values) }
    }

    package func commit(_ changes: [ControlChange]) throws(ControlStoreError) {
        let failure = state.withLock { state -> ControlStoreError? in
            let failure = state.failures.isEmpty ? nil : state.failures.removeFirst()
            switch failure {
            case .full, .unreadable: return failure
            case nil: state.commits += 1
            case .unknownOutcome: break
            }
            for change in changes {
                switch change {
                case .put(let record): state.records[Key(kind: record.kind, key: record.key)] = record
                case .remove(let kind, let key): state.records[Key(kind: kind, key: key)] = nil
                }
            }
            return failure
        }
        if let failure { throw failure }
    }
}
