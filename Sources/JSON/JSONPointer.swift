/// A place inside a JSON document: `/data/object/id`.
///
/// - Source: RFC 6901
package struct JSONPointer: Hashable, Sendable, CustomStringConvertible {
    /// The text as given.
    package let description: String
    private let tokens: [[UInt8]]

    /// The longest pointer.
    package static let maximumBytes = 512

    /// Reads a pointer: empty, or `/` before each of its steps, in which `~` stands before `0` or `1` only.
    package init?(parsing text: String) {
        guard text.utf8.count <= Self.maximumBytes, text.isEmpty || text.hasPrefix("/") else { return nil }
        var tokens: [[UInt8]] = []
        for part in text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).dropFirst() {
            guard let token = Self.unescaped(part) else { return nil }
            tokens.append(token)
        }
        self.tokens = tokens
        description = text
    }

    private static func unescaped(_ part: some Collection<UInt8>) -> [UInt8]? {
        var token: [UInt8] = []
        var isEscaped = false
        for byte in part {
            switch (isEscaped, byte) {
            case (true, UInt8(ascii: "0")): token.append(UInt8(ascii: "~"))
            case (true, UInt8(ascii: "1")): token.append(UInt8(ascii: "/"))
            case (true, _): return nil
            case (false, UInt8(ascii: "~")):
                isEscaped = true
                continue
            case (false, _): token.append(byte)
            }
            isEscaped = false
        }
        return isEscaped ? nil : token
    }

    /// The value at the place, nil when there is none. Where a key stands twice there is none: two readers could
    /// differ.
    package func value(in root: JSONValue) -> JSONValue? {
        var value = root
        for token in tokens {
            guard let next = Self.step(value, token) else { return nil }
            value = next
        }
        return value
    }

    private static func step(_ value: JSONValue, _ token: [UInt8]) -> JSONValue? {
        if let object = value.object {
            var found: JSONValue?
            for member in object where member.key.elementsEqual(token) {
                guard found == nil else { return nil }
                found = member.value
            }
            return found
        }
        guard let array = value.array, let wanted = index(token) else { return nil }
        for (index, element) in array.enumerated() where index == wanted { return element }
        return nil
    }

    /// Digits without a leading zero.
    private static func index(_ token: [UInt8]) -> Int? {
        guard (1...9).contains(token.count), token == [0x30] || token[0] != 0x30,
            token.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return token.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
}
