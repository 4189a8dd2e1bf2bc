import Domain
import JSON
import Registry
import TestKit

let now = SettableClock.start

extension EventBus.Properties {
    /// Properties of a bus made now.
    static func made(description: String? = nil, tags: [Tag] = [], policy: JSONNode? = nil) -> EventBus.Properties {
        EventBus.Properties(description: description, tags: tags, policy: policy, createdAt: now, modifiedAt: now)
    }
}

/// The fault a plan is refused with, `nil` when it is carried out.
func fault(_ plan: () throws(ControlFault) -> Transition) -> ControlFault? {
    do throws(ControlFault) {
        _ = try plan()
        return nil
    } catch {
        return error
    }
}

/// The error of loading records, `nil` when they load.
func loadingError(_ records: [ControlRecord], _ declaration: Declaration) -> ControlStoreError? {
    do throws(ControlStoreError) {
        _ = try Snapshot.loading(records, declaration: declaration)
        return nil
    } catch {
        return error
    }
}

/// An access key of a principal, its box as given.
func key(_ id: String, of principal: Principal = Scene.publisher) -> AccessKey {
    AccessKey(id: id, principal: principal, isEnabled: true, createdAt: now, sealedSecret: [1, 2, 3])
}

/// `Tag` beside the testing library's own.
typealias BusTag = Tag
