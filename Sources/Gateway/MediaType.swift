import Domain

/// What a `Content-Type` says, as far as the gateway decides by it.
///
/// Source: RFC 9110 section 8.3.1
struct MediaType {
    /// `application/json`, in lower case.
    let name: [UInt8]
    /// Whether a `charset` says something else than UTF-8.
    let isForeignCharset: Bool

    /// The longest that is read.
    static let maximumBytes = 256

    /// Reads a field's value; nil when it is none.
    init?(_ text: Bytes) {
        guard text.count <= Self.maximumBytes else { return nil }
        let lower = text.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
        let parts = lower.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).map(Self.trimmed)
        let sides = parts[0].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard sides.count == 2, sides.allSatisfy({ !$0.isEmpty && $0.allSatisfy(Self.isToken) }) else { return nil }
        name = Array(parts[0])
        isForeignCharset = parts.dropFirst().contains { parameter in
            parameter.starts(with: "charset=".utf8)
                && !["utf-8", "\"utf-8\""].contains { parameter.dropFirst(8).elementsEqual($0.utf8) }
        }
    }

    /// `*/json` and `*/*+json`. Source: CloudEvents JSON format 1.0.2 section 3.1.1.
    var isJSON: Bool { name.ends(with: "/json") || name.ends(with: "+json") }

    /// Whether it begins as the media types of CloudEvents do.
    var isCloudEvents: Bool { name.starts(with: "application/cloudevents".utf8) }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        text.drop { $0 == 0x20 || $0 == 0x09 }.reversed().drop { $0 == 0x20 || $0 == 0x09 }.reversed()[...]
    }

    /// Source: RFC 9110 section 5.6.2.
    private static func isToken(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7F && !"\"(),/:;<=>?@[\\]{}".utf8.contains(byte)
    }
}

extension [UInt8] {
    fileprivate func ends(with text: String) -> Bool { suffix(text.utf8.count).elementsEqual(text.utf8) }
}
