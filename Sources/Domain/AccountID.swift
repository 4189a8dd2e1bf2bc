/// An AWS account id: exactly 12 decimal digits.
///
/// Source: docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html
package struct AccountID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 0 … 999 999 999 999.
    package let value: UInt64

    /// Reads exactly 12 ASCII digits; anything else is `nil`.
    package init?(parsing text: some Collection<UInt8>) {
        guard let value = Self.value(of: text) else { return nil }
        self.value = value
    }

    /// The same for a part of a request, compiled for it: another module's call of a generic one is ten times slower.
    package init?(parsing text: Bytes) {
        guard let value = Self.value(of: text) else { return nil }
        self.value = value
    }

    @inline(__always)
    private static func value(of text: some Collection<UInt8>) -> UInt64? {
        guard text.count == 12 else { return nil }
        var sum: UInt64 = 0
        for byte in text {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            sum = sum * 10 + UInt64(byte - UInt8(ascii: "0"))
        }
        return sum
    }

    package init?(parsing text: String) { self.init(parsing: Array(text.utf8)) }

    /// `value` must be below 10^12.
    package init(unchecked value: UInt64) {
        precondition(value < 1_000_000_000_000)
        self.value = value
    }

    /// Appends the 12 digits.
    package func append(to buffer: inout [UInt8]) {
        var divisor: UInt64 = 100_000_000_000
        while divisor > 0 {
            buffer.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }

    package var description: String {
        var buffer: [UInt8] = []
        append(to: &buffer)
        return String(decoding: buffer, as: UTF8.self)
    }

    package static func < (left: AccountID, right: AccountID) -> Bool { left.value < right.value }
}
