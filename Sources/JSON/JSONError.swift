/// Why bytes are not a document this gateway reads. Each case is the sender's fault unless it says otherwise.
package enum JSONError: Error, Equatable, Sendable {
    /// The document has more bytes than the parser was made for; `limit` is that many.
    case tooLarge(bytes: Int, limit: Int)
    /// Arrays and objects nest deeper than `limit`.
    case tooDeep(limit: Int)
    /// The bytes are not JSON (RFC 8259).
    case invalid(InvalidReason)
    /// An integer that fits neither a signed nor an unsigned 64-bit number; it is refused rather than rounded.
    case integerOutOfRange
    /// An object names one key twice; `path` is the JSON pointer (RFC 6901) of the second.
    case duplicateKey(path: String)
    /// The canonical form (RFC 8785) writes numbers as doubles: `path` names an integer whose digits would change.
    case integerNotExact(path: String)
    /// This machine has no memory for the document; the same bytes may be sent again.
    case outOfMemory

    /// The first thing that is wrong with the bytes; the raw values are stable and fit for metrics and logs.
    package enum InvalidReason: String, Sendable, CaseIterable {
        case empty
        case byteOrderMark = "byte order mark"
        case notUTF8 = "not UTF-8"
        case string = "malformed string"
        case number = "malformed number"
        case literal = "malformed literal"
        case structure = "malformed structure"
    }
}

extension JSONError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLarge(let bytes, let limit): "the JSON document has \(bytes) bytes, \(limit) are allowed"
        case .tooDeep(let limit): "the JSON document is nested deeper than \(limit) levels"
        case .invalid(.empty): "the JSON document is empty"
        case .invalid(let reason): "the document is not JSON: \(reason.rawValue)"
        case .integerOutOfRange: "the JSON document holds an integer beyond 64 bits; send it as a string"
        case .duplicateKey(let path): "the key at `\(path)` appears twice in its object; keep one"
        case .integerNotExact(let path): "the integer at `\(path)` does not fit a double; send it as a string"
        case .outOfMemory: "no memory for the JSON document; try again later"
        }
    }
}
