/// A moment on the wall clock: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Source: RFC 3339 for the text form.
package struct Timestamp: Hashable, Comparable, Sendable {
    package var milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }
    package init(seconds: Int64) { milliseconds = seconds * 1000 }

    /// Whole seconds, rounded toward the past.
    package var seconds: Int64 { milliseconds.quotientFloor(1000) }

    package static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }

    package func advanced(bySeconds seconds: Int64) -> Timestamp {
        Timestamp(milliseconds: milliseconds + seconds * 1000)
    }

    /// Year, month 1…12, day 1…31, hour, minute, second, in UTC.
    package struct Calendar: Equatable, Sendable {
        package var year: Int
        package var month: Int
        package var day: Int
        package var hour: Int
        package var minute: Int
        package var second: Int

        package init(year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int) {
            self.year = year
            self.month = month
            self.day = day
            self.hour = hour
            self.minute = minute
            self.second = second
        }
    }

    /// The civil date in UTC. Source: Howard Hinnant, "chrono-compatible low-level date algorithms".
    package var calendar: Calendar {
        let days = seconds.quotientFloor(86_400)
        let rest = Int(seconds - days * 86_400)
        let shifted = days + 719_468
        let era = shifted.quotientFloor(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let day = Int(dayOfYear - (153 * monthIndex + 2) / 5 + 1)
        let month = Int(monthIndex < 10 ? monthIndex + 3 : monthIndex - 9)
        let year = Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0)
        return Calendar(
            year: year, month: month, day: day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60)
    }

    /// The moment of a civil date in UTC, or `nil` where a field is out of its range (31 February, hour 24).
    package init?(calendar: Calendar) {
        guard (1...9999).contains(calendar.year), (1...12).contains(calendar.month),
            (1...31).contains(calendar.day), (0...23).contains(calendar.hour), (0...59).contains(calendar.minute),
            (0...59).contains(calendar.second)
        else { return nil }
        let year = Int64(calendar.month <= 2 ? calendar.year - 1 : calendar.year)
        let era = year.quotientFloor(400)
        let yearOfEra = year - era * 400
        let monthIndex = Int64(calendar.month > 2 ? calendar.month - 3 : calendar.month + 9)
        let dayOfYear = (153 * monthIndex + 2) / 5 + Int64(calendar.day) - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        let days = era * 146_097 + dayOfEra - 719_468
        let rest = Int64(calendar.hour * 3600 + calendar.minute * 60 + calendar.second)
        self.init(seconds: days * 86_400 + rest)
        guard self.calendar == calendar else { return nil }
    }

    /// Appends `2026-11-21T06:00:00Z`, with `.123` before the `Z` when the moment is not a whole second.
    package func appendISO8601(to buffer: inout [UInt8]) {
        let date = calendar
        func two(_ value: Int) {
            buffer.append(UInt8(ascii: "0") + UInt8(value / 10 % 10))
            buffer.append(UInt8(ascii: "0") + UInt8(value % 10))
        }
        two(date.year / 100)
        two(date.year % 100)
        for (separator, value) in [("-", date.month), ("-", date.day), ("T", date.hour), (":", date.minute)] {
            buffer.append(contentsOf: separator.utf8)
            two(value)
        }
        buffer.append(UInt8(ascii: ":"))
        two(date.second)
        let fraction = Int(milliseconds - seconds * 1000)
        if fraction != 0 {
            buffer.append(UInt8(ascii: "."))
            buffer.append(UInt8(ascii: "0") + UInt8(fraction / 100))
            two(fraction % 100)
        }
        buffer.append(UInt8(ascii: "Z"))
    }

    /// Reads `2026-11-21T06:00:00Z`: whole seconds in UTC, as `iso8601` writes them; any other spelling is `nil`.
    package init?(iso8601 text: String) {
        let parts = text.split { !$0.isASCII || !$0.isNumber }.map { Int($0) ?? 0 }
        guard text.utf8.count == 20, parts.count == 6 else { return nil }
        self.init(
            calendar: Calendar(
                year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4], second: parts[5]))
        guard iso8601 == text else { return nil }
    }

    /// `2026-11-21T06:00:00Z`.
    package var iso8601: String {
        var buffer: [UInt8] = []
        appendISO8601(to: &buffer)
        return String(decoding: buffer, as: UTF8.self)
    }
}

extension Int64 {
    fileprivate func quotientFloor(_ divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}

/// Where the time comes from: a parameter everywhere, so that a test can hold it.
package struct WallClock: Sendable {
    private let read: @Sendable () -> Timestamp

    package init(_ read: @escaping @Sendable () -> Timestamp) { self.read = read }

    /// The present moment.
    package func now() -> Timestamp { read() }
}
