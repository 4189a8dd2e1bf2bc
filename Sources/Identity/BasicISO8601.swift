package import Domain

extension Timestamp {
    /// Reads `20150830T123600Z`, exactly 16 bytes and a real date; anything else is nil.
    package init?(basicISO8601 text: UnsafeBufferPointer<UInt8>) {
        guard text.count == 16 else { return nil }
        var numbers = (0, 0, 0, 0, 0, 0)
        for index in 0..<16 {
            let byte = text[index]
            switch index {
            case 8:
                guard byte == UInt8(ascii: "T") else { return nil }
                continue
            case 15:
                guard byte == UInt8(ascii: "Z") else { return nil }
                continue
            default: break
            }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let digit = Int(byte - UInt8(ascii: "0"))
            switch index {
            case 0..<4: numbers.0 = numbers.0 * 10 + digit
            case 4..<6: numbers.1 = numbers.1 * 10 + digit
            case 6..<8: numbers.2 = numbers.2 * 10 + digit
            case 9..<11: numbers.3 = numbers.3 * 10 + digit
            case 11..<13: numbers.4 = numbers.4 * 10 + digit
            default: numbers.5 = numbers.5 * 10 + digit
            }
        }
        self.init(
            calendar: Calendar(
                year: numbers.0, month: numbers.1, day: numbers.2, hour: numbers.3, minute: numbers.4,
                second: numbers.5))
    }

    /// `20150830T123600Z`, the milliseconds dropped: for messages.
    package var basicISO8601: String {
        var text: [UInt8] = []
        appendISO8601(to: &text)
        let digits = text.prefix { $0 != UInt8(ascii: ".") }.filter {
            $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":")
        }
        return String(decoding: digits.last == UInt8(ascii: "Z") ? digits : digits + "Z".utf8, as: UTF8.self)
    }
}
