import Bus
import Domain
import JSON

/// What became of each entry of one `PutEvents`, and the answer that says so.
struct PutEventsResults {
    enum Entry {
        /// Admitted: the `index`-th position of the log's outcome.
        case admitted(index: Int)
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

    /// Bit n is set when entry n was admitted.
    var mask: UInt32 {
        var mask: UInt32 = 0
        for (index, entry) in entries.enumerated() {
            if case .admitted = entry { mask |= 1 << UInt32(index) }
        }
        return mask
    }

    /// The entries with those of `mask` admitted: what an earlier request with the same key had become.
    ///
    /// An entry that was admitted then and is refused now keeps its answer of then; one refused then stays refused.
    func recalling(mask: UInt32) -> PutEventsResults {
        var recalled = PutEventsResults(capacity: entries.count)
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

    /// The answer's content. Source: botocore `events/2015-10-07` shape `PutEventsResponse`.
    func answer(_ positions: Positions?, ids: EventIDCodec, into body: inout [UInt8]) {
        body.append("{\"FailedEntryCount\":")
        body.append(decimal: entries.count - admittedCount)
        body.append(",\"Entries\":[")
        for (index, entry) in entries.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            switch entry {
            case .admitted(let index):
                guard let positions else { preconditionFailure("an admitted entry has a position") }
                body.append("{\"EventId\":\"")
                ids.id(of: positions[index]).append(to: &body)
                body.append("\"}")
            case .failed(let code, let message):
                JSONWriter.append(to: &body) { writer in
                    writer.object { writer in
                        writer.member("ErrorCode", code.rawValue)
                        writer.member("ErrorMessage", message)
                    }
                }
            }
        }
        body.append("]}")
    }
}
