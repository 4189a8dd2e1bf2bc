import Synchronization

/// The gateway's meters: counters and gauges without labels as atomics, PutEvents per account and bus under one lock.
///
/// Cost: one relaxed atomic addition, or an uncontended lock once a request.
package final class Metrics: Sendable {
    /// One sender's traffic on one bus.
    package struct Sender: Hashable, Comparable, Sendable {
        package let account: String
        package let bus: String

        package init(account: String, bus: String) {
            self.account = account
            self.bus = bus
        }

        package static func < (left: Sender, right: Sender) -> Bool {
            (left.account, left.bus) < (right.account, right.bus)
        }
    }

    /// The traffic of one sender on one bus. Kept by who counts often: finding it costs a lock and a look-up.
    package final class Traffic: Sendable {
        private let requests = Atomic<UInt64>(0)
        private let accepted = Atomic<UInt64>(0)
        private let failed = Atomic<UInt64>(0)

        /// Counts one `PutEvents` request.
        package func count(accepted: Int, failed: Int) {
            requests.add(1, ordering: .relaxed)
            if accepted > 0 { self.accepted.add(UInt64(accepted), ordering: .relaxed) }
            if failed > 0 { self.failed.add(UInt64(failed), ordering: .relaxed) }
        }

        fileprivate var counts: (requests: UInt64, accepted: UInt64, failed: UInt64) {
            (
                requests.load(ordering: .relaxed), accepted.load(ordering: .relaxed), failed.load(ordering: .relaxed)
            )
        }
    }

    /// The most (account, bus) pairs that get a series of their own; later ones share `account="other"`.
    package static let senderLimit = 10_000

    private let counters: [AtomicCell]
    private let gauges: [AtomicCell]
    private let histograms: [BucketRow]
    private let senders = Mutex<[Sender: Traffic]>([:])

    package init() {
        counters = Counter.allCases.map { _ in AtomicCell() }
        gauges = Gauge.allCases.map { _ in AtomicCell() }
        histograms = Histogram.allCases.map { _ in BucketRow() }
    }

    package func add(_ amount: Int = 1, to counter: Counter) {
        counters[counter.rawValue].value.add(Int64(amount), ordering: .relaxed)
    }

    package func value(of counter: Counter) -> Int64 { counters[counter.rawValue].value.load(ordering: .relaxed) }

    package func add(_ amount: Int, to gauge: Gauge) {
        gauges[gauge.rawValue].value.add(Int64(amount), ordering: .relaxed)
    }

    package func set(_ gauge: Gauge, to value: Int64) {
        gauges[gauge.rawValue].value.store(value, ordering: .relaxed)
    }

    package func value(of gauge: Gauge) -> Int64 { gauges[gauge.rawValue].value.load(ordering: .relaxed) }

    /// Counts one duration, in nanoseconds.
    package func observe(nanoseconds: UInt64, in histogram: Histogram) {
        histograms[histogram.rawValue].observe(nanoseconds)
    }

    /// Where the requests of `sender` are counted.
    package func traffic(of sender: Sender) -> Traffic {
        senders.withLock { table in
            let isKnown = table[sender] != nil || table.count < Self.senderLimit
            let row = isKnown ? sender : Sender(account: "other", bus: "other")
            if let traffic = table[row] { return traffic }
            let traffic = Traffic()
            table[row] = traffic
            return traffic
        }
    }

    /// Appends everything as OpenMetrics text, `# EOF` at the end.
    package func appendOpenMetrics(to text: inout [UInt8]) {
        for counter in Counter.allCases {
            text.appendFamily(counter.name, "counter", counter.help)
            text.appendSample("\(counter.name)_total", value: "\(value(of: counter))")
        }
        for gauge in Gauge.allCases {
            text.appendFamily(gauge.name, "gauge", gauge.help)
            text.appendSample("\(gauge.name)", value: "\(value(of: gauge))")
        }
        for histogram in Histogram.allCases {
            text.appendFamily(histogram.name, "histogram", histogram.help)
            histograms[histogram.rawValue].append(name: "\(histogram.name)", to: &text)
        }
        text.appendFamily(
            "isthmus_put_events_approximate_calls", "counter", "PutEvents requests by sender's account and bus")
        let rows = senders.withLock { table in table.sorted { $0.key < $1.key } }.map { ($0.key, $0.value.counts) }
        for (sender, traffic) in rows {
            let labels = "{account=\"\(sender.account)\",event_bus=\"\(sender.bus)\"}"
            text.appendSample("isthmus_put_events_approximate_calls_total\(labels)", value: "\(traffic.requests)")
        }
        text.appendFamily("isthmus_put_events_entries", "counter", "entries by sender's account, bus and outcome")
        for (sender, traffic) in rows {
            for (outcome, count) in [("accepted", traffic.accepted), ("failed", traffic.failed)] {
                let labels = "{account=\"\(sender.account)\",event_bus=\"\(sender.bus)\",outcome=\"\(outcome)\"}"
                text.appendSample("isthmus_put_events_entries_total\(labels)", value: "\(count)")
            }
        }
        text.append(contentsOf: "# EOF\n".utf8)
    }
}

/// A number that any thread may change; a class so that an array can hold it.
private final class AtomicCell: Sendable {
    let value = Atomic<Int64>(0)
}

/// A histogram whose bounds double from 62.5 µs to 8.192 s.
private final class BucketRow: Sendable {
    static let bounds: [UInt64] = (0..<18).map { 62_500 << UInt64($0) }
    private let counts: [AtomicCell] = (0...18).map { _ in AtomicCell() }
    private let sum = Atomic<UInt64>(0)

    func observe(_ nanoseconds: UInt64) {
        var index = 0
        while index < Self.bounds.count, nanoseconds > Self.bounds[index] { index += 1 }
        counts[index].value.add(1, ordering: .relaxed)
        sum.add(nanoseconds, ordering: .relaxed)
    }

    func append(name: String, to text: inout [UInt8]) {
        var total: Int64 = 0
        for (index, cell) in counts.enumerated() {
            total += cell.value.load(ordering: .relaxed)
            let bound = index < Self.bounds.count ? "\(Double(Self.bounds[index]) / 1e9)" : "+Inf"
            text.appendSample("\(name)_bucket{le=\"\(bound)\"}", value: "\(total)")
        }
        text.appendSample("\(name)_sum", value: "\(Double(sum.load(ordering: .relaxed)) / 1e9)")
        text.appendSample("\(name)_count", value: "\(total)")
    }
}

extension [UInt8] {
    fileprivate mutating func appendFamily(_ name: StaticString, _ type: String, _ help: StaticString) {
        append(contentsOf: "# TYPE \(name) \(type)\n# HELP \(name) \(help)\n".utf8)
    }

    fileprivate mutating func appendSample(_ name: String, value: String) {
        append(contentsOf: "\(name) \(value)\n".utf8)
    }
}
