package import Domain
import JSON
import Synchronization

/// Writes one JSON object a line for a lifecycle event or a refusal: never a body, a signature or a key.
///
/// Lines of one event are limited to `linesPerSecond`; what is left out is counted and said with the next line let
/// through, so that a flood of refusals fills neither disk nor terminal. A line that finds no place counts as left out.
package final class Logger: Sendable {
    package enum Level: String, Comparable, Sendable, CaseIterable {
        case debug, info, warning, error

        package static func < (left: Level, right: Level) -> Bool { left.order < right.order }

        private var order: Int {
            switch self {
            case .debug: 0
            case .info: 1
            case .warning: 2
            case .error: 3
            }
        }
    }

    /// What a field can hold.
    package enum Value: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
        case text(String)
        case integer(Int64)
        case bytes(Bytes)

        package init(stringLiteral value: String) { self = .text(value) }
        package init(integerLiteral value: Int64) { self = .integer(value) }
    }

    /// The most lines of one event within a second.
    package static let linesPerSecond = 100
    /// The most bytes of a field; the rest is cut and marked `…`.
    package static let fieldBytes = 1024

    private struct Window {
        var second: Int64
        var lines: Int
        var dropped: Int
    }

    private let level: Level
    private let clock: WallClock
    private let metrics: Metrics
    private let offer: @Sendable ([UInt8]) -> Bool
    private let windows = Mutex<[String: Window]>([:])

    /// `offer` receives whole lines with their newline, says whether it took the line, and must not block.
    package init(level: Level, clock: WallClock, metrics: Metrics, offer: @escaping @Sendable ([UInt8]) -> Bool) {
        self.level = level
        self.clock = clock
        self.metrics = metrics
        self.offer = offer
    }

    /// `sink` receives whole lines with their newline and takes each.
    package convenience init(
        level: Level, clock: WallClock, metrics: Metrics, sink: @escaping @Sendable ([UInt8]) -> Void
    ) {
        self.init(
            level: level, clock: clock, metrics: metrics,
            offer: { line in
                sink(line)
                return true
            })
    }

    /// Writes one line. `event` is a constant name (`handshake-refused`); the fields carry the data.
    package func log(_ level: Level, _ event: StaticString, _ fields: [(StaticString, Value)] = []) {
        guard level >= self.level else { return }
        let now = clock.now()
        guard let dropped = admit("\(event)", at: now.seconds) else {
            metrics.add(to: .logLinesDropped)
            return
        }
        var time: [UInt8] = []
        now.appendISO8601(to: &time)
        var line: [UInt8] = []
        JSONWriter.append(to: &line) { writer in
            writer.object { writer in
                writer.key("time")
                writer.string(utf8: time)
                writer.member("level", level.rawValue)
                writer.member("event", "\(event)")
                for (key, value) in fields {
                    writer.key(key)
                    Self.write(value, to: &writer)
                }
                if dropped > 0 { writer.member("linesLeftOut", dropped) }
            }
        }
        line.append(UInt8(ascii: "\n"))
        if !offer(line) { leaveOut("\(event)", 1 + dropped) }
    }

    /// A line that was let through found no place: it counts as left out, with those it was to speak of.
    private func leaveOut(_ event: String, _ lines: Int) {
        metrics.add(to: .logLinesDropped)
        windows.withLock { $0[event]?.dropped += lines }
    }

    /// How many lines were left out before this one, or `nil` when this one is left out as well.
    private func admit(_ event: String, at second: Int64) -> Int? {
        windows.withLock { table in
            var window = table[event] ?? Window(second: second, lines: 0, dropped: 0)
            if window.second != second {
                window.second = second
                window.lines = 0
            }
            defer { table[event] = window }
            guard window.lines < Self.linesPerSecond else {
                window.dropped += 1
                return nil
            }
            window.lines += 1
            defer { window.dropped = 0 }
            return window.dropped
        }
    }

    private static func write(_ value: Value, to writer: inout JSONWriter) {
        switch value {
        case .integer(let number): writer.integer(number)
        case .text(let text): writer.string(visible(Array(text.utf8)[...]))
        case .bytes(let bytes): writer.string(visible(bytes))
        }
    }

    /// Text on one line that shows what it holds: control, bidirectional and invalid characters become escapes.
    private static func visible(_ bytes: Bytes) -> String {
        var text = ""
        for scalar in String(decoding: bytes.prefix(fieldBytes), as: UTF8.self).unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
                text += "\\u{" + String(scalar.value, radix: 16) + "}"
            default: text.unicodeScalars.append(scalar)
            }
        }
        return bytes.count > fieldBytes ? text + "…" : text
    }
}
