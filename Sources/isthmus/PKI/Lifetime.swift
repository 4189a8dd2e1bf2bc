import ArgumentParser

/// A span of time as an operator writes it: `90s`, `30m`, `24h`, `90d`.
struct Lifetime: ExpressibleByArgument, Equatable, Sendable {
    let seconds: Int64

    /// A hundred years: past it somebody mistyped.
    static let maximumSeconds: Int64 = 36_525 * 86_400

    init(seconds: Int64) { self.seconds = seconds }

    init?(argument: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let last = argument.last, let unit = units[last] else { return nil }
        let digits = argument.dropLast()
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let count = Int64(digits) else {
            return nil
        }
        let (seconds, isTooMuch) = count.multipliedReportingOverflow(by: unit)
        guard !isTooMuch, (1...Self.maximumSeconds).contains(seconds) else { return nil }
        self.seconds = seconds
    }

    var defaultValueDescription: String {
        for (unit, size) in [("d", Int64(86_400)), ("h", 3600), ("m", 60)] where seconds.isMultiple(of: size) {
            return "\(seconds / size)\(unit)"
        }
        return "\(seconds)s"
    }
}
