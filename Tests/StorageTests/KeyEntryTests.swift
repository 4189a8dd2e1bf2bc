import Bus
import Cryptography
import Domain
import Testing

@testable import Storage

@Suite struct KeyEntryTests {
    /// An entry whose runs follow each other with a gap, each `counts` long.
    private func entry(_ counts: [UInt16]) -> [UInt8] {
        var bytes = [UInt8](repeating: 7, count: 80) + [1, 0, 0, 0]
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        append(UInt16(counts.count))
        for (index, count) in counts.enumerated() {
            append(UInt32(1))
            append(UInt64(index) * 100_000 + 1)
            append(count)
        }
        return bytes
    }

    @Test("positions of several runs are read back in their order, and what an entry says of its end is true")
    func reads() throws {
        let bytes = entry([2, 1])
        let read = try #require(KeyEntry(decoding: bytes + [9], at: 0))
        #expect(read.answer.positions.map(\.sequence.value) == [1, 2, 100_001] && read.end == bytes.count)
        var written: [UInt8] = []
        KeyEntry.append(
            key: read.key, principal: try Digest([UInt8](repeating: 7, count: 32)), body: read.body,
            answer: read.answer, to: &written)
        #expect(written == bytes)
    }

    @Test("a damaged entry makes no more positions of its bytes than the longest run has")
    func bounded() {
        #expect(KeyEntry(decoding: entry([.max]), at: 0)?.answer.positions.count == 65_535)
        #expect(KeyEntry(decoding: entry([65_534, 1]), at: 0)?.answer.positions.count == 65_535)
        #expect(KeyEntry(decoding: entry([65_534, 2]), at: 0) == nil)
        #expect(KeyEntry(decoding: entry([UInt16](repeating: .max, count: 65_535)), at: 0) == nil)
        #expect(KeyEntry(decoding: entry([0]), at: 0) == nil && KeyEntry(decoding: entry([]), at: 0) == nil)
        #expect(KeyEntry(decoding: Array(entry([1]).dropLast()), at: 0) == nil)
    }
}
