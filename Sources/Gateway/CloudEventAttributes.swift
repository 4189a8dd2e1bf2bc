import Cryptography
import Domain
import JSON

/// Why one event of a request cannot be admitted; the others of its batch go on.
struct CloudEventRefusal: Error {
    let code: ErrorCode
    let message: String

    init(_ attribute: String, _ reason: String) {
        code = .invalidArgument
        message = "Parameter \(attribute) is not valid. Reason: \(reason)"
    }

    init(data reason: String) {
        code = .malformedDetail
        message = "Detail is malformed: \(reason)."
    }
}

/// The context attributes of one event, in buffers that are used again for the next.
///
/// Source: github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md, sections "Attribute Naming Convention", "Type
/// System", "REQUIRED Attributes", "OPTIONAL Attributes"
struct CloudEventAttributes {
    /// The attributes that the specification names, but for the two that hold data.
    enum Name: Int, CaseIterable {
        case id, source, specversion, type, subject, time, datacontenttype, dataschema

        var text: StaticString {
            switch self {
            case .id: "id"
            case .source: "source"
            case .specversion: "specversion"
            case .type: "type"
            case .subject: "subject"
            case .time: "time"
            case .datacontenttype: "datacontenttype"
            case .dataschema: "dataschema"
            }
        }

        /// Whether it is kept with the event though no part of the envelope is made of it.
        var isKept: Bool {
            switch self {
            case .id, .datacontenttype, .dataschema: true
            case .source, .specversion, .type, .subject, .time: false
            }
        }
    }

    /// What an attribute holds.
    enum Value {
        case text(UnsafeBufferPointer<UInt8>)
        case integer(Int64)
        case bool(Bool)
    }

    /// Attributes of one event. Source: as many as an HTTP message may carry fields.
    static let limit = Limits.headerFields
    /// Characters of an attribute's name. The specification advises at most 20.
    static let nameBytes = 64

    private var text: [UInt8] = []
    /// One for each `Name`.
    private var places: [Range<Int>?] = []
    private var members: [UInt8] = []
    private var count = 0

    /// Forgets the event before.
    mutating func begin() {
        text.removeAll(keepingCapacity: true)
        members.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        places.append(contentsOf: repeatElement(nil, count: Name.allCases.count))
        count = 0
    }

    /// Adds an attribute. One that stands twice is refused where it is a named one; of others the caller makes sure.
    mutating func note(_ name: UnsafeBufferPointer<UInt8>, _ value: Value) throws(CloudEventRefusal) {
        count += 1
        guard count <= Self.limit else {
            throw CloudEventRefusal("event", "it has more than \(Self.limit) attributes")
        }
        guard let known = Name.allCases.first(where: { name.equals($0.text) }) else { return try keep(name, value) }
        guard case .text(let value) = value else { throw CloudEventRefusal("\(known.text)", "it is not a string") }
        guard places[known.rawValue] == nil else { throw CloudEventRefusal("\(known.text)", "it stands twice") }
        try Self.check(value, as: "\(known.text)")
        guard !value.isEmpty else { throw CloudEventRefusal("\(known.text)", "it is empty") }
        let start = text.count
        text.append(contentsOf: value)
        places[known.rawValue] = start..<text.count
        if known.isKept { append(name, .text(value)) }
    }

    /// An extension: kept as it is.
    private mutating func keep(_ name: UnsafeBufferPointer<UInt8>, _ value: Value) throws(CloudEventRefusal) {
        guard (1...Self.nameBytes).contains(name.count), name.allSatisfy(Self.isNameCharacter), !name.equals("data")
        else {
            throw CloudEventRefusal(
                "event",
                "an attribute's name has 1 to \(Self.nameBytes) of the characters a-z and 0-9 and is not `data`")
        }
        let shown = String(decoding: name, as: UTF8.self)
        switch value {
        case .text(let value): try Self.check(value, as: shown)
        case .integer(let number):
            guard Int32(exactly: number) != nil else { throw CloudEventRefusal(shown, "an integer has 32 bits") }
        case .bool: break
        }
        append(name, value)
    }

