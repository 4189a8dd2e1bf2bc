extension Timestamp {
    /// Reads `2018-04-05T17:31:00Z`, with a fraction of 1 … 9 digits (cut to milliseconds) or an offset such as
    /// `+02:00`; `t`, `z` and a space between date and time are taken as the standard says. A leap second is the second
    /// after it.
    ///
    /// - Returns: nil for anything else, and for a moment outside the years 1 … 9999 in UTC.
    /// - Source: RFC 3339 § 5.6
    package init?(rfc3339 text: some Collection<UInt8>) {
        var reader = RFC3339Reader(text)
        guard let year = reader.number(4), reader.skip("-"), let month = reader.number(2), reader.skip("-"),
            let day = reader.number(2), reader.skip("Tt "), let hour = reader.number(2), reader.skip(":"),
            let minute = reader.number(2), reader.skip(":"), let second = reader.number(2), second <= 60,
            let fraction = reader.fraction(), let offset = reader.offset(), reader.isAtEnd,
            let whole = Timestamp(
                calendar: .init(
                    year: year, month: month, day: day, hour: hour, minute: minute, second: min(second, 59)))
        else { return nil }
        let moment = whole.advanced(bySeconds: Int64(second / 60 - offset * 60))
        guard (1...9999).contains(moment.calendar.year) else { return nil }
        milliseconds = moment.milliseconds + Int64(fraction)
    }
}

/// Takes a text from its front.
private struct RFC3339Reader {
    private let text: [UInt8]
    private var place = 0

    init(_ text: some Collection<UInt8>) { self.text = Array(text.prefix(64)) }

    var isAtEnd: Bool { place == text.count }

    mutating func skip(_ any: StaticString) -> Bool {
        guard place < text.count else { return false }
        for index in 0..<any.utf8CodeUnitCount where any.utf8Start[index] == text[place] {
            place += 1
            return true
        }
        return false
    }

    /// Exactly `digits` of them.
    mutating func number(_ digits: Int) -> Int? {
        guard place + digits <= text.count else { return nil }
        var value = 0
        for _ in 0..<digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(text[place]) else { return nil }
            value = value * 10 + Int(text[place] - UInt8(ascii: "0"))
            place += 1
        }
        return value
    }

    /// Milliseconds; none is zero.
    mutating func fraction() -> Int? {
        guard skip(".") else { return 0 }
        var milliseconds = 0
        var digits = 0
        while let digit = number(1) {
            if digits < 3 { milliseconds = milliseconds * 10 + digit }
            digits += 1
        }
        guard (1...9).contains(digits) else { return nil }
        for _ in digits..<max(3, digits) { milliseconds *= 10 }
        return milliseconds
    }

    /// Minutes east of UTC.
    mutating func offset() -> Int? {
        if skip("Zz") { return 0 }
        let isWest = place < text.count && text[place] == UInt8(ascii: "-")
        guard skip("+-"), let hours = number(2), hours < 24, skip(":"), let minutes = number(2), minutes < 60 else {
            return nil
        }
        return (isWest ? -1 : 1) * (hours * 60 + minutes)
    }
}
