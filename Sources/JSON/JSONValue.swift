/// A place in a parsed document: three words, copied freely, valid inside `JSONParser.withDocument` only.
///
/// Reading is a walk over simdjson's tape; nothing is allocated, and strings are views of the parser's buffer.
///
/// - Source: https://github.com/simdjson/simdjson/blob/v3.0.1/doc/tape.md
package struct JSONValue {
    @usableFromInline let tape: UnsafePointer<UInt64>
    @usableFromInline let strings: UnsafePointer<UInt8>
    @usableFromInline let index: Int

    @inlinable
    init(tape: UnsafePointer<UInt64>, strings: UnsafePointer<UInt8>, index: Int) {
        self.tape = tape
        self.strings = strings
        self.index = index
    }

    /// What stands at a place. Integers that fit an `Int64` are `.integer`, the rest up to 2^64 - 1 are `.unsigned`.
    package enum Kind: Sendable {
        case object, array, string, integer, unsigned, double, bool, null
    }

    /// What this value is.
    @inlinable package var kind: Kind {
        switch tag {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "l"): .integer
        case UInt8(ascii: "u"): .unsigned
        case UInt8(ascii: "d"): .double
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
        default: .null
        }
    }

    /// The members in document order, or nil when this is no object.
    @inlinable package var object: JSONObject? {
        tag == UInt8(ascii: "{") ? JSONObject(value: self) : nil
    }

    /// The elements in order, or nil when this is no array.
    @inlinable package var array: JSONArray? {
        tag == UInt8(ascii: "[") ? JSONArray(value: self) : nil
    }

    /// The unescaped UTF-8 of a string, or nil when this is none.
    @inlinable package var string: UnsafeBufferPointer<UInt8>? {
        tag == UInt8(ascii: "\"") ? text : nil
    }

    /// A number written as an integer that fits, or nil.
    @inlinable package var int64: Int64? {
        switch tag {
        case UInt8(ascii: "l"): Int64(bitPattern: tape[index + 1])
        default: nil
        }
    }

    /// A number written as an integer that is not negative and fits, or nil.
    @inlinable package var uint64: UInt64? {
        switch tag {
        case UInt8(ascii: "l"): UInt64(exactly: Int64(bitPattern: tape[index + 1]))
        case UInt8(ascii: "u"): tape[index + 1]
        default: nil
        }
    }

    /// Any number as a double (an integer beyond 2^53 is rounded), or nil when this is no number. Always finite.
    @inlinable package var double: Double? {
        switch tag {
        case UInt8(ascii: "d"): Double(bitPattern: tape[index + 1])
        case UInt8(ascii: "l"): Double(Int64(bitPattern: tape[index + 1]))
        case UInt8(ascii: "u"): Double(tape[index + 1])
        default: nil
        }
    }

    /// `true`, `false`, or nil when this is neither.
    @inlinable package var bool: Bool? {
        switch tag {
        case UInt8(ascii: "t"): true
        case UInt8(ascii: "f"): false
        default: nil
        }
    }

    /// Whether this is `null`.
    @inlinable package var isNull: Bool { tag == UInt8(ascii: "n") }

    /// The first member of that name, or nil; nil as well when this is no object.
    @inlinable package subscript(key: StaticString) -> JSONValue? { object?[key] }

    // INVARIANT: simdjson filled the tape, so every index and offset on it lies within its two buffers.
    @inlinable var tag: UInt8 { UInt8(truncatingIfNeeded: tape[index] &>> 56) }

    @inlinable var text: UnsafeBufferPointer<UInt8> {
        let start = strings + Int(truncatingIfNeeded: tape[index] & 0x00FF_FFFF_FFFF_FFFF)
        let count = UnsafeRawPointer(start).loadUnaligned(as: UInt32.self)
        return UnsafeBufferPointer(start: start + 4, count: Int(count))
    }

    /// Where the value after this one begins: containers carry it, numbers take two words.
    @inlinable var next: Int {
        switch tag {
        case UInt8(ascii: "{"), UInt8(ascii: "["): Int(truncatingIfNeeded: tape[index] & 0xFFFF_FFFF)
        case UInt8(ascii: "l"), UInt8(ascii: "u"), UInt8(ascii: "d"): index + 2
        default: index + 1
        }
    }

    @inlinable func at(_ index: Int) -> JSONValue { JSONValue(tape: tape, strings: strings, index: index) }
}

/// The members of an object in the order they were written; a key may come twice.
package struct JSONObject: Sequence {
    @usableFromInline let value: JSONValue

    @inlinable
    init(value: JSONValue) {
        self.value = value
    }

    /// One key (unescaped UTF-8) and its value.
    package struct Member {
        package let key: UnsafeBufferPointer<UInt8>
        package let value: JSONValue

        @inlinable
        init(key: UnsafeBufferPointer<UInt8>, value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    package struct Iterator: IteratorProtocol {
        // On the tape a member is a string and a value, one behind the other.
        @usableFromInline var places: JSONArray.Iterator

        @inlinable
        init(_ value: JSONValue) { places = JSONArray.Iterator(value) }

        @inlinable
        package mutating func next() -> Member? {
            guard let key = places.next(), let value = places.next() else { return nil }
            return Member(key: key.text, value: value)
        }
    }

    @inlinable package func makeIterator() -> Iterator { Iterator(value) }

    /// Whether there is no member.
    @inlinable package var isEmpty: Bool { value.next - 1 == value.index + 1 }

    /// The first member of that name, or nil. Cost: linear in the members.
    @inlinable package subscript(key: StaticString) -> JSONValue? {
        for member in self where member.key.equals(key) { return member.value }
        return nil
    }
}

/// The elements of an array in order.
package struct JSONArray: Sequence {
    @usableFromInline let value: JSONValue

    @inlinable
    init(value: JSONValue) {
        self.value = value
    }

    package struct Iterator: IteratorProtocol {
        @usableFromInline var cursor: JSONValue
        @usableFromInline let end: Int

        @inlinable
        init(_ value: JSONValue) {
            cursor = value.at(value.index + 1)
            end = value.next - 1
        }

        @inlinable
        package mutating func next() -> JSONValue? {
            guard cursor.index < end else { return nil }
            let element = cursor
            cursor = cursor.at(element.next)
            return element
        }
    }

    @inlinable package func makeIterator() -> Iterator { Iterator(value) }

    /// Whether there is no element.
    @inlinable package var isEmpty: Bool { value.next - 1 == value.index + 1 }

    /// How many elements there are. Cost: linear.
    @inlinable package var count: Int {
        var count = 0
        for _ in self { count += 1 }
        return count
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Whether these are the bytes of a literal: `key.equals("Source")`.
    @inlinable
    package func equals(_ literal: StaticString) -> Bool {
        guard count == literal.utf8CodeUnitCount else { return false }
        for index in 0..<count where self[index] != literal.utf8Start[index] { return false }
        return true
    }
}