    private mutating func append(_ name: UnsafeBufferPointer<UInt8>, _ value: Value) {
        if !members.isEmpty { members.append(UInt8(ascii: ",")) }
        JSONWriter.append(to: &members) { $0.string(utf8: name) }
        members.append(UInt8(ascii: ":"))
        JSONWriter.append(to: &members) { writer in
            switch value {
            case .text(let text): writer.string(utf8: text)
            case .integer(let number): writer.integer(number)
            case .bool(let flag): writer.bool(flag)
            }
        }
    }

    /// The value of a named attribute; nil when it did not come.
    subscript(name: Name) -> Bytes? { places[name.rawValue].map { text[$0] } }

    /// Refuses an event that lacks what every event must have.
    func checkRequired() throws(CloudEventRefusal) {
        for name in [Name.specversion, .id, .source, .type] where places[name.rawValue] == nil {
            throw CloudEventRefusal("\(name.text)", "it is a required attribute.")
        }
        guard self[.specversion]?.equals("1.0") == true else {
            throw CloudEventRefusal("specversion", "this gateway takes `1.0`.")
        }
        if let source = self[.source], !Self.isURIReference(source) {
            throw CloudEventRefusal("source", "it is not a URI reference (RFC 3986).")
        }
        if let schema = self[.dataschema], !Self.isURIReference(schema) || !schema.contains(UInt8(ascii: ":")) {
            throw CloudEventRefusal("dataschema", "it is not a URI (RFC 3986).")
        }
    }

    /// The moment of the event; nil when it names none.
    func time() throws(CloudEventRefusal) -> Timestamp? {
        guard let text = self[.time] else { return nil }
        guard let moment = Timestamp(rfc3339: text), moment.milliseconds >= 0 else {
            throw CloudEventRefusal("time", "it is not a timestamp of RFC 3339 since 1970.")
        }
        return moment
    }

    /// Whether `data` is JSON, which it also is when no media type says otherwise.
    var declaresJSON: Bool { self[.datacontenttype].map { MediaType($0)?.isJSON == true } ?? true }

    /// The attributes that the envelope has no place for, as one JSON object.
    func appendKept(to buffer: inout [UInt8]) {
        buffer.append(UInt8(ascii: "{"))
        buffer.append(contentsOf: members)
        buffer.append(UInt8(ascii: "}"))
    }

    private static func isNameCharacter(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
    }

    /// Refuses control characters and what Unicode calls noncharacters. Source: section "Type System", `String`.
    private static func check(
        _ text: UnsafeBufferPointer<UInt8>, as name: @autoclosure () -> String
    ) throws(CloudEventRefusal) {
        guard text.contains(where: { $0 < 0x20 || $0 >= 0x7F }) else { return }
        for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
            let value = scalar.value
            guard value >= 0x20, !(0x7F...0x9F).contains(value), !(0xFDD0...0xFDEF).contains(value),
                value & 0xFFFE != 0xFFFE
            else { throw CloudEventRefusal(name(), "it holds a control character or noncharacter") }
        }
    }

    /// Whether the characters are those of a URI reference, each `%` with its two digits. Source: RFC 3986 section 2.
    private static func isURIReference(_ text: Bytes) -> Bool {
        var digits = 0
        for byte in text {
            if digits > 0 {
                guard Hexadecimal.value(byte) != nil else { return false }
                digits -= 1
            } else if byte == UInt8(ascii: "%") {
                digits = 2
            } else if !isURICharacter(byte) {
                return false
            }
        }
        return digits == 0
    }

    private static func isURICharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0...0x20, 0x7F...: false
        case UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\\"), UInt8(ascii: "^"),
            UInt8(ascii: "`"), UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"):
            false
        default: true
        }
    }
}
