import Domain

/// Why bytes are no structured field.
package enum StructuredFieldFault: Error, Equatable, Sendable {
    /// The grammar is broken at this byte, counted from zero.
    case malformed(at: Int)
    /// Longer than `StructuredFieldLimits.bytes`.
    case tooLong
    /// More members, items or parameters than the limits give.
    case tooMany
    /// A key stands twice where that is refused.
    case repeatedKey(String)
}

/// How much of a structured field is read; each of these is checked before memory is spent.
package struct StructuredFieldLimits: Sendable {
    package let bytes: Int
    /// Members of a list or dictionary, and items of an inner list.
    package let members: Int
    /// Parameters of one item or inner list.
    package let parameters: Int
    /// Refuse a key that stands twice. RFC 8941 lets the last one win; where a signature depends on it, two readers
    /// that differ are an attack.
    package let refusesRepetition: Bool

    /// RFC 8941 § 3 asks for at least 1024 members, 256 items and 256 parameters of a general reader; the whole field
    /// is bounded by the gateway's 16 KiB of header fields.
    package static let general = StructuredFieldLimits(
        bytes: 16_384, members: 1024, parameters: 256, refusesRepetition: false)

    package init(bytes: Int, members: Int, parameters: Int, refusesRepetition: Bool) {
        self.bytes = bytes
        self.members = members
        self.parameters = parameters
        self.refusesRepetition = refusesRepetition
    }
}

