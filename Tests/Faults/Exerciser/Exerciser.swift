import Bus
import Cryptography
import Domain
import Foundation
import Storage

/// Drives the real log for the fault tests, one verb a run; the scripts beside this folder inject the faults.
///
/// ```
/// append DIRECTORY COUNT    one event a commit, each with an idempotency key; `ack I SEQUENCE` after each answer
/// verify DIRECTORY          `event SEQUENCE I` for each stored event, then `ok MILLISECONDS` since the start
/// open DIRECTORY SYNC JOURNAL   opens with these settings and says `open` or `refused TEXT`
/// fill DIRECTORY SECONDS LOOKS  appends without pause; `full`, then `looked COUNT` each time it is refused and read,
///                           then `room`; over after so many looks and room again
/// trim DIRECTORY            opens with room for one block a bus and says `trimmed FIRST LAST`, then appends one event
/// measure DIRECTORY LOOPS BATCH SECONDS   durable entries a second, CPU an entry, restart
/// ```
@main
enum Exerciser {
    static func main() {
        let words = CommandLine.arguments
        do {
            switch (words.dropFirst().first, words.count) {
            case ("append", 4): try Appender(directory: words[2]).run(count: Int(words[3]) ?? 0)
            case ("verify", 3): try verify(words[2])
            case ("open", 5): open(words[2], synchronous: words[3], journal: words[4])
            case ("trim", 3): try trim(words[2])
            case ("fill", 5):
                try Appender(directory: words[2]).fill(seconds: Int(words[3]) ?? 0, looks: Int(words[4]) ?? 0)
            case ("measure", 6):
                try Measure(loops: Int(words[3]) ?? 1, batch: Int(words[4]) ?? 64, seconds: Int(words[5]) ?? 5)
                    .run(directory: words[2])
            default:
                say("usage: log-exerciser append|verify|open|fill|trim|measure DIRECTORY …")
                exit(64)
            }
        } catch {
            say("refused \(error)")
            exit(2)
        }
    }

    /// Small limits, so that a short run copies the write-ahead log and writes index rows.
    static func smallConfiguration() -> LogConfiguration {
        var configuration = LogConfiguration(region: "eu-central-1")
        configuration.pageBytes = 4096
        configuration.checkpointBytes = 128 * 1024
        configuration.commitBytes = 64 * 1024
        configuration.reserveBytes = 256 * 1024
        return configuration
    }

    static func openLog(
        _ path: String, _ configuration: LogConfiguration, watch: LogWatch? = nil
    ) throws -> (SQLiteEventLog, EventIDCodec) {
        let home = try DataDirectory(path: path)
        let key = try MasterKey(in: home, hasLog: SQLiteEventLog.exists(in: home), random: .system)
        let onFatal: @Sendable (StorageError) -> Void = { error in
            say("fatal \(error)")
            exit(3)
        }
        let log = try SQLiteEventLog(
            in: home, key: key, configuration: configuration, clock: WallClock(wallTime), monotonic: monotonic,
            watch: watch ?? LogWatch(onFatal: onFatal))
        return (log, try key.eventIDs())
    }

    @Sendable static func wallTime() -> Timestamp {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Timestamp(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
    }

    @Sendable static func monotonic() -> UInt64 { seconds(of: CLOCK_MONOTONIC) }

    static func seconds(of clock: clockid_t) -> UInt64 {
        var now = timespec()
        clock_gettime(clock, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }

    static func verify(_ path: String) throws {
        let started = monotonic()
        let (log, _) = try openLog(path, smallConfiguration())
        let opened = monotonic()
        guard let first = try log.firstSequence(of: BusNumber(1)) else {
            say("ok \((opened - started) / 1_000_000)")
            return
        }
        var next = first
        while true {
            let events = try log.read(bus: BusNumber(1), from: next, limitBytes: 1 << 20)
            guard let last = events.last else { break }
            for event in events { say("event \(event.position.sequence.value) \(event.frame.detail.text)") }
            next = Domain.Sequence(last.position.sequence.value + 1)
        }
        log.stop()
        say("ok \((opened - started) / 1_000_000)")
    }

    static func trim(_ path: String) throws {
        var configuration = smallConfiguration()
        configuration.retentionBytesPerBus = 1
        let trimmed = DispatchSemaphore(value: 0)
        var watch = LogWatch { error in
            say("fatal \(error)")
            exit(3)
        }
        watch.onTrim = { trim in
            say("trimmed \(trim.first.value) \(trim.last.value)")
            trimmed.signal()
        }
        let appender = try Appender(directory: path, configuration: configuration, watch: watch)
        guard trimmed.wait(timeout: .now() + 5) == .success else {
            say("refused to trim")
            exit(2)
        }
        appender.appendOne(index: 1_000_000, attempts: 200)
    }

    static func open(_ path: String, synchronous: String, journal: String) {
        var configuration = smallConfiguration()
        configuration.synchronous = synchronous
        configuration.journalMode = journal
        do {
            let (log, _) = try openLog(path, configuration)
            log.stop()
            say("open")
        } catch {
            say("refused \(error)")
            exit(2)
        }
    }
}

/// Writes one line at once: a fault may end the process at the next call.
func say(_ text: String) {
    let line = Array((text + "\n").utf8)
    _ = write(1, line, line.count)
}
