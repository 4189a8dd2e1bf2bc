/// The one byte form of a JSON value, for hashing and signing.
///
/// - Source: RFC 8785, JSON Canonicalization Scheme
package enum CanonicalJSON {
    /// The canonical bytes: no white space, members sorted by UTF-16 code units, numbers as ECMAScript writes them.
    ///
    /// - Throws: `.duplicateKey` for a tree built by hand with a key twice, `.integerNotExact` for an integer that
    ///   would be written with other digits, as most above 2^53 would (RFC 8785 §3.2.2.3, RFC 7493 §2.2: such numbers
    ///   belong in strings).
    package static func bytes(of node: JSONNode) throws(JSONError) -> [UInt8] {
        var bytes: [UInt8] = []
        try JSONWriter.append(to: &bytes) { writer throws(JSONError) in try write(node, at: "", to: &writer) }
        return bytes
    }

    private static func write(_ node: JSONNode, at path: String, to writer: inout JSONWriter) throws(JSONError) {
        switch node {
        case .object(let members):
            let sorted = members.sorted { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }
            writer.beginObject()
            for (index, member) in sorted.enumerated() {
                let inside = path + "/" + pointerToken(member.key.utf8)
                if index > 0, sorted[index - 1].key.utf16.elementsEqual(member.key.utf16) {
                    throw .duplicateKey(path: inside)
                }
                writer.key(named: member.key)
                try write(member.value, at: inside, to: &writer)
            }
            writer.endObject()
        case .array(let elements):
            writer.beginArray()
            for (index, element) in elements.enumerated() {
                try write(element, at: path + "/\(index)", to: &writer)
            }
            writer.endArray()
        case .integer(let number):
            guard isKept(number) else { throw .integerNotExact(path: path) }
            writer.integer(number)
        case .unsigned(let number):
            guard isKept(number) else { throw .integerNotExact(path: path) }
            writer.integer(number)
        case .double(let number): writer.raw(Array(number.ecmaScriptDescription.utf8))
        case .string, .bool, .null: writer.node(node)
        }
    }

    private static func isKept(_ number: some BinaryInteger) -> Bool {
        number.magnitude <= 1 << 53 || Double(number).ecmaScriptDescription == String(number)
    }
}

extension Double {
    /// This finite number as ECMAScript's `Number::toString` writes it: the shortest digits that read back the same.
    ///
    /// - Source: RFC 8785 §3.2.2.3; https://tc39.es/ecma262/#sec-numeric-types-number-tostring
    package var ecmaScriptDescription: String {
        precondition(isFinite, "JSON has no infinity and no NaN")
        if self == 0 { return "0" }
        let (digits, point) = magnitude.shortestDigits
        let sign = self < 0 ? "-" : ""
        let text = String(decoding: digits, as: UTF8.self)
        switch point {
        case digits.count...21:
            return sign + text + String(repeating: "0", count: point - digits.count)
        case 1..<22:
            return sign + text.prefix(point) + "." + text.dropFirst(point)
        case -5...0:
            return sign + "0." + String(repeating: "0", count: -point) + text
        default:
            let exponent = point - 1
            let fraction = digits.count == 1 ? "" : "." + text.dropFirst()
            return sign + text.prefix(1) + fraction + "e" + (exponent < 0 ? "-" : "+") + String(exponent.magnitude)
        }
    }

    /// The significant digits of a positive number, and where its decimal point stands counted from the first of them:
    /// 0.5 is ("5", 0) and 120 is ("12", 3). The standard library's description has the shortest digits already.
    private var shortestDigits: (digits: [UInt8], point: Int) {
        var digits: [UInt8] = []
        var point: Int?
        var exponent = 0
        let text = Array(description.utf8)
        for (index, byte) in text.enumerated() {
            switch byte {
            case UInt8(ascii: "."): point = digits.count
            case UInt8(ascii: "e"):
                exponent = Int(String(decoding: text[(index + 1)...], as: UTF8.self)) ?? 0
            case UInt8(ascii: "0")...UInt8(ascii: "9") where !text[..<index].contains(UInt8(ascii: "e")):
                digits.append(byte)
            default: break
            }
        }
        var place = (point ?? digits.count) + exponent
        let leading = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(leading)
        place -= leading
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        return (digits, place)
    }
}
