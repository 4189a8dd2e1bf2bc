import Bus
import Domain
import JSON

/// What became of each entry of one publication, and the answer that says so.
struct PublicationResults {
    enum Entry {
        /// Admitted: the `index`-th event of the log's outcome.
        case admitted(index: Int)
        /// Stands under that id, now or since an earlier request.
        case placed(UniqueID)
        case failed(code: ErrorCode, message: String)
    }

    private(set) var entries: [Entry] = []
    private(set) var admittedCount = 0

    init(capacity: Int) { entries.reserveCapacity(capacity) }

    mutating func admit() {
        entries.append(.admitted(index: admittedCount))
        admittedCount += 1
    }

    mutating func fail(_ code: ErrorCode, _ message: String) { entries.append(.failed(code: code, message: message)) }

    /// Entry `index` stands under `id`, whatever was decided about it before.
    mutating func place(_ index: Int, as id: UniqueID) {
        if case .failed = entries[index] { admittedCount += 1 }
        entries[index] = .placed(id)
    }

    /// Entry `index`, which was admitted, was not taken by the log after all.
    mutating func refuse(_ index: Int, _ code: ErrorCode, _ message: String) {
        if case .failed = entries[index] { return }
        admittedCount -= 1
        entries[index] = .failed(code: code, message: message)
    }

    /// Bit n is set when entry n was admitted. For at most 32 entries.
    var mask: UInt32 {
        precondition(entries.count <= UInt32.bitWidth)
        var mask: UInt32 = 0
        for (index, entry) in entries.enumerated() {
            switch entry {
            case .admitted, .placed: mask |= 1 << UInt32(index)
            case .failed: continue
            }
        }
        return mask
    }

    /// The entries with those of `mask` admitted: what an earlier request with the same key had become.
    ///
    /// An entry that was admitted then and is refused now keeps its answer of then; one refused then stays refused.
    func recalling(mask: UInt32) -> PublicationResults {
        var recalled = PublicationResults(capacity: entries.count)
        for (index, entry) in entries.enumerated() {
            if mask & (1 << UInt32(index)) != 0 {
                recalled.admit()
            } else if case .failed(let code, let message) = entry {
                recalled.fail(code, message)
            } else {
                recalled.fail(.accessDenied, "the entry was refused when the request was first made")
            }
        }
        return recalled
    }

    /// The answer's content.
    ///
    /// Source: botocore `events/2015-10-07` shapes `PutEventsResponse`, `PutPartnerEventsResponse`.
    ///
    /// - Parameter made: the ids of the log's outcome, one an admitted entry.
    func answer(_ made: ArraySlice<UniqueID>, into body: inout [UInt8]) {
        body.append("{\"FailedEntryCount\":")
        body.append(count: entries.count - admittedCount)
        body.append(",\"Entries\":[")
        append(made, to: &body)
        body.append("]}")
    }

    /// The answer about the one entry there is.
    func singleAnswer(_ made: ArraySlice<UniqueID>) -> [UInt8] {
        precondition(entries.count == 1)
        var body: [UInt8] = []
        append(made, to: &body)
        return body
    }

    private func append(_ made: ArraySlice<UniqueID>, to body: inout [UInt8]) {
        for (index, entry) in entries.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            switch entry {
            case .admitted(let index): Self.append(made[made.startIndex + index], to: &body)
            case .placed(let id): Self.append(id, to: &body)
            case .failed(let code, let message):
                JSONWriter.append(to: &body) { writer in
                    writer.object { writer in
                        writer.member("ErrorCode", code.rawValue)
                        writer.member("ErrorMessage", message)
                    }
                }
            }
        }
    }

    private static func append(_ id: UniqueID, to body: inout [UInt8]) {
        body.append("{\"EventId\":\"")
        id.append(to: &body)
        body.append("\"}")
    }
}
