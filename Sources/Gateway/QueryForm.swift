import Cryptography
import Domain

/// The parameters of a call in the AWS query protocol: a form of names and values, read strictly.
///
/// Source: awslabs smithy `awsQuery`; url.spec.whatwg.org, application/x-www-form-urlencoded parsing
struct QueryForm {
    /// The longest form: a session policy and 50 tags of the greatest length, percent-encoded, and room.
    static let maximumBytes = 128 * 1024
    /// The most parameters: 50 tags with key and value, as many transitive keys, and the others.
    static let maximumParameters = 256

    private var values: [String: String] = [:]
    private(set) var names: [String] = []

    /// Reads `Action=…&Version=…&…`; a name that stands twice, bytes that are not UTF-8 and half an escape are errors.
    init(parsing form: [UInt8]) throws(Fault) {
        guard form.count <= Self.maximumBytes else {
            throw Fault(.validation, "the form of an STS call has at most \(Self.maximumBytes) bytes")
        }
        for pair in form.split(separator: UInt8(ascii: "&")) {
            guard names.count < Self.maximumParameters else {
                throw Fault(.validation, "the form has more than \(Self.maximumParameters) parameters")
            }
            let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            guard let name = Self.decode(pair[..<end]), let value = Self.decode(pair[end...].dropFirst()) else {
                throw Fault(.validation, "a parameter of the form is not percent-encoded UTF-8")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw Fault(.validation, "the form names `\(name.prefix(64))` twice")
            }
            names.append(name)
        }
    }

    /// A parameter; an empty one is as if it were absent.
    subscript(name: String) -> String? { values[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// Whether the form names it, empty or not.
    func has(_ name: String) -> Bool { values[name] != nil }

    /// A parameter that may be empty; `nil` only when it is absent.
    func text(_ name: String) -> String? { values[name] }

    private static func decode(_ text: Bytes) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var rest = text
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(Hexadecimal.value),
                    let low = rest.popFirst().flatMap(Hexadecimal.value)
                else {
                    return nil
                }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
