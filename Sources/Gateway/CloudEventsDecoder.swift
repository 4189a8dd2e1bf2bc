import Bus
import Cryptography
import Domain
import Identity
import JSON

/// Turns an HTTP request that carries CloudEvents into entries. One for each event loop; its buffers are reused.
///
/// | CloudEvent | entry |
/// |---|---|
/// | `type`, `source`, `time` | `DetailType`, `Source`, `Time` |
/// | `subject` | the one of `Resources` |
/// | `data` | `Detail`, byte for byte; without data `{}` |
/// | `id`, `dataschema`, `datacontenttype`, extensions | kept with the event, shown in its block `isthmus` |
///
/// A request whose shape is wrong is refused whole; an event that is wrong fails alone.
/// Source: github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md,
/// github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
struct CloudEventsDecoder {
    /// Events of one batch. Source: ten requests of `PutEvents`; their sizes together are bounded as there.
    static let eventsPerBatch = 100

    /// What decides about the events of a request.
    struct Destination {
        /// The bus as an ARN.
        let bus: [UInt8]
        /// The hash of that.
        let busDigest: Digest
        /// Whose ids they are: `RepeatGuard.owner`.
        let owner: Digest

        init(bus: [UInt8], principal: String) {
            self.init(bus: bus, busDigest: SHA256.hash(bus), owner: RepeatGuard.owner(principal))
        }

        init(bus: [UInt8], busDigest: Digest, owner: Digest) {
            self.bus = bus
            self.busDigest = busDigest
            self.owner = owner
        }
    }

    private let body: JSONParser
    private let detail: JSONParser
    private let entriesBytes: Int
    private var attributes = CloudEventAttributes()
    private var resources: [UInt8] = []
    private var kept: [UInt8] = []
    private var entries: [DecodedEntry] = []
    private var guards: [RepeatGuard] = []
    private var billedBytes = 0
    private var storedBytes = 0

    /// The parsers may be those of another decoder of the same loop: one is used at a time.
    init(body: JSONParser, detail: JSONParser, entriesBytes: Int) {
        self.body = body
        self.detail = detail
        self.entriesBytes = entriesBytes
    }

    /// The events of one request, in order.
    mutating func decode(_ request: borrowing Request, for destination: Destination) throws(Fault) -> Publication {
        entries.removeAll(keepingCapacity: true)
        guards.removeAll(keepingCapacity: true)
        (billedBytes, storedBytes) = (0, 0)
        let form: Publication.Form
        switch try Mode(request.fields) {
        case .binary(let mediaType):
            decodeBinary(request, mediaType, destination)
            form = .single
        case .structured:
            try decodeStructured(request.body, destination)
            form = .single
        case .batched:
            try decodeBatch(request.body, destination)
            form = .batch
        }
        // INVARIANT: no frame is longer than `EventFrame.bytesLimit`, though what is kept beside is billed nothing.
        guard billedBytes < entriesBytes, storedBytes <= Limits.wireBodyBytes else {
            throw Fault(.validation, "Total size of the events in the request is over the limit.")
        }
        return Publication(entries: entries, guards: .events(guards), form: form)
    }

    /// How the events stand in the request. Source: HTTP binding, section 3.
    private enum Mode {
        case binary(mediaType: Bytes?)
        case structured
        case batched

        init(_ fields: HeaderFields) throws(Fault) {
            guard !fields.repeats("content-type") else { throw Fault(.validation, "Content-Type stands twice") }
            let value = fields.value(of: "content-type")
            if let value, value.equals("application/cloudevents+json") {
                self = .structured
                return
            }
            guard let value, let type = MediaType(value), type.isCloudEvents else {
                self = .binary(mediaType: value)
                return
            }
            guard !type.isForeignCharset else {
                throw Fault(.validation, "the charset of the content must be UTF-8")
            }
            switch String(decoding: type.name, as: UTF8.self) {
            case "application/cloudevents+json": self = .structured
            case "application/cloudevents-batch+json": self = .batched
            default:
                throw Fault(
                    .validation,
                    "Content-Type is an event format that is not taken here: send application/cloudevents+json, "
                        + "application/cloudevents-batch+json, or the attributes as ce- header fields")
            }
        }
    }

