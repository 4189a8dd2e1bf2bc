import Domain

/// A bare item of HTTP's structured fields.
///
/// - Source: RFC 8941 § 3.3
package enum StructuredFieldValue: Equatable, Sendable {
    /// -999 999 999 999 999 … 999 999 999 999 999.
    case integer(Int64)
    /// At most twelve digits, a point and three digits: so many thousandths.
    case decimal(thousandths: Int64)
    /// Characters 0x20 … 0x7E, unescaped.
    case string(String)
    case token(String)
    case bytes([UInt8])
    case boolean(Bool)
}

/// The parameters of an item or inner list in their order; a key stands once.
///
/// - Source: RFC 8941 § 3.1.2
package struct StructuredFieldParameters: Equatable, Sendable {
    /// One key and its value.
    package struct Parameter: Equatable, Sendable {
        package let key: String
        package internal(set) var value: StructuredFieldValue

        package init(key: String, value: StructuredFieldValue) {
            self.key = key
            self.value = value
        }
    }

    package private(set) var all: [Parameter]

    package init(_ all: [Parameter] = []) {
        self.all = all
    }

    /// The value of that key, or nil.
    package subscript(key: String) -> StructuredFieldValue? {
        all.first { $0.key == key }?.value
    }

    /// Sets a value in place, or at the end; whether the key stood already.
    mutating func set(_ key: String, _ value: StructuredFieldValue) -> Bool {
        if let index = all.firstIndex(where: { $0.key == key }) {
            all[index].value = value
            return true
        }
        all.append(Parameter(key: key, value: value))
        return false
    }
}

/// A bare item and its parameters.
package struct StructuredFieldItem: Equatable, Sendable {
    package let value: StructuredFieldValue
    package let parameters: StructuredFieldParameters

    package init(_ value: StructuredFieldValue, _ parameters: StructuredFieldParameters = .init()) {
        self.value = value
        self.parameters = parameters
    }
}

/// Items in parentheses and the parameters of the whole.
///
/// - Source: RFC 8941 § 3.1.1
package struct StructuredFieldInnerList: Equatable, Sendable {
    package let items: [StructuredFieldItem]
    package let parameters: StructuredFieldParameters

    package init(_ items: [StructuredFieldItem], _ parameters: StructuredFieldParameters = .init()) {
        self.items = items
        self.parameters = parameters
    }
}

/// A member of a list or dictionary.
package enum StructuredFieldMember: Equatable, Sendable {
    case item(StructuredFieldItem)
    case innerList(StructuredFieldInnerList)
}

/// Keys and members in their order; a key stands once.
///
/// - Source: RFC 8941 § 3.2
package struct StructuredFieldDictionary: Equatable, Sendable {
    /// One key and its member.
    package struct Entry: Equatable, Sendable {
        package let key: String
        package internal(set) var member: StructuredFieldMember
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    /// The member of that key, or nil.
    package subscript(key: String) -> StructuredFieldMember? {
        entries.first { $0.key == key }?.member
    }

    /// Sets a member in place, or at the end; whether the key stood already.
    mutating func set(_ key: String, _ member: StructuredFieldMember) -> Bool {
        if let index = entries.firstIndex(where: { $0.key == key }) {
            entries[index].member = member
            return true
        }
        entries.append(Entry(key: key, member: member))
        return false
    }
}

// Serializing (RFC 8941 § 4.1). What was parsed can always be written; the parser has kept every limit.

extension StructuredFieldValue {
    /// Appends the item's text.
    package func append(to output: inout [UInt8]) {
        switch self {
        case .integer(let number): output.append(contentsOf: String(number).utf8)
        case .decimal(let thousandths): Self.append(thousandths, to: &output)
        case .string(let text):
            output.append(UInt8(ascii: "\""))
            for byte in text.utf8 {
                if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { output.append(UInt8(ascii: "\\")) }
                output.append(byte)
            }
            output.append(UInt8(ascii: "\""))
        case .token(let text): output.append(contentsOf: text.utf8)
        case .bytes(let bytes):
            output.append(UInt8(ascii: ":"))
            Base64Text.append(bytes, to: &output)
            output.append(UInt8(ascii: ":"))
        case .boolean(let value): output.append(contentsOf: value ? "?1".utf8 : "?0".utf8)
        }
    }

    private static func append(_ thousandths: Int64, to output: inout [UInt8]) {
        if thousandths < 0 { output.append(UInt8(ascii: "-")) }
        let magnitude = thousandths.magnitude
        output.append(contentsOf: String(magnitude / 1000).utf8)
        output.append(UInt8(ascii: "."))
        var digits = Array(String(magnitude % 1000 + 1000).utf8.dropFirst())
        while digits.count > 1, digits.last == UInt8(ascii: "0") { digits.removeLast() }
        output.append(contentsOf: digits)
    }
}

extension StructuredFieldParameters {
    package func append(to output: inout [UInt8]) {
        for parameter in all {
            output.append(UInt8(ascii: ";"))
            output.append(contentsOf: parameter.key.utf8)
            if parameter.value == .boolean(true) { continue }
            output.append(UInt8(ascii: "="))
            parameter.value.append(to: &output)
        }
    }
}

extension StructuredFieldItem {
    package func append(to output: inout [UInt8]) {
        value.append(to: &output)
        parameters.append(to: &output)
    }
}

extension StructuredFieldInnerList {
    package func append(to output: inout [UInt8]) {
        output.append(UInt8(ascii: "("))
        for (index, item) in items.enumerated() {
            if index > 0 { output.append(UInt8(ascii: " ")) }
            item.append(to: &output)
        }
        output.append(UInt8(ascii: ")"))
        parameters.append(to: &output)
    }
}

extension StructuredFieldMember {
    package func append(to output: inout [UInt8]) {
        switch self {
        case .item(let item): item.append(to: &output)
        case .innerList(let list): list.append(to: &output)
        }
    }

    /// Appends a list, members parted by a comma and a space.
    package static func append(list: [StructuredFieldMember], to output: inout [UInt8]) {
        for (index, member) in list.enumerated() {
            if index > 0 { output.append(contentsOf: ", ".utf8) }
            member.append(to: &output)
        }
    }
}

extension StructuredFieldDictionary {
    package func append(to output: inout [UInt8]) {
        for (index, entry) in entries.enumerated() {
            if index > 0 { output.append(contentsOf: ", ".utf8) }
            output.append(contentsOf: entry.key.utf8)
            if case .item(let item) = entry.member, item.value == .boolean(true) {
                item.parameters.append(to: &output)
            } else {
                output.append(UInt8(ascii: "="))
                entry.member.append(to: &output)
            }
        }
    }
}
