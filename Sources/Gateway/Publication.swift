import Bus
import Domain
import Network
import Telemetry

/// Events that one HTTP request brings, decoded: what every way in hands on to be admitted, stored and answered.
struct Publication {
    /// What the log recognises a repeat by.
    enum Guards {
        /// The request as a whole: its events are stored together. At most 32 entries.
        case request(RepeatGuard)
        /// Each event by itself, one guard an entry: events that came before are not stored again, the others are.
        case events([RepeatGuard])
    }

    /// How it is answered.
    enum Form {
        /// `FailedEntryCount` and `Entries` in the JSON protocol: `PutEvents`, `PutPartnerEvents`.
        case entries
        /// The same as plain JSON: a batch of CloudEvents.
        case batch
        /// `EventId` of the one event as plain JSON, or its error as the whole answer: senders that read the status
        /// alone.
        case single
    }

    /// By what right an entry stands on a bus.
    enum Right {
        /// Policies allow the caller to send to the bus it names.
        case sender
        /// The caller's account is the partner of the source, which is bound to the bus.
        case partnerEventSource
    }

    let entries: [DecodedEntry]
    let guards: Guards
    let form: Form
    var right = Right.sender
}

/// One request under way, and where its answer goes.
struct Exchange {
    let connection: Connection
    let stream: StreamToken
    let requestID: UniqueID
    let now: Timestamp
    /// Monotonic nanoseconds.
    let receivedAt: UInt64
    /// What the client calls itself, within the request's own bytes; nil where it says nothing.
    private(set) var userAgent: Bytes?

    /// What is kept while the log works: nothing that holds the request's bytes.
    var afterAdmission: Exchange {
        var rest = self
        rest.userAgent = nil
        return rest
    }
}

/// A publication whose events are with the log.
struct PendingPublication {
    let exchange: Exchange
    let form: Publication.Form
    var results: PublicationResults
    let traffic: Metrics.Traffic
    let bytes: Int
}

/// A publication each of whose events the log decides about by itself; answered when the last one is decided.
final class ScatteredPublication {
    var pending: PendingPublication?
    /// Events that the log has yet to decide about.
    var outstanding = 0
    /// Billed bytes of each entry.
    var entryBytes: [Int] = []
    /// Whether the disk failed under one of them.
    var isUnknown = false
    /// Why the log had no room for one of them.
    var fullReason: AppendOutcome.FullReason?
}
