/// A JSON value that owns its parts, for the control plane: policies, configuration, API operations.
///
/// Members keep their order and no object names a key twice.
package indirect enum JSONNode: Sendable, Equatable {
    case object([Member])
    case array([JSONNode])
    case string(String)
    case integer(Int64)
    /// An integer above `Int64.max`.
    case unsigned(UInt64)
    case double(Double)
    case bool(Bool)
    case null

    /// One key and its value.
    package struct Member: Sendable, Equatable {
        package var key: String
        package var value: JSONNode

        package init(key: String, value: JSONNode) {
            self.key = key
            self.value = value
        }
    }

    /// The largest document `init(parsing:)` takes unless told otherwise: 1 MiB, EventBridge's largest request.
    package static let defaultMaximumBytes = 1 << 20
}

extension JSONNode {
    /// Parses a whole document and refuses a key that repeats, with the JSON pointer of it.
    ///
    /// - Throws: whatever is wrong with the bytes; `.duplicateKey` names the pointer.
    package init(
        parsing bytes: some Sequence<UInt8>, maximumBytes: Int = JSONNode.defaultMaximumBytes,
        maximumDepth: Int = JSONParser.defaultMaximumDepth
    ) throws(JSONError) {
        let parser = JSONParser(maximumBytes: maximumBytes, maximumDepth: maximumDepth)
        self = try parser.withDocument(Array(bytes)) { value throws(JSONError) in try JSONNode(value) }
    }

    /// Parses the UTF-8 of `text`; see `init(parsing:maximumBytes:maximumDepth:)`.
    package init(
        parsing text: String, maximumBytes: Int = JSONNode.defaultMaximumBytes,
        maximumDepth: Int = JSONParser.defaultMaximumDepth
    ) throws(JSONError) {
        try self.init(parsing: text.utf8, maximumBytes: maximumBytes, maximumDepth: maximumDepth)
    }

    /// Copies a value off the tape.
    ///
    /// - Throws: `.duplicateKey`, with the pointer seen from `value`.
    package init(_ value: JSONValue) throws(JSONError) {
        if let path = value.repeatedKeyPath() { throw .duplicateKey(path: path) }
        self.init(copying: value)
    }

    private init(copying value: JSONValue) {
        switch value.kind {
        case .object:
            var members: [Member] = []
            if let object = value.object {
                for member in object {
                    members.append(Member(key: text(member.key), value: JSONNode(copying: member.value)))
                }
            }
            self = .object(members)
        case .array:
            var elements: [JSONNode] = []
            if let array = value.array {
                for element in array { elements.append(JSONNode(copying: element)) }
            }
            self = .array(elements)
        case .string: self = value.string.map { .string(text($0)) } ?? .null
        case .integer: self = value.int64.map { .integer($0) } ?? .null
        case .unsigned: self = value.uint64.map { .unsigned($0) } ?? .null
        case .double: self = value.double.map { .double($0) } ?? .null
        case .bool: self = value.bool.map { .bool($0) } ?? .null
        case .null: self = .null
        }
    }
}

private func text(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    String(decoding: bytes, as: UTF8.self)
}

extension JSONNode {
    /// The members, or nil when this is no object.
    package var object: [Member]? {
        if case .object(let members) = self { members } else { nil }
    }

    /// The elements, or nil when this is no array.
    package var array: [JSONNode]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The text, or nil when this is no string.
    package var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// An integer that fits, or nil.
    package var int64: Int64? {
        if case .integer(let number) = self { number } else { nil }
    }

    /// An integer that is not negative and fits, or nil.
    package var uint64: UInt64? {
        switch self {
        case .integer(let number): UInt64(exactly: number)
        case .unsigned(let number): number
        default: nil
        }
    }

    /// An integer that fits an `Int`, or nil.
    package var int: Int? { int64.flatMap { Int(exactly: $0) } }

    /// Any number, rounded to a double where it must be, or nil.
    package var double: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .unsigned(let number): Double(number)
        case .double(let number): number
        default: nil
        }
    }

    /// `true`, `false`, or nil when this is neither.
    package var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    /// Whether this is `null`.
    package var isNull: Bool { self == .null }

    /// The value of that key, or nil; nil as well when this is no object. Cost: linear in the members.
    ///
    /// Keys are compared by their UTF-8, as RFC 8259 §8.3 asks, and not by Unicode's canonical equivalence.
    package subscript(key: String) -> JSONNode? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    /// What this is, in the words of RFC 8259: for messages.
    package var kindName: String {
        switch self {
        case .object: "object"
        case .array: "array"
        case .string: "string"
        case .integer, .unsigned, .double: "number"
        case .bool: "boolean"
        case .null: "null"
        }
    }

    /// The document as compact JSON, members in their order.
    package func bytes() -> [UInt8] {
        var writer = JSONWriter()
        writer.node(self)
        return writer.bytes
    }
}

extension JSONNode: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSONNode...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONNode)...) {
        self = .object(elements.map { Member(key: $0.0, value: $0.1) })
    }
}
