/// 128 bits shown as a UUID: request ids, decision ids, event ids.
///
/// Source: RFC 9562.
package struct UniqueID: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A version 4 UUID out of 128 random bits.
    package init(random high: UInt64, _ low: UInt64) {
        self.high = high & ~0xF000 | 0x4000
        self.low = low & ~(0b11 << 62) | (0b10 << 62)
    }

    /// Reads `8-4-4-4-12` hexadecimal digits of either case.
    package init?(parsing text: some Collection<UInt8>) {
        guard text.count == 36 else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for (index, byte) in text.enumerated() {
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let nibble: UInt8
            switch byte {
            case 0x30...0x39: nibble = byte - 0x30
            case 0x61...0x66: nibble = byte - 0x61 + 10
            case 0x41...0x46: nibble = byte - 0x41 + 10
            default: return nil
            }
            if digits < 16 { words.0 = words.0 << 4 | UInt64(nibble) } else { words.1 = words.1 << 4 | UInt64(nibble) }
            digits += 1
        }
        high = words.0
        low = words.1
    }

    /// Characters of the text: 36.
    package static let textBytes = 36

    /// Appends the 36 characters, lower case.
    package func append(to buffer: inout [UInt8]) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.textBytes) { text in
            write(to: text)
            buffer.append(contentsOf: text)
        }
    }

    /// Writes the 36 characters, lower case, to the start of `text`, which has room for them.
    package func write(to text: UnsafeMutableBufferPointer<UInt8>) {
        precondition(text.count >= Self.textBytes)
        let digits = Self.digits.utf8Start
        var place = 0
        for position in 0..<16 {
            if position == 4 || position == 6 || position == 8 || position == 10 {
                text[place] = UInt8(ascii: "-")
                place += 1
            }
            let word = position < 8 ? high : low
            let byte = UInt8(truncatingIfNeeded: word >> UInt64(56 - position % 8 * 8))
            text[place] = digits[Int(byte >> 4)]
            text[place + 1] = digits[Int(byte & 0xF)]
            place += 2
        }
    }

    private static let digits: StaticString = "0123456789abcdef"

    package var description: String {
        var buffer: [UInt8] = []
        buffer.reserveCapacity(36)
        append(to: &buffer)
        return String(decoding: buffer, as: UTF8.self)
    }
}
