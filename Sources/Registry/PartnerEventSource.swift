package import Domain

/// A partner event source: one partner account writes to it, one customer account receives from it.
///
/// ```
/// create → PENDING ─ CreateEventBus, ActivateEventSource → ACTIVE ─ DeactivateEventSource, DeleteEventBus → PENDING
///             └─ 14 days → DELETED ←─ DeletePartnerEventSource ─┘
/// ```
/// Source: FEDERATION 4
package struct PartnerEventSource: Equatable, Sendable {
    /// Seconds that a source waits for its customer: 14 days. Source: API_DeactivateEventSource, "two weeks".
    package static let pendingSeconds: Int64 = 14 * 86_400
    /// The detail type of the event that tells a new partner that all is well; no contract leaves it out.
    package static let testDetailType = "IsthmusPartnerTest"
    /// Detail types a contract may list.
    package static let maximumDetailTypes = 100
    /// Characters of one pattern of a contract. Source: API_PutPartnerEventsRequestEntry, `DetailType`, 128.
    package static let maximumDetailTypeCharacters = 128

    /// How a source ended.
    package enum End: String, Sendable {
        /// Its partner deleted it.
        case deletion
        /// Its customer let 14 days pass.
        case expiry
    }

    package enum State: Equatable, Sendable {
        /// Waits for the customer; at `expiresAt` it is deleted.
        case pending(expiresAt: Timestamp)
        case active
        /// Gone. It is remembered while the customer's bus stands, so that this can be told.
        case deleted(at: Timestamp, End)

        /// How the API calls it. Source: botocore `EventSourceState`.
        package var name: String {
            switch self {
            case .pending: "PENDING"
            case .active: "ACTIVE"
            case .deleted: "DELETED"
            }
        }
    }

    /// What the operator did. It outlives deletion, so that creating the source again does not end it.
    package struct Suspension: Equatable, Sendable {
        /// Whether events are kept meanwhile, durable and unseen; `false`: they are refused.
        package var holds: Bool
        package var since: Timestamp
        /// The first event of the bus that nobody reads before the source is resumed; `nil` when none is kept back.
        package var heldFrom: Sequence?

        package init(holds: Bool, since: Timestamp, heldFrom: Sequence?) {
            self.holds = holds
            self.since = since
            self.heldFrom = heldFrom
        }
    }

    package let name: PartnerEventSourceName
    /// Who writes.
    package let partnerAccount: AccountID
    /// Who receives.
    package let account: AccountID
    package let createdAt: Timestamp
    /// The detail types agreed on, `*` for any run of characters; `nil` admits all.
    package let detailTypes: [String]?
    /// As stored: one that waits may be past its time.
    var storedState: State
    package internal(set) var suspension: Suspension?

    /// What it is at `now`: 14 days end a source to the millisecond, whether or not somebody looked.
    package func state(at now: Timestamp) -> State {
        guard case .pending(let expiresAt) = storedState, now >= expiresAt else { return storedState }
        return .deleted(at: expiresAt, .expiry)
    }

    /// When it expires; `nil` unless it waits.
    package func expiresAt(at now: Timestamp) -> Timestamp? {
        guard case .pending(let expiresAt) = state(at: now) else { return nil }
        return expiresAt
    }

    /// The customer's bus: it has the source's name.
    package var busID: EventBusID { EventBusID(account: account, name: EventBusName(name)) }

    /// Whether the contract has the detail type.
    package func admits(detailType: Bytes) -> Bool {
        guard let detailTypes, !detailType.equals(Self.testDetailType) else { return true }
        return detailTypes.contains { Wildcard.matches(Array($0.utf8), Array(detailType)) }
    }

    func changing(_ change: (inout PartnerEventSource) -> Void) -> PartnerEventSource {
        var source = self
        change(&source)
        return source
    }
}

extension PartnerEventSource.State {
    /// A source that waits from `now` on.
    static func pending(from now: Timestamp) -> PartnerEventSource.State {
        .pending(expiresAt: now.advanced(bySeconds: PartnerEventSource.pendingSeconds))
    }
}
