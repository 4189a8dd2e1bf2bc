import Domain

/// Reads the typed values of conditions from UTF-8 without allocating. What cannot be read is `nil`.
enum TypedText {
    /// No number or date is longer.
    static let longestNumber = 64

    /// A decimal number: `-12`, `3.5`, `1e3`. No infinity, no hexadecimal.
    static func number(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
        guard text.count > 0, text.count <= longestNumber else { return nil }
        var index = 0
        let isNegative = text[0] == UInt8(ascii: "-")
        if isNegative || text[0] == UInt8(ascii: "+") { index = 1 }
        var mantissa: UInt64 = 0
        var digits = 0
        var scale = 0
        var isExact = true
        var seenPoint = false
        while index < text.count {
            let byte = text[index]
            if byte == UInt8(ascii: "."), !seenPoint {
                seenPoint = true
            } else if byte >= 0x30, byte <= 0x39 {
                digits += 1
                if mantissa < 900_000_000_000_000 {
                    mantissa = mantissa * 10 + UInt64(byte - 0x30)
                    scale -= seenPoint ? 1 : 0
                } else {
                    isExact = false
                }
            } else {
                break
            }
            index += 1
        }
        guard digits > 0, text[index - 1] != UInt8(ascii: ".") else { return nil }
        if index < text.count {
            guard text[index] | 0x20 == UInt8(ascii: "e"), let power = exponent(text, index + 1) else { return nil }
            scale += power
        }
        guard isExact, abs(scale) <= 22 else { return Double(String(decoding: text, as: UTF8.self)) }
        var power = 1.0
        for _ in 0..<abs(scale) { power *= 10 }
        let magnitude = scale < 0 ? Double(mantissa) / power : Double(mantissa) * power
        return isNegative ? -magnitude : magnitude
    }