    private mutating func decodeStructured(_ content: [UInt8], _ destination: Destination) throws(Fault) {
        let parser = body
        try parser.withDocument(content, refuse: { Fault(.serialization, "\($0)") }) { value throws(Fault) in
            guard let object = value.object else {
                throw Fault(.serialization, "the content must be one CloudEvent, a JSON object")
            }
            content.withUnsafeBufferPointer { text in
                decodeEvent(object, JSONTextValues(text), text, destination)
            }
        }
    }

    private mutating func decodeBatch(_ content: [UInt8], _ destination: Destination) throws(Fault) {
        let parser = body
        try parser.withDocument(content, refuse: { Fault(.serialization, "\($0)") }) { value throws(Fault) in
            guard let batch = value.array else {
                throw Fault(.serialization, "the content must be a list of CloudEvents, a JSON array")
            }
            guard batch.count <= Self.eventsPerBatch else {
                throw Fault(.validation, "a batch has at most \(Self.eventsPerBatch) events")
            }
            try content.withUnsafeBufferPointer { text throws(Fault) in
                var places = JSONTextValues(text)
                for (index, element) in batch.enumerated() {
                    guard let place = places.next(), let object = element.object else {
                        throw Fault(.serialization, "the value at `/\(index)` must be a CloudEvent, a JSON object")
                    }
                    decodeEvent(object, JSONTextValues(text, container: place.lowerBound), text, destination)
                }
            }
        }
    }

    private mutating func decodeEvent(
        _ object: JSONObject, _ places: JSONTextValues, _ text: UnsafeBufferPointer<UInt8>,
        _ destination: Destination
    ) {
        take(destination) { decoder throws(CloudEventRefusal) in
            var places = places
            var data = CloudEventData.none
            if let key = object.repeatedKey() {
                throw CloudEventRefusal(String(decoding: key.prefix(64), as: UTF8.self), "it stands twice")
            }
            for member in object {
                guard let place = places.next() else { preconditionFailure("a member has a value") }
                if member.key.equals("data") {
                    guard data.isNone else { throw CloudEventRefusal(data: "data and data_base64 exclude each other") }
                    data = .json(UnsafeBufferPointer(rebasing: text[place]), isObject: member.value.object != nil)
                } else if member.key.equals("data_base64") {
                    guard data.isNone else { throw CloudEventRefusal(data: "data and data_base64 exclude each other") }
                    if !member.value.isNull { data = try .base64(member.value) }
                } else if let value = try Self.value(of: member) {
                    try decoder.attributes.note(member.key, value)
                }
            }
            return data
        }
    }

    /// An attribute's value; nil for one that is unset. Source: JSON format section 2.2.
    private static func value(of member: JSONObject.Member) throws(CloudEventRefusal) -> CloudEventAttributes.Value? {
        switch member.value.kind {
        case .null: return nil
        case .string: return member.value.string.map { .text($0) }
        case .integer: return member.value.int64.map { .integer($0) }
        case .bool: return member.value.bool.map { .bool($0) }
        case .object, .array, .unsigned, .double:
            throw CloudEventRefusal(
                String(decoding: member.key.prefix(64), as: UTF8.self),
                "an attribute is a string, a boolean or an integer of 32 bits")
        }
    }

    private mutating func decodeBinary(_ request: borrowing Request, _ mediaType: Bytes?, _ destination: Destination) {
        let fields = request.fields
        let content = request.body
        take(destination) { decoder throws(CloudEventRefusal) in
            for index in 0..<fields.count where fields.name(at: index).starts(with: "ce-".utf8) {
                let name = fields.name(at: index).dropFirst(3)
                guard !name.equals("datacontenttype") else {
                    throw CloudEventRefusal("datacontenttype", "binary mode has it in Content-Type, not in a ce- field")
                }
                for other in 0..<index where fields.name(at: other) == fields.name(at: index) {
                    throw CloudEventRefusal(name.prefix(64).text, "it stands twice")
                }
                try decoder.note(name, CloudEventField.decode(fields.value(at: index), name: name))
            }
            if let mediaType {
                // A header field may hold any byte from 0x80 on; an attribute is text.
                guard mediaType.allSatisfy({ $0 < 0x7F }) else {
                    throw CloudEventRefusal("datacontenttype", "Content-Type holds a character that is not ASCII")
                }
                try decoder.note(Array("datacontenttype".utf8)[...], Array(mediaType))
            }
            return content.isEmpty ? .none : .bytes(content)
        }
    }

