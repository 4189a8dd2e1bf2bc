import Bus
import Cryptography
import Domain
import Foundation
import Storage
import Synchronization

/// The log alone under load: durable entries a second, CPU an entry, commit and fdatasync times, restart.
struct Measure {
    let loops: Int
    let batch: Int
    let seconds: Int

    /// Bytes of `Detail`, with the fixed fields about 1 KB of frame.
    private static let detailBytes = 800

    /// Batches each loop keeps under way: one in the commit, one waiting.
    private static let depth = 2

    private final class Tally: Sendable {
        let commits = Mutex<[LogWatch.Commit]>([])
    }

    private final class Counts: Sendable {
        let sums = Mutex<(entries: Int, refused: Int, loopCPU: UInt64)>((0, 0, 0))
    }

    func run(directory: String) throws {
        let entries = try append(in: directory)
        try reopen(directory, entries: entries)
        try Self.probeDisk(directory)
    }

    private func append(in directory: String) throws -> Int {
        let tally = Tally()
        var watch = LogWatch { error in
            say("fatal \(error)")
            exit(3)
        }
        watch.onCommit = { commit in tally.commits.withLock { $0.append(commit) } }
        let (log, _) = try Exerciser.openLog(directory, LogConfiguration(region: "eu-central-1"), watch: watch)
        let template = Self.template()
        let cpuBefore = Exerciser.seconds(of: CLOCK_PROCESS_CPUTIME_ID)
        let started = Exerciser.monotonic()
        let end = started + UInt64(seconds) * 1_000_000_000
        let counts = Counts()
        let ended = DispatchSemaphore(value: 0)
        let (batch, loops) = (batch, loops)
        for loop in 0..<loops {
            Thread {
                let cpu = Exerciser.seconds(of: CLOCK_THREAD_CPUTIME_ID)
                let (entries, refused) = Self.drive(log, bus: loop + 1, batch: batch, template: template, until: end)
                let used = Exerciser.seconds(of: CLOCK_THREAD_CPUTIME_ID) - cpu
                counts.sums.withLock { $0 = ($0.entries + entries, $0.refused + refused, $0.loopCPU + used) }
                ended.signal()
            }.start()
        }
        for _ in 0..<loops { ended.wait() }
        let wall = Double(Exerciser.monotonic() - started) / 1e9
        let cpu = Exerciser.seconds(of: CLOCK_PROCESS_CPUTIME_ID) - cpuBefore
        let result = counts.sums.withLock { $0 }
        log.stop()
        report(tally.commits.withLock { $0 }, result, wall: wall, cpu: cpu)
        return result.entries
    }

    private func report(
        _ commits: [LogWatch.Commit], _ result: (entries: Int, refused: Int, loopCPU: UInt64), wall: Double, cpu: UInt64
    ) {
        let micro = Double(cpu - result.loopCPU) / 1000 / Double(max(1, result.entries))
        let loop = Double(result.loopCPU) / 1000 / Double(max(1, result.entries))
        say("entries \(result.entries), refused \(result.refused), in \(Self.text(wall)) s")
        say("durable entries a second: \(Int(Double(result.entries) / wall))")
        say("CPU an entry: writer \(Self.text(micro)) us, framing and answers on the loop \(Self.text(loop)) us")
        let sizes = commits.map { UInt64($0.events) }.sorted()
        let times = commits.map(\.nanoseconds).sorted()
        guard !sizes.isEmpty else { return }
        say(
            "commits \(commits.count): entries p50 \(sizes[sizes.count / 2]), "
                + "time p50 \(times[times.count / 2] / 1000) us, p99 \(times[times.count * 99 / 100] / 1000) us")
    }

    private func reopen(_ directory: String, entries: Int) throws {
        let started = Exerciser.monotonic()
        let (log, _) = try Exerciser.openLog(directory, LogConfiguration(region: "eu-central-1"))
        let took = (Exerciser.monotonic() - started) / 1_000_000
        let last = log.lastSequence(of: BusNumber(1))?.value ?? 0
        log.stop()
        say("restart with \(entries) entries: \(took) ms, last sequence of the first bus \(last)")
    }

    /// fdatasync of 64 KiB written over in place, in the same directory.
    private static func probeDisk(_ directory: String) throws {
        let path = directory + "/probe"
        let descriptor = Foundation.open(path, O_RDWR | O_CREAT, 0o600)
        defer {
            close(descriptor)
            unlink(path)
        }
        let block = [UInt8](repeating: 7, count: 65_536)
        var times: [UInt64] = []
        for _ in 0..<500 {
            _ = pwrite(descriptor, block, block.count, 0)
            let started = Exerciser.monotonic()
            guard fdatasync(descriptor) == 0 else { return }
            times.append(Exerciser.monotonic() - started)
        }
        times.sort()
        say("fdatasync of 64 KiB in place: p50 \(times[250] / 1000) us, p99 \(times[495] / 1000) us")
    }

    private static func template() -> Entry {
        Appender.entry("{\"order\":\"" + String(repeating: "x", count: detailBytes) + "\"}")
    }

    private static func drive(
        _ log: SQLiteEventLog, bus: Int, batch: Int, template: Entry, until end: UInt64
    ) -> (entries: Int, refused: Int) {
        let answered = DispatchSemaphore(value: 0)
        let completions = CompletionQueue { answered.signal() }
        let publisher = Appender.publisher()
        var stored = 0
        var refused = 0
        var pending = 0
        var token: UInt64 = 0
        var taken: [AppendCompletion] = []
        while true {
            while pending < depth * batch, Exerciser.monotonic() < end {
                var requests = AppendBatch(
                    completions: completions, policyRevision: 1, reservingBytes: batch * (detailBytes + 300))
                for _ in 0..<batch {
                    token += 1
                    requests.beginRequest()
                    let start = requests.bytes.count
                    EventFrame.append(
                        template, publisher: publisher, receivedAt: Exerciser.wallTime(),
                        decisionID: UniqueID(high: 1, low: token), requestID: UniqueID(high: 2, low: token),
                        to: &requests.bytes)
                    requests.endFrame(unchecked: start, bus: BusNumber(UInt32(bus)), id: Appender.bus)
                    requests.endRequest(token: token, repeatGuard: .none, entryMask: 1)
                }
                pending += batch
                log.submit(requests)
            }
            if pending == 0 { return (stored, refused) }
            answered.wait()
            completions.drain(into: &taken)
            pending -= taken.count
            for completion in taken {
                if case .stored = completion.outcome { stored += 1 } else { refused += 1 }
            }
        }
    }

    private static func text(_ value: Double) -> String { String(format: "%.2f", value) }
}