    private static func exponent(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int? {
        var index = start
        guard index < text.count else { return nil }
        let isNegative = text[index] == UInt8(ascii: "-")
        if isNegative || text[index] == UInt8(ascii: "+") { index += 1 }
        guard index < text.count, text.count - index <= 3 else { return nil }
        var value = 0
        while index < text.count {
            guard text[index] >= 0x30, text[index] <= 0x39 else { return nil }
            value = value * 10 + Int(text[index] - 0x30)
            index += 1
        }
        return isNegative ? -value : value
    }

    /// `true` or `false` in any case.
    static func bool(_ text: UnsafeBufferPointer<UInt8>) -> Bool? {
        func equals(_ literal: StaticString) -> Bool {
            guard text.count == literal.utf8CodeUnitCount else { return false }
            for index in 0..<text.count where text[index] | 0x20 != literal.utf8Start[index] { return false }
            return true
        }
        return equals("true") ? true : equals("false") ? false : nil
    }

    /// Milliseconds since 1970 of an ISO 8601 date (`2026`, `2026-11`, `2026-11-21`, `2026-11-21T06:00Z`,
    /// `…T06:00:00.5+01:00`) or of epoch seconds. Four digits alone are a year.
    ///
    /// Source: www.w3.org/TR/NOTE-datetime
    static func date(_ text: UnsafeBufferPointer<UInt8>) -> Int64? {
        guard text.count >= 1, text.count <= longestNumber else { return nil }
        if text.count != 4, isEpoch(text) {
            guard let seconds = number(text), abs(seconds) < 1e14 else { return nil }
            return Int64((seconds * 1000).rounded())
        }
        var cursor = DateCursor(text: text)
        var calendar = Timestamp.Calendar(year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0)
        guard let year = cursor.digits(4) else { return nil }
        calendar.year = year
        if cursor.skip("-") {
            guard let month = cursor.digits(2) else { return nil }
            calendar.month = month
            if cursor.skip("-") {
                guard let day = cursor.digits(2) else { return nil }
                calendar.day = day
            }
        }
        var offsetMilliseconds: Int64 = 0
        var fraction: Int64 = 0
        if cursor.skip("T") {
            guard text.count > 10, let time = cursor.time() else { return nil }
            (calendar.hour, calendar.minute, calendar.second) = (time.hour, time.minute, time.second)
            (fraction, offsetMilliseconds) = (time.milliseconds, time.offset)
        }
        guard cursor.isAtEnd, let moment = Timestamp(calendar: calendar) else { return nil }
        return moment.milliseconds + fraction - offsetMilliseconds
    }

    private static func isEpoch(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let start = text[0] == UInt8(ascii: "-") ? 1 : 0
        return text.count > start
            && text[start...].allSatisfy { ($0 >= 0x30 && $0 <= 0x39) || $0 == UInt8(ascii: ".") }
    }

    /// The bytes of standard base64 with its padding (RFC 4648 section 4), or `nil`.
    static func base64(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        for start in stride(from: 0, to: text.count, by: 4) {
            guard let triple = base64Triple(text, start) else { return nil }
            bytes.append(contentsOf: [triple.0, triple.1, triple.2].prefix(triple.count))
        }
        return bytes
    }

    /// Whether `text` is valid base64 of exactly `wanted`; `nil` when it is no base64.
    static func base64(_ text: UnsafeBufferPointer<UInt8>, equals wanted: UnsafeBufferPointer<UInt8>) -> Bool? {
        guard text.count % 4 == 0 else { return nil }
        var count = 0
        var isEqual = true
        for start in stride(from: 0, to: text.count, by: 4) {
            guard let triple = base64Triple(text, start) else { return nil }
            for place in 0..<triple.count {
                let byte = place == 0 ? triple.0 : place == 1 ? triple.1 : triple.2
                isEqual = isEqual && count < wanted.count && wanted[count] == byte
                count += 1
            }
        }
        return isEqual && count == wanted.count
    }

    private static func base64Triple(
        _ text: UnsafeBufferPointer<UInt8>, _ start: Int
    ) -> (UInt8, UInt8, UInt8, count: Int)? {
        var word: UInt32 = 0
        var padding = 0
        for place in 0..<4 {
            let byte = text[start + place]
            let value: UInt32
            switch byte {
            case 0x41...0x5A: value = UInt32(byte) - 0x41
            case 0x61...0x7A: value = UInt32(byte) - 0x61 + 26
            case 0x30...0x39: value = UInt32(byte) - 0x30 + 52
            case UInt8(ascii: "+"): value = 62
            case UInt8(ascii: "/"): value = 63
            case UInt8(ascii: "=") where start + 4 == text.count && place >= 2:
                padding += 1
                value = 0
            default: return nil
            }
            if padding > 0, byte != UInt8(ascii: "=") { return nil }
            word = word << 6 | value
        }
        return (UInt8(word >> 16), UInt8(word >> 8 & 0xFF), UInt8(word & 0xFF), count: 3 - padding)
    }
}

/// Reads the parts of an ISO 8601 date in order.
private struct DateCursor {
    let text: UnsafeBufferPointer<UInt8>
    var index = 0

    var isAtEnd: Bool { index == text.count }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard index < text.count, text[index] == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    mutating func digits(_ count: Int) -> Int? {
        guard index + count <= text.count else { return nil }
        var value = 0
        for _ in 0..<count {
            guard text[index] >= 0x30, text[index] <= 0x39 else { return nil }
            value = value * 10 + Int(text[index] - 0x30)
            index += 1
        }
        return value
    }

    /// `hh:mm`, `:ss` and a fraction if present, then `Z` or an offset, which must be there.
    mutating func time() -> (hour: Int, minute: Int, second: Int, milliseconds: Int64, offset: Int64)? {
        guard let hour = digits(2), skip(":"), let minute = digits(2) else { return nil }
        var second = 0
        var milliseconds: Int64 = 0
        if skip(":") {
            guard let read = digits(2) else { return nil }
            second = read
            if skip(".") {
                var weight: Int64 = 100
                var seen = false
                while let digit = digits(1) {
                    milliseconds += Int64(digit) * weight
                    weight /= 10
                    seen = true
                }
                guard seen else { return nil }
            }
        }
        if skip("Z") { return (hour, minute, second, milliseconds, 0) }
        let isEast = skip("+")
        guard isEast || skip("-"), let hours = digits(2), skip(":"), let minutes = digits(2), hours < 24, minutes < 60
        else { return nil }
        let offset = Int64(hours * 60 + minutes) * 60_000
        return (hour, minute, second, milliseconds, isEast ? offset : -offset)
    }
}
