import AccessPolicy
import Domain
import JSON
import Registry

/// `explain` and `decisions`: recorded decisions for the operator.
extension ControlVerbs {
    func explain(_ request: JSONNode) throws(Refusal) -> [UInt8] {
        guard let text = request["id"]?.string, let id = UniqueID(parsing: text.utf8) else {
            throw Refusal(code: "InvalidRequest", message: "name the decision's id, a UUID")
        }
        guard let view = DecisionView(rawValue: request["view"]?.string ?? DecisionView.owner.rawValue) else {
            throw Refusal(code: "InvalidRequest", message: "`view` is `owner` or `sender`")
        }
        return try Self.record(services.decisions.archive.find(id), id).answer(for: view)
    }

    /// A record out of what a look-up found.
    private static func record(
        _ finding: DecisionArchive.Finding, _ id: UniqueID
    ) throws(Refusal) -> DecisionRecord {
        switch finding {
        case .absent:
            throw Refusal(
                code: "ResourceNotFoundException",
                message: "there is no record of decision `\(id)`: allows are recorded as `decisions.allows` says, and "
                    + "the oldest records are removed")
        case .damaged:
            throw Refusal(
                code: "InternalFailure",
                message: "the record of decision `\(id)` is not as it was stored: something changed it on the disk")
        case .unreadable(let reason):
            throw Refusal(code: "InternalFailure", message: "the decision records cannot be read: \(reason)")
        case .record(let bytes):
            do throws(DecisionRecordError) { return try DecisionRecord(parsing: bytes) } catch {
                throw Refusal(
                    code: "InternalFailure", message: "the record of decision `\(id)` cannot be read: \(error)")
            }
        }
    }

    /// Sends the records since a moment, one `{"record"}` or `{"unreadable", "reason"}` a line, then
    /// `{"records": COUNT}`.
    func decisions(_ request: JSONNode, send: Send) async throws(Refusal) {
        guard let since = request["since"]?.int64 else {
            throw Refusal(code: "InvalidRequest", message: "`since` is a time in milliseconds since 1970")
        }
        var query = DecisionArchive.Query(
            since: Timestamp(milliseconds: since), resource: request["resource"]?.string)
        var count = 0
        while true {
            let page = services.decisions.archive.page(query)
            for (id, finding) in page.findings {
                count += 1
                guard await send(Self.line { Self.write(id, finding, to: &$0) }) else { return }
            }
            guard let next = page.next else { break }
            query.from = next
        }
        _ = await send(Self.line { $0.member("records", count) })
    }

    private static func write(_ id: UniqueID, _ finding: DecisionArchive.Finding, to writer: inout JSONWriter) {
        let reason: String
        switch finding {
        case .record(let bytes):
            writer.key("record")
            return writer.raw(bytes)
        case .absent: reason = "it was removed meanwhile"
        case .damaged: reason = "it is not as it was stored"
        case .unreadable(let why): reason = why
        }
        writer.member("unreadable", id.description)
        writer.member("reason", reason)
    }
}
