import Domain
import JSON

/// One entry of a request as decoded: what can be admitted, or why it cannot.
struct DecodedEntry {
    enum Content {
        case entry(Entry)
        case invalid(code: ErrorCode, message: String)
    }

    let content: Content
    /// `EventBusName` as sent, name or ARN; empty when absent.
    let busReference: [UInt8]
}

/// Turns the content of `PutEvents` into entries. One for each event loop; its buffers are reused.
///
/// The limits and messages are EventBridge's. A request whose shape is wrong is refused whole; an entry whose content
/// is wrong fails alone.
/// Source: docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
struct PutEventsDecoder {
    /// Reads whole requests; another decoder of the same loop may borrow it.
    let body = JSONParser(maximumBytes: Limits.wireBodyBytes, maximumDepth: Limits.jsonDepth)
    /// Reads the JSON inside them; as `body`.
    let detail = JSONParser(maximumBytes: Limits.entriesBytes, maximumDepth: Limits.jsonDepth)
    private let entriesBytes: Int
    private var entries: [DecodedEntry] = []
    private var resources: [UInt8] = []
    private var lastReference: [UInt8] = []

    /// `entriesBytes`: what the sizes of all entries together must stay below.
    init(entriesBytes: Int = Limits.entriesBytes) {
        self.entriesBytes = entriesBytes
        entries.reserveCapacity(Limits.entriesPerRequest)
    }

    /// The entries of one request, in order.
    mutating func decode(
        _ content: [UInt8], maximumEntries: Int = Limits.entriesPerRequest
    ) throws(Fault) -> [DecodedEntry] {
        entries.removeAll(keepingCapacity: true)
        let parser = body
        try parser.withDocument(content, refuse: { Fault(.serialization, "\($0)") }) { value throws(Fault) in
            try decodeRequest(value, maximumEntries)
        }
        return entries
    }

    private mutating func decodeRequest(_ value: JSONValue, _ maximumEntries: Int) throws(Fault) {
        guard let request = value.object else { throw Fault(.serialization, "the content must be one JSON object") }
        var list: JSONArray?
        for member in request {
            if member.key.equals("Entries") {
                guard list == nil, let array = member.value.array else { throw Self.wrongType("/Entries", "one list") }
                list = array
            } else if member.key.equals("EndpointId"), !member.value.isNull {
                throw Fault(
                    .validation, "Parameter EndpointId is not valid. Reason: Global endpoints do not exist here.")
            }
        }
        guard let list else { throw Self.constraint("null", "Member must not be null") }
        let count = list.count
        guard count >= 1 else { throw Self.constraint("'[]'", "Member must have length greater than or equal to 1") }
        guard count <= maximumEntries else {
            throw Self.constraint("'[…]'", "Member must have length less than or equal to \(maximumEntries)")
        }
        var total = 0
        var storedBytes = 0
        for (index, element) in list.enumerated() {
            guard let object = element.object else { throw Self.wrongType("/Entries/\(index)", "an object") }
            total += try decodeEntry(object, index)
            if case .entry(let entry) = entries[index].content { storedBytes += entry.buffer.count }
        }
        // INVARIANT: no frame is longer than `EventFrame.bytesLimit`, though resources without text are billed nothing.
        guard total < entriesBytes, storedBytes <= Limits.wireBodyBytes else {
            throw Fault(.validation, "Total size of the entries in the request is over the limit.")
        }
    }

    /// Adds the entry and returns its size.
    private mutating func decodeEntry(_ object: JSONObject, _ index: Int) throws(Fault) -> Int {
        var fields = EntryFields()
        resources.removeAll(keepingCapacity: true)
        for member in object { try fields.take(member, index, resources: &resources) }
        let bus = reference(fields.busName)
        func reject(_ code: ErrorCode, _ message: String) -> Int {
            entries.append(DecodedEntry(content: .invalid(code: code, message: message), busReference: bus))
            return fields.billedBytes(resourceBytes: resources.count)
        }
        guard let source = fields.source, source.count > 0 else {
            return reject(.invalidArgument, Self.required("Source"))
        }
        guard let type = fields.detailType, type.count > 0 else {
            return reject(.invalidArgument, Self.required("DetailType"))
        }
        guard let text = fields.detail, text.count > 0 else { return reject(.invalidArgument, Self.required("Detail")) }
        guard isObject(text) else { return reject(.malformedDetail, "Detail is malformed.") }
        let none = UnsafeBufferPointer<UInt8>(start: nil, count: 0)
        let entry = resources.withUnsafeBufferPointer { resources in
            Entry(
                source: source, detailType: type, detail: text, resources: resources,
                resourceCount: fields.resourceCount, traceHeader: fields.traceHeader ?? none, time: fields.time)
        }
        entries.append(DecodedEntry(content: .entry(entry), busReference: bus))
        return entry.billedBytes
    }

