import Cryptography
import Domain

/// The value of a `ce-` header field.
enum CloudEventField {
    /// Takes the double quotes away, then one round of percent-encoding. Source: HTTP binding, section 3.1.3.2.
    static func decode(_ field: Bytes, name: Bytes) throws(CloudEventRefusal) -> [UInt8] {
        func refusal(_ reason: String) -> CloudEventRefusal { CloudEventRefusal(name.prefix(64).text, reason) }
        guard let text = unquoted(field) else { throw refusal("its quotes do not match") }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            guard (0x20..<0x7F).contains(text[index]) else { throw refusal("other characters are percent-encoded") }
            if text[index] == UInt8(ascii: "%") {
                guard index + 2 < text.count, let high = Hexadecimal.value(text[index + 1]),
                    let low = Hexadecimal.value(text[index + 2])
                else { throw refusal("`%` stands before two hexadecimal digits") }
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(text[index])
                index += 1
            }
        }
        guard String(validating: decoded, as: UTF8.self) != nil else { throw refusal("it is not UTF-8") }
        return decoded
    }

    /// Source: RFC 9110 section 5.6.4.
    private static func unquoted(_ field: Bytes) -> [UInt8]? {
        guard field.first == UInt8(ascii: "\"") else { return Array(field) }
        var text: [UInt8] = []
        var rest = field.dropFirst()
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return rest.isEmpty ? text : nil }
            guard byte == UInt8(ascii: "\\") else {
                text.append(byte)
                continue
            }
            guard let escaped = rest.popFirst() else { return nil }
            text.append(escaped)
        }
        return nil
    }
}
