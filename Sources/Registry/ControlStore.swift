/// One row of the control plane: what kind of thing, its key within the kind, and its value as the registry encoded it.
package struct ControlRecord: Hashable, Sendable {
    /// The tables of the control plane. A raw value is part of the stored format: never rename one.
    package enum Kind: String, CaseIterable, Sendable {
        case eventBus = "event-bus"
        case accessKey = "access-key"
        case counter = "counter"
        case organization = "organization"
        case invitation = "invitation"
        case partner = "partner"
        case partnerEventSource = "partner-event-source"
        case partnerAuthorization = "partner-authorization"
        case webhookSecret = "webhook-secret"
        case role = "role"
    }

    package let kind: Kind
    /// 1 … 1,024 bytes of UTF-8, unique within the kind.
    package let key: String
    package let value: [UInt8]

    package init(kind: Kind, key: String, value: [UInt8]) {
        self.kind = kind
        self.key = key
        self.value = value
    }
}

/// One change of the control plane; several are committed together or not at all.
package enum ControlChange: Hashable, Sendable {
    /// Writes the record, replacing one with the same kind and key.
    case put(ControlRecord)
    /// Removes a record; one that is not there is no error.
    case remove(kind: ControlRecord.Kind, key: String)
}

/// Why the control store could not do its work.
package enum ControlStoreError: Error, Equatable {
    /// The disk is full: nothing was stored. Retry after space is freed.
    case full
    /// An I/O error: whether the changes were stored is unknown until the restart. The process must stop.
    case unknownOutcome(reason: String)
    /// What is stored cannot be read. `reason` names the record.
    case unreadable(reason: String)
}

extension ControlStoreError: CustomStringConvertible {
    /// What is wrong and what to do.
    package var description: String {
        switch self {
        case .full: "the disk is full: make room and start again"
        case .unknownOutcome(let reason): "\(reason): start again, the disk then says what was stored"
        case .unreadable(let reason): "\(reason) cannot be read: restore `control.sqlite` from the backup"
        }
    }
}

/// Where the control plane survives a restart. One of the three seams: SQLite in `Storage`, a fake in tests.
package protocol ControlStore: AnyObject, Sendable {
    /// Every record, in no order. Called once, at start.
    func load() throws(ControlStoreError) -> [ControlRecord]
    /// Makes all `changes` durable together; when it returns they survive a power cut.
    func commit(_ changes: [ControlChange]) throws(ControlStoreError)
}
