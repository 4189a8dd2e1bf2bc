import Glibc

/// A run of raw bytes inside a larger buffer. Text from a peer stays bytes until something must print it.
package typealias Bytes = ArraySlice<UInt8>

extension Bytes {
    /// Whether these bytes are exactly the ASCII `text`.
    package func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        return withUnsafeBufferPointer { own in
            for index in 0..<own.count where own[index] != text.utf8Start[index] { return false }
            return true
        }
    }

    /// Whether these bytes are exactly the UTF-8 of `text`.
    @_disfavoredOverload
    package func equals(_ text: String) -> Bool {
        guard count == text.utf8.count else { return false }
        let isSame = withUnsafeBufferPointer { own in
            text.utf8.withContiguousStorageIfAvailable { own.hasSameBytes(as: $0) }
        }
        return isSame ?? elementsEqual(text.utf8)
    }

    /// The bytes as text, invalid UTF-8 repaired with U+FFFD. For messages and logs, never for comparisons.
    package var text: String { String(decoding: self, as: UTF8.self) }

    /// What a message shows of bytes from a peer: the first 64, with `?` for all but printable ASCII and for the
    /// backtick that ends a quotation, and `…` where there are more.
    package var excerpt: String {
        let shown = prefix(Limits.excerptBytes).map { byte in
            (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "`") ? byte : UInt8(ascii: "?")
        }
        return String(decoding: shown, as: UTF8.self) + (count > Limits.excerptBytes ? "…" : "")
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Whether both hold the same bytes. Not for secrets: the time tells where they differ.
    package func hasSameBytes(as other: UnsafeBufferPointer<UInt8>) -> Bool {
        guard count == other.count else { return false }
        guard let left = baseAddress, let right = other.baseAddress else { return true }
        return memcmp(left, right, count) == 0
    }
}

extension Array where Element == UInt8 {
    /// Appends the ASCII `text`.
    package mutating func append(_ text: StaticString) {
        append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends `value` in decimal: the quick way for a small count.
    package mutating func append(count value: Int) {
        if value >= 0, value < 10 { return append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value)) }
        append(decimal: value)
    }

    /// Appends `value` in decimal.
    package mutating func append(decimal value: some BinaryInteger) {
        var magnitude = value.magnitude
        var digits: (count: Int, bytes: InlineArray<40, UInt8>) = (0, InlineArray(repeating: 0))
        repeat {
            digits.bytes[39 - digits.count] = UInt8(ascii: "0") + UInt8(magnitude % 10)
            digits.count += 1
            magnitude /= 10
        } while magnitude != 0
        if value < 0 { append(UInt8(ascii: "-")) }
        for index in (40 - digits.count)..<40 { append(digits.bytes[index]) }
    }

    /// Appends the low `digits` hexadecimal digits of `value`, lower case.
    package mutating func append(hexadecimal value: UInt64, digits: Int) {
        for position in stride(from: (digits - 1) * 4, through: 0, by: -4) {
            let nibble = UInt8(truncatingIfNeeded: value >> UInt64(position)) & 0xF
            append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
        }
    }
}
