/// Writes compact JSON to the end of a byte array, and sets the commas.
///
/// The writer trusts its caller to nest properly (`object { … }` and `array { … }` do) and to write a key before each
/// member's value. To append to a buffer that is reused: `JSONWriter.append(to: &buffer) { $0.object { … } }`.
package struct JSONWriter: Sendable {
    /// What has been written.
    package private(set) var bytes: [UInt8]
    private var needsComma = false

    /// Begins a document after what `bytes` already holds.
    package init(appendingTo bytes: [UInt8] = []) {
        self.bytes = bytes
    }

    /// Appends one document to `buffer` in place: its storage is neither copied nor released.
    package static func append<E: Error>(
        to buffer: inout [UInt8], _ body: (inout JSONWriter) throws(E) -> Void
    ) throws(E) {
        var writer = JSONWriter()
        swap(&writer.bytes, &buffer)
        defer { swap(&writer.bytes, &buffer) }
        try body(&writer)
    }

    /// Writes an object whose members `body` writes: `key`, then a value, or `member`.
    package mutating func object<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
        beginObject()
        try body(&self)
        endObject()
    }

    /// Writes an array whose elements `body` writes.
    package mutating func array<E: Error>(_ body: (inout JSONWriter) throws(E) -> Void) throws(E) {
        beginArray()
        try body(&self)
        endArray()
    }

    /// Opens an object; `endObject` closes it.
    package mutating func beginObject() { open(UInt8(ascii: "{")) }
    /// Closes the object opened last.
    package mutating func endObject() { close(UInt8(ascii: "}")) }
    /// Opens an array; `endArray` closes it.
    package mutating func beginArray() { open(UInt8(ascii: "[")) }
    /// Closes the array opened last.
    package mutating func endArray() { close(UInt8(ascii: "]")) }

    /// Writes a member's key that needs no escaping: a literal of the program.
    package mutating func key(_ literal: StaticString) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: UnsafeBufferPointer(start: literal.utf8Start, count: literal.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// Writes a member's key.
    package mutating func key(named text: String) {
        string(text)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// Writes a string, escaped as RFC 8785 §3.2.2.2 says: the short escapes, `\u00xx` for the other controls.
    package mutating func string(_ text: String) {
        var text = text
        text.withUTF8 { string(utf8: $0) }
    }

    /// Writes a string from bytes that are UTF-8 already.
    package mutating func string(utf8 text: UnsafeBufferPointer<UInt8>) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        appendEscaped(text)
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a string from bytes that are UTF-8 already.
    package mutating func string(utf8 text: [UInt8]) {
        text.withUnsafeBufferPointer { string(utf8: $0) }
    }

    /// Writes a string from bytes that are UTF-8 already.
    package mutating func string(utf8 text: ArraySlice<UInt8>) {
        text.withUnsafeBufferPointer { string(utf8: $0) }
    }

    /// Writes an integer of any size.
    package mutating func integer(_ number: some BinaryInteger) {
        separate()
        appendDecimal(number)
    }

    /// Writes a finite number with the fewest digits that read back as the same double.
    package mutating func double(_ number: Double) {
        precondition(number.isFinite, "JSON has no infinity and no NaN")
        separate()
        bytes.append(contentsOf: number.description.utf8)
    }

    /// Writes `true` or `false`.
    package mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// Writes `null`.
    package mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    /// Splices a value that is JSON already, byte for byte: an event's `Detail`.
    package mutating func raw(_ json: UnsafeBufferPointer<UInt8>) {
        separate()
        bytes.append(contentsOf: json)
    }

    /// Splices a value that is JSON already, byte for byte: an event's `Detail`.
    package mutating func raw(_ json: [UInt8]) {
        separate()
        bytes.append(contentsOf: json)
    }

    /// Splices a value that is JSON already, byte for byte: an event's `Detail`.
    package mutating func raw(_ json: ArraySlice<UInt8>) {
        separate()
        bytes.append(contentsOf: json)
    }

    /// Writes an owned value, members in their order.
    package mutating func node(_ node: JSONNode) {
        switch node {
        case .object(let members):
            beginObject()
            for member in members {
                key(named: member.key)
                self.node(member.value)
            }
            endObject()
        case .array(let elements):
            beginArray()
            for element in elements { self.node(element) }
            endArray()
        case .string(let text): string(text)
        case .integer(let number): integer(number)
        case .unsigned(let number): integer(number)
        case .double(let number): double(number)
        case .bool(let value): bool(value)
        case .null: null()
        }
    }
}

extension JSONWriter {
    /// Writes a key and a string.
    package mutating func member(_ key: StaticString, _ text: String) {
        self.key(key)
        string(text)
    }

    /// Writes a key and an integer.
    package mutating func member(_ key: StaticString, _ number: some BinaryInteger) {
        self.key(key)
        integer(number)
    }

    /// Writes a key and a finite number.
    package mutating func member(_ key: StaticString, _ number: Double) {
        self.key(key)
        double(number)
    }

    /// Writes a key and `true` or `false`.
    package mutating func member(_ key: StaticString, _ value: Bool) {
        self.key(key)
        bool(value)
    }

    /// Writes a key and an owned value.
    package mutating func member(_ key: StaticString, _ node: JSONNode) {
        self.key(key)
        self.node(node)
    }

    /// Writes a member whose value is a string of bytes that are UTF-8 already.
    package mutating func member(_ key: StaticString, utf8 text: UnsafeBufferPointer<UInt8>) {
        self.key(key)
        string(utf8: text)
    }
}

extension JSONWriter {
    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
        var start = 0
        var index = 0
        while index < text.count {
            if index + 8 <= text.count, !mayNeedEscape(text, at: index) {
                index += 8
                continue
            }
            for place in index..<min(index + 8, text.count) where needsEscape(text[place]) {
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<place]))
                appendEscape(of: text[place])
                start = place + 1
            }
            index += 8
        }
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
    }

    private func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    /// Whether one of eight bytes may need an escape: exact for "no".
    /// Source: https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
    private func mayNeedEscape(_ text: UnsafeBufferPointer<UInt8>, at index: Int) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let word = UnsafeRawBufferPointer(text).loadUnaligned(fromByteOffset: index, as: UInt64.self)
        let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        let control = (word &- ones &* 0x20) & ~word
        return (control | (quote &- ones) & ~quote | (backslash &- ones) & ~backslash) & (ones &* 0x80) != 0
    }

    private mutating func appendEscape(of byte: UInt8) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case 0x08: bytes.append(UInt8(ascii: "b"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0C: bytes.append(UInt8(ascii: "f"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        case 0x00..<0x20:
            bytes.append(contentsOf: "u00".utf8)
            let digits: StaticString = "0123456789abcdef"
            bytes.append(digits.utf8Start[Int(byte >> 4)])
            bytes.append(digits.utf8Start[Int(byte & 15)])
        default: bytes.append(byte)
        }
    }

    private mutating func appendDecimal(_ number: some BinaryInteger) {
        guard let magnitude = UInt64(exactly: number.magnitude) else {
            bytes.append(contentsOf: String(number).utf8)
            return
        }
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        var divisor: UInt64 = 1
        while magnitude / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(magnitude / divisor % 10))
            divisor /= 10
        }
    }
}