    /// The bytes of a bus's name; entries mostly name the same as the one before, and share them.
    private mutating func reference(_ name: UnsafeBufferPointer<UInt8>?) -> [UInt8] {
        guard let name else { return [] }
        let isLast = lastReference.withUnsafeBufferPointer { $0.hasSameBytes(as: name) }
        if !isLast { lastReference = Array(name) }
        return lastReference
    }

    private func isObject(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard text.count < entriesBytes else { return true }
        do throws(JSONError) {
            return try detail.withDocument(inString: text) { $0.object != nil }
        } catch {
            return false
        }
    }

    private static func required(_ name: String) -> String {
        "Parameter \(name) is not valid. Reason: \(name) is a required argument."
    }

    private static func constraint(_ value: String, _ constraint: String) -> Fault {
        Fault(
            .validation,
            "1 validation error detected: Value \(value) at 'entries' failed to satisfy constraint: \(constraint)")
    }

    static func wrongType(_ place: String, _ wanted: String) -> Fault {
        Fault(.serialization, "the value at `\(place)` must be \(wanted)")
    }
}

/// The members of one entry, pointing into the parsed document.
private struct EntryFields {
    var source: UnsafeBufferPointer<UInt8>?
    var detailType: UnsafeBufferPointer<UInt8>?
    var detail: UnsafeBufferPointer<UInt8>?
    var busName: UnsafeBufferPointer<UInt8>?
    var traceHeader: UnsafeBufferPointer<UInt8>?
    var time: Timestamp?
    var resourceCount = 0
    private var hasResources = false

    mutating func take(_ member: JSONObject.Member, _ index: Int, resources: inout [UInt8]) throws(Fault) {
        if member.value.isNull { return }
        let key = member.key
        // By length first: it tells all but two of the names apart.
        switch key.count {
        case 4 where key.equals("Time"): time = try Self.moment(member.value, index, isRepeated: time != nil)
        case 6 where key.equals("Detail"): try text(member.value, "Detail", index, into: \.detail)
        case 6 where key.equals("Source"): try text(member.value, "Source", index, into: \.source)
        case 9 where key.equals("Resources"): try takeResources(member.value, index, into: &resources)
        case 10 where key.equals("DetailType"): try text(member.value, "DetailType", index, into: \.detailType)
        case 11 where key.equals("TraceHeader"): try text(member.value, "TraceHeader", index, into: \.traceHeader)
        case 12 where key.equals("EventBusName"): try text(member.value, "EventBusName", index, into: \.busName)
        default: break
        }
    }

    private mutating func text(
        _ value: JSONValue, _ name: String, _ index: Int,
        into field: WritableKeyPath<EntryFields, UnsafeBufferPointer<UInt8>?>
    ) throws(Fault) {
        guard self[keyPath: field] == nil, let string = value.string else {
            throw PutEventsDecoder.wrongType("/Entries/\(index)/\(name)", "one string")
        }
        self[keyPath: field] = string
    }

    private mutating func takeResources(
        _ value: JSONValue, _ index: Int, into resources: inout [UInt8]
    ) throws(Fault) {
        guard !hasResources, let list = value.array else {
            throw PutEventsDecoder.wrongType("/Entries/\(index)/Resources", "one list of strings")
        }
        hasResources = true
        for element in list {
            guard let resource = element.string else {
                throw PutEventsDecoder.wrongType("/Entries/\(index)/Resources", "one list of strings")
            }
            withUnsafeBytes(of: UInt32(resource.count).littleEndian) { resources.append(contentsOf: $0) }
            resources.append(contentsOf: resource)
            resourceCount += 1
        }
    }

    /// Epoch seconds as a number, between the years 1970 and 9999.
    private static func moment(_ value: JSONValue, _ index: Int, isRepeated: Bool) throws(Fault) -> Timestamp {
        guard !isRepeated, let seconds = value.double, seconds >= 0, seconds < 253_402_300_800 else {
            throw PutEventsDecoder.wrongType("/Entries/\(index)/Time", "one number of seconds since 1970")
        }
        return Timestamp(milliseconds: min(Int64((seconds * 1000).rounded()), 253_402_300_799_999))
    }

    func billedBytes(resourceBytes: Int) -> Int {
        (time == nil ? 0 : 14) + (source?.count ?? 0) + (detailType?.count ?? 0) + (detail?.count ?? 0)
            + resourceBytes - 4 * resourceCount
    }
}
