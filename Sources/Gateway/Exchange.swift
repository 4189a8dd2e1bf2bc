import Bus
import Domain
import Identity
import Network
import Telemetry

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

/// A publication whose events are with the log; a class, for it goes through a table and back without being copied.
final class PendingPublication {
    let exchange: Exchange
    let caller: Caller
    let form: Publication.Form
    var results: PublicationResults
    let traffic: Metrics.Traffic
    /// Billed bytes of the entries admitted.
    let bytes: Int
    /// What its sender was charged and gets back when it came before.
    var charged: Charged?
    /// The number of the batch that its events are in.
    let batch: UInt64
    /// Its sender is gone and the log had begun with it: what becomes of it is counted, and nobody is told.
    var isGivenUp = false

    init(
        exchange: Exchange, caller: Caller, form: Publication.Form, results: PublicationResults,
        traffic: Metrics.Traffic, bytes: Int, batch: UInt64
    ) {
        self.batch = batch
        self.exchange = exchange
        self.caller = caller
        self.form = form
        self.results = results
        self.traffic = traffic
        self.bytes = bytes
    }

    /// Whether it is a single event, known by what it says of itself and not by a key of the request.
    var isOneEvent: Bool {
        if case .single = form { true } else { false }
    }
}

/// A publication each of whose events the log decides about by itself; answered when the last one is decided.
final class ScatteredPublication {
    var pending: PendingPublication?
    /// The slots of the events that the log decides about.
    var tokens: [UInt64] = []
    /// Events that the log has yet to decide about.
    var outstanding = 0
    /// Billed bytes of each entry.
    var entryBytes: [Int] = []
    /// Whether the disk failed under one of them.
    var isUnknown = false
    /// Why the log had no room for one of them.
    var fullReason: AppendOutcome.FullReason?
}