    private mutating func note(_ name: Bytes, _ value: [UInt8]) throws(CloudEventRefusal) {
        try name.withUnsafeBufferPointer { name throws(CloudEventRefusal) in
            try value.withUnsafeBufferPointer { value throws(CloudEventRefusal) in
                try attributes.note(name, .text(value))
            }
        }
    }

    /// Reads one event with `read`, which notes the attributes and returns the data, and adds its entry or its error.
    private mutating func take(
        _ destination: Destination,
        _ read: (inout CloudEventsDecoder) throws(CloudEventRefusal) -> CloudEventData
    ) {
        attributes.begin()
        do throws(CloudEventRefusal) {
            let data = try read(&self)
            try attributes.checkRequired()
            let time = try attributes.time()
            guard let source = attributes[.source], let id = attributes[.id], let type = attributes[.type] else {
                preconditionFailure("the required attributes are there")
            }
            let subject = attributes[.subject]
            resources.removeAll(keepingCapacity: true)
            if let subject {
                withUnsafeBytes(of: UInt32(subject.count).littleEndian) { resources.append(contentsOf: $0) }
                resources.append(contentsOf: subject)
            }
            kept.removeAll(keepingCapacity: true)
            attributes.appendKept(to: &kept)
            let entry = try withDetail(of: data) { detail in
                makeEntry(source, type, detail, resourceCount: subject == nil ? 0 : 1, time)
            }
            billedBytes += entry.billedBytes
            storedBytes += entry.buffer.count
            entries.append(DecodedEntry(content: .entry(entry), busReference: destination.bus))
            guards.append(
                .cloudEvent(owner: destination.owner, bus: destination.busDigest, source: source, id: id))
        } catch {
            entries.append(
                DecodedEntry(
                    content: .invalid(code: error.code, message: error.message), busReference: destination.bus))
            guards.append(.none)
        }
    }

    private func makeEntry(
        _ source: Bytes, _ type: Bytes, _ detail: UnsafeBufferPointer<UInt8>, resourceCount: Int, _ time: Timestamp?
    ) -> Entry {
        source.withUnsafeBufferPointer { source in
            type.withUnsafeBufferPointer { type in
                resources.withUnsafeBufferPointer { resources in
                    kept.withUnsafeBufferPointer { kept in
                        Entry(
                            source: source, detailType: type, detail: detail, resources: resources,
                            resourceCount: resourceCount, traceHeader: kept, time: time, isCloudEvent: true)
                    }
                }
            }
        }
    }

    /// Lends the event's data, which must be one JSON object.
    private func withDetail(
        of data: CloudEventData, _ body: (UnsafeBufferPointer<UInt8>) -> Entry
    ) throws(CloudEventRefusal) -> Entry {
        if case .none = data { return Array("{}".utf8).withUnsafeBufferPointer(body) }
        guard attributes.declaresJSON else {
            throw CloudEventRefusal(data: "datacontenttype is not JSON, and a Detail is one JSON object")
        }
        if let type = attributes[.datacontenttype], MediaType(type)?.isForeignCharset == true {
            throw CloudEventRefusal(data: "the charset of the data must be UTF-8")
        }
        switch data {
        case .none: preconditionFailure("an event without data was answered above")
        case .json(let text, let isObject):
            guard isObject else { throw CloudEventRefusal(data: "the data must be one JSON object") }
            return body(text)
        case .bytes(let bytes):
            guard isObject(bytes) else { throw CloudEventRefusal(data: "the data must be one JSON object") }
            return bytes.withUnsafeBufferPointer(body)
        }
    }

    private func isObject(_ bytes: [UInt8]) -> Bool {
        // One over the limit fails the request as a whole by its size.
        guard bytes.count < entriesBytes else { return true }
        do throws(JSONError) { return try detail.withDocument(bytes) { $0.object != nil } } catch { return false }
    }
}

/// What an event carries.
private enum CloudEventData {
    case none
    /// A value of the request's own JSON text.
    case json(UnsafeBufferPointer<UInt8>, isObject: Bool)
    case bytes([UInt8])

    var isNone: Bool { if case .none = self { true } else { false } }

    /// Source: JSON format section 3.1.2.
    static func base64(_ value: JSONValue) throws(CloudEventRefusal) -> CloudEventData {
        guard let text = value.string, let bytes = Base64Text.bytes(text) else {
            throw CloudEventRefusal(data: "data_base64 must be a string in base64 (RFC 4648 section 4)")
        }
        return .bytes(bytes)
    }
}
