/// The shape that the distinguished encoding rules give a value: definite lengths in the fewest bytes, strings whole,
/// and nothing left over. OpenSSL reads the wider basic rules, under which one list of names has many encodings.
///
/// - Source: X.690 §§ 8.1, 10.1, 10.2
enum DistinguishedEncoding {
    /// How many constructed values may stand inside each other, more than any kind of name needs.
    static let depthLimit = 16

    private static let sequence: UInt8 = 0x30
    private static let constructed: UInt8 = 0x20
    /// The tags of the nine kinds of name, the constructed ones with their bit (RFC 5280 § 4.2.1.6).
    private static let nameTags: Set<UInt8> = [0xa0, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88]
    /// The universal types that are always constructed: EXTERNAL, EMBEDDED PDV, SEQUENCE, SET, CHARACTER STRING.
    private static let constructedTypes: Set<UInt8> = [8, 11, 16, 17, 29]

    /// Whether `bytes` are the `GeneralNames` of one subject alternative name extension in this shape. What the names
    /// say is not looked at.
    static func isGeneralNames(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let list = value(in: bytes, at: 0, before: bytes.count), list.tag == sequence,
            list.content.upperBound == bytes.count
        else { return false }
        return areValues(bytes, list.content, depth: 1) { nameTags.contains($0) }
    }

    /// Whether `range` holds whole values of tags that `isAllowed` takes, the `depth`th inside each other.
    private static func areValues(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, depth: Int, isAllowed: (UInt8) -> Bool
    ) -> Bool {
        guard depth <= depthLimit else { return false }
        var position = range.lowerBound
        while position < range.upperBound {
            guard let value = value(in: bytes, at: position, before: range.upperBound), isAllowed(value.tag) else {
                return false
            }
            if value.tag & constructed != 0 {
                guard areValues(bytes, value.content, depth: depth + 1, isAllowed: isWhole) else { return false }
            }
            position = value.content.upperBound
        }
        return true
    }

    /// Whether a value of this tag is constructed exactly when its type is; only universal tags tell their type.
    private static func isWhole(_ tag: UInt8) -> Bool {
        guard tag & 0xc0 == 0 else { return true }
        return constructedTypes.contains(tag & 0x1f) == (tag & constructed != 0)
    }

    /// The value at `start`; nil when it does not end before `end` or its tag has more bytes than one.
    private static func value(
        in bytes: UnsafeBufferPointer<UInt8>, at start: Int, before end: Int
    ) -> (tag: UInt8, content: Range<Int>)? {
        guard end - start >= 2 else { return nil }
        let tag = bytes[start]
        guard tag != 0, tag & 0x1f != 0x1f else { return nil }
        var position = start + 2
        var count = Int(bytes[start + 1])
        if count >= 0x80 {
            // 0x80 is the indefinite form; three bytes hold every length under `Certificate.derBytesLimit`.
            let lengthBytes = count & 0x7f
            guard (1...3).contains(lengthBytes), end - position >= lengthBytes, bytes[position] != 0 else { return nil }
            count = 0
            for _ in 0..<lengthBytes {
                count = count << 8 | Int(bytes[position])
                position += 1
            }
            guard count >= 0x80 else { return nil }
        }
        guard count <= end - position else { return nil }
        return (tag, position..<(position + count))
    }
}
