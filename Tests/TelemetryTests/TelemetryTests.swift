import Domain
import Synchronization
import Telemetry
import Testing

@Suite struct TelemetryTests {
    private final class Lines: Sendable {
        let kept = Mutex<[String]>([])
        var all: [String] { kept.withLock { $0 } }
    }

    private func text(_ metrics: Metrics) -> String {
        var bytes: [UInt8] = []
        metrics.appendOpenMetrics(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("counters, gauges and senders appear in the OpenMetrics text, which ends with its mark")
    func openMetrics() {
        let metrics = Metrics()
        metrics.add(3, to: .entriesAccepted)
        metrics.set(.connections, to: 7)
        metrics.traffic(of: .init(account: "111122223333", bus: "orders")).count(accepted: 2, failed: 1)
        let text = text(metrics)
        #expect(text.contains("isthmus_put_events_entries_accepted_total 3\n"))
        #expect(text.contains("isthmus_connections 7\n"))
        #expect(
            text.contains(
                "isthmus_put_events_entries_total{account=\"111122223333\",event_bus=\"orders\",outcome=\"accepted\"} 2\n"
            ))
        #expect(text.hasSuffix("# EOF\n"))
    }

    @Test("a histogram counts each duration once, in the bucket at or above it")
    func histogram() {
        let metrics = Metrics()
        metrics.observe(nanoseconds: 62_500, in: .commit)
        metrics.observe(nanoseconds: 62_501, in: .commit)
        metrics.observe(nanoseconds: 100_000_000_000, in: .commit)
        let text = text(metrics)
        #expect(text.contains("isthmus_log_commit_seconds_bucket{le=\"6.25e-05\"} 1\n"))
        #expect(text.contains("isthmus_log_commit_seconds_bucket{le=\"0.000125\"} 2\n"))
        #expect(text.contains("isthmus_log_commit_seconds_bucket{le=\"+Inf\"} 3\n"))
        #expect(text.contains("isthmus_log_commit_seconds_count 3\n"))
    }

    @Test("senders beyond the limit share one series")
    func senderLimit() {
        let metrics = Metrics()
        for index in 0...Metrics.senderLimit {
            metrics.traffic(of: .init(account: "\(index)", bus: "b")).count(accepted: 1, failed: 0)
        }
        let text = text(metrics)
        #expect(text.contains("{account=\"other\",event_bus=\"other\"} 1\n"))
        #expect(!text.contains("account=\"\(Metrics.senderLimit)\""))
    }

    @Test("a log line is one JSON object whose text cannot break out of its line")
    func logLine() {
        let lines = Lines()
        let logger = Logger(level: .info, clock: WallClock { Timestamp(seconds: 0) }, metrics: Metrics()) { line in
            lines.kept.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
        }
        logger.log(.debug, "hidden")
        logger.log(.info, "refused", [("reason", "a\r\n\u{1B}[31m\u{202E}\"\0"), ("count", 2)])
        #expect(
            lines.all == [
                #"{"time":"1970-01-01T00:00:00Z","level":"info","event":"refused","reason":"a\\u{d}\\u{a}\\u{1b}[31m\\u{202e}\"\\u{0}","count":2}"#
                    + "\n"
            ])
    }

    @Test("a flood of one event is cut off and the next second says how many lines were left out")
    func flood() {
        let lines = Lines()
        let now = Mutex<Int64>(0)
        let metrics = Metrics()
        let logger = Logger(
            level: .info, clock: WallClock { Timestamp(seconds: now.withLock { $0 }) }, metrics: metrics
        ) { line in lines.kept.withLock { $0.append(String(decoding: line, as: UTF8.self)) } }
        for _ in 0..<(Logger.linesPerSecond + 5) { logger.log(.info, "flood") }
        #expect(lines.all.count == Logger.linesPerSecond)
        #expect(metrics.value(of: .logLinesDropped) == 5)
        now.withLock { $0 = 1 }
        logger.log(.info, "flood")
        #expect(lines.all.last?.contains("\"linesLeftOut\":5") == true)
    }
}
