import Domain
import Glibc
import Synchronization
import Telemetry
import Testing

@testable import isthmus

@Suite struct LogLinesTests {
    /// A pipe that nobody reads until it is told.
    private final class Pipe: Sendable {
        let ends: (reading: Int32, writing: Int32)

        init() {
            var descriptors: [Int32] = [0, 0]
            precondition(pipe(&descriptors) == 0)
            ends = (descriptors[0], descriptors[1])
        }

        func write(_ bytes: [UInt8]) {
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { Glibc.write(ends.writing, $0.baseAddress, $0.count) }
                precondition(count > 0)
                rest = rest.dropFirst(count)
            }
        }

        func read(_ count: Int) -> [UInt8] {
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while all.count < count {
                let got = Glibc.read(ends.reading, &buffer, min(buffer.count, count - all.count))
                precondition(got > 0)
                all += buffer.prefix(got)
            }
            return all
        }
    }

    @Test("a full pipe holds nobody up: lines are taken up to the limit, then left out, and none is torn")
    func fullPipe() {
        let pipe = Pipe()
        let lines = LogLines(waitingBytes: 100_000, write: { pipe.write($0) })
        let line = [UInt8](repeating: 0x61, count: 99) + [0x0A]
        // The pipe takes 64 KiB and one lot more is with the writer.
        var taken = 0
        while lines.offer(line) { taken += 1 }
        #expect(taken >= 1000 && taken <= 4000)
        #expect(!lines.flush(withinSeconds: 0.05))
        // The writer may have taken another lot in between; then as much is offered again.
        while lines.offer(line) { taken += 1 }
        #expect(!lines.offer(line))
        let all = pipe.read(taken * 100)
        #expect(lines.flush(withinSeconds: 10))
        #expect(stride(from: 0, to: all.count, by: 100).allSatisfy { Array(all[$0..<$0 + 100]) == line })
        #expect(lines.offer(line))
        #expect(lines.flush(withinSeconds: 10))
    }

    @Test("what is offered before a flush is written when it returns")
    func flushes() {
        let written = Mutex<[UInt8]>([])
        let lines = LogLines(write: { bytes in written.withLock { $0 += bytes } })
        #expect(lines.flush(withinSeconds: 10))
        for number in 0..<1000 { #expect(lines.offer(Array("\(number)\n".utf8))) }
        #expect(lines.flush(withinSeconds: 10))
        let text = written.withLock { String(decoding: $0, as: UTF8.self) }
        #expect(text == (0..<1000).map { "\($0)\n" }.joined())
    }

    @Test("a line that finds no place counts as left out, and the next one of its event says so")
    func leftOut() {
        let isFull = Mutex(false)
        let text = Mutex("")
        let metrics = Metrics()
        let logger = Logger(level: .info, clock: .system, metrics: metrics, offer: { line in
            if isFull.withLock({ $0 }) { return false }
            text.withLock { $0 += String(decoding: line, as: UTF8.self) }
            return true
        })
        logger.log(.info, "first")
        isFull.withLock { $0 = true }
        for _ in 0..<3 { logger.log(.info, "first") }
        isFull.withLock { $0 = false }
        logger.log(.info, "second")
        #expect(!text.withLock { $0 }.contains("linesLeftOut"))
        logger.log(.info, "first")
        #expect(text.withLock { $0 }.contains(#""event":"first","linesLeftOut":3}"#))
        #expect(metrics.value(of: .logLinesDropped) == 3)
    }
}