/// The strict reader of structured fields: whole or not at all, and nothing is repaired.
///
/// Stricter than RFC 8941 in one place: a byte sequence must be canonical base64 (§ 4.2.7 says SHOULD NOT fail for
/// missing padding and non-zero pad bits; a signature that has two spellings is worse).
///
/// - Source: RFC 8941 § 4.2
package struct StructuredFieldParser {
    private let bytes: [UInt8]
    private let limits: StructuredFieldLimits
    private var position = 0

    private init(_ bytes: [UInt8], _ limits: StructuredFieldLimits) throws(StructuredFieldFault) {
        guard bytes.count <= limits.bytes else { throw .tooLong }
        self.bytes = bytes
        self.limits = limits
        skipSpaces()
    }

    /// Reads a list; empty bytes are the empty list. Field lines are joined by `, ` beforehand.
    package static func list(
        _ bytes: [UInt8], limits: StructuredFieldLimits = .general
    ) throws(StructuredFieldFault) -> [StructuredFieldMember] {
        var parser = try StructuredFieldParser(bytes, limits)
        var members: [StructuredFieldMember] = []
        while parser.position < parser.bytes.count {
            guard members.count < limits.members else { throw .tooMany }
            members.append(try parser.member())
            if try parser.isLast() { break }
        }
        return members
    }

    /// Reads a dictionary; empty bytes are the empty dictionary.
    package static func dictionary(
        _ bytes: [UInt8], limits: StructuredFieldLimits = .general
    ) throws(StructuredFieldFault) -> StructuredFieldDictionary {
        var parser = try StructuredFieldParser(bytes, limits)
        var dictionary = StructuredFieldDictionary()
        while parser.position < parser.bytes.count {
            guard dictionary.entries.count < limits.members else { throw .tooMany }
            let key = try parser.key()
            let member: StructuredFieldMember
            if parser.take(UInt8(ascii: "=")) {
                member = try parser.member()
            } else {
                member = .item(StructuredFieldItem(.boolean(true), try parser.parameters()))
            }
            if dictionary.set(key, member), limits.refusesRepetition { throw .repeatedKey(key) }
            if try parser.isLast() { break }
        }
        return dictionary
    }

    /// Reads one item with its parameters.
    package static func item(
        _ bytes: [UInt8], limits: StructuredFieldLimits = .general
    ) throws(StructuredFieldFault) -> StructuredFieldItem {
        var parser = try StructuredFieldParser(bytes, limits)
        let item = try parser.item()
        parser.skipSpaces()
        guard parser.position == bytes.count else { throw parser.fault }
        return item
    }

    private var fault: StructuredFieldFault { .malformed(at: position) }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipSpaces() {
        while next == UInt8(ascii: " ") { position += 1 }
    }

    /// After a member: true at the end, false before another one.
    private mutating func isLast() throws(StructuredFieldFault) -> Bool {
        let end = position
        while next == UInt8(ascii: " ") || next == UInt8(ascii: "\t") { position += 1 }
        guard position < bytes.count else {
            // Only spaces may follow the last member (§ 4.2 step 6); a tab is no part of the field.
            for index in end..<position where bytes[index] != UInt8(ascii: " ") { throw .malformed(at: index) }
            return true
        }
        guard take(UInt8(ascii: ",")) else { throw fault }
        while next == UInt8(ascii: " ") || next == UInt8(ascii: "\t") { position += 1 }
        guard position < bytes.count else { throw fault }
        return false
    }

    private mutating func member() throws(StructuredFieldFault) -> StructuredFieldMember {
        next == UInt8(ascii: "(") ? .innerList(try innerList()) : .item(try item())
    }

    private mutating func innerList() throws(StructuredFieldFault) -> StructuredFieldInnerList {
        guard take(UInt8(ascii: "(")) else { throw fault }
        var items: [StructuredFieldItem] = []
        while true {
            skipSpaces()
            if take(UInt8(ascii: ")")) { return StructuredFieldInnerList(items, try parameters()) }
            guard items.count < limits.members else { throw .tooMany }
            items.append(try item())
            guard next == UInt8(ascii: " ") || next == UInt8(ascii: ")") else { throw fault }
        }
    }

    private mutating func item() throws(StructuredFieldFault) -> StructuredFieldItem {
        let value = try bareItem()
        return StructuredFieldItem(value, try parameters())
    }

    private mutating func parameters() throws(StructuredFieldFault) -> StructuredFieldParameters {
        var parameters = StructuredFieldParameters()
        while take(UInt8(ascii: ";")) {
            guard parameters.all.count < limits.parameters else { throw .tooMany }
            skipSpaces()
            let key = try key()
            let value = take(UInt8(ascii: "=")) ? try bareItem() : .boolean(true)
            if parameters.set(key, value), limits.refusesRepetition { throw .repeatedKey(key) }
        }
        return parameters
    }

    private mutating func key() throws(StructuredFieldFault) -> String {
        let start = position
        guard let first = next, isLowercaseLetter(first) || first == UInt8(ascii: "*") else { throw fault }
        while let byte = next, isKeyCharacter(byte) { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func bareItem() throws(StructuredFieldFault) -> StructuredFieldValue {
        guard let first = next else { throw fault }
        switch first {
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: ":"): return .bytes(try byteSequence())
        case UInt8(ascii: "?"): return .boolean(try boolean())
        case UInt8(ascii: "*"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"):
            return .token(token())
        default: throw fault
        }
    }

    private mutating func number() throws(StructuredFieldFault) -> StructuredFieldValue {
        let isNegative = take(UInt8(ascii: "-"))
        let (whole, wholeDigits) = try digits(atMost: 15)
        guard wholeDigits > 0 else { throw fault }
        guard take(UInt8(ascii: ".")) else { return .integer(isNegative ? -whole : whole) }
        guard wholeDigits <= 12 else { throw fault }
        var (fraction, fractionDigits) = try digits(atMost: 3)
        guard fractionDigits > 0 else { throw fault }
        while fractionDigits < 3 {
            fraction *= 10
            fractionDigits += 1
        }
        let thousandths = whole * 1000 + fraction
        return .decimal(thousandths: isNegative ? -thousandths : thousandths)
    }

    private mutating func digits(atMost limit: Int) throws(StructuredFieldFault) -> (value: Int64, count: Int) {
        var value: Int64 = 0
        var count = 0
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            guard count < limit else { throw fault }
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            count += 1
            position += 1
        }
        return (value, count)
    }

    private mutating func string() throws(StructuredFieldFault) -> String {
        position += 1
        var text: [UInt8] = []
        while let byte = next {
            guard (0x20...0x7E).contains(byte) else { throw fault }
            position += 1
            if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
            if byte == UInt8(ascii: "\\") {
                guard let escaped = next, escaped == UInt8(ascii: "\"") || escaped == UInt8(ascii: "\\") else {
                    throw fault
                }
                position += 1
                text.append(escaped)
            } else {
                text.append(byte)
            }
        }
        throw fault
    }

    private mutating func token() -> String {
        let start = position
        while let byte = next, isFieldNameCharacter(byte) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "/") {
            position += 1
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func byteSequence() throws(StructuredFieldFault) -> [UInt8] {
        position += 1
        let start = position
        while let byte = next, byte != UInt8(ascii: ":") { position += 1 }
        guard next != nil, let decoded = Base64Text.bytes(bytes[start..<position]) else { throw .malformed(at: start) }
        position += 1
        return decoded
    }

    private mutating func boolean() throws(StructuredFieldFault) -> Bool {
        position += 1
        if take(UInt8(ascii: "1")) { return true }
        guard take(UInt8(ascii: "0")) else { throw fault }
        return false
    }
}

private func isLowercaseLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
}

/// Source: RFC 8941 § 3.1.2, `key`.
private func isKeyCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "*"):
        true
    default: false
    }
}

/// Source: RFC 9110 § 5.6.2, `tchar`.
func isFieldNameCharacter(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"),
        UInt8(ascii: "%"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"),
        UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
        UInt8(ascii: "|"), UInt8(ascii: "~"):
        true
    default: false
    }
}
