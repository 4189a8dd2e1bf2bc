import Testing

@testable import isthmus

@Suite("Memory that is given back")
struct SpareMemoryTests {
    @Test("what is held is what is resident and not of a file")
    func held() {
        #expect(SpareMemory.heldBytes(statm: "9000 700 200 50 0 800 0\n", pageBytes: 4096) == 500 * 4096)
        for text in ["", "9000", "9000 700", "9000 7x0 200", "9000 200 700"] {
            #expect(SpareMemory.heldBytes(statm: text, pageBytes: 4096) == nil, "\(text)")
        }
        #expect((SpareMemory.heldBytes() ?? 0) > 1 << 20)
    }

    @Test("only growth over 4 MiB since the least is worth the work")
    func worthwhile() {
        let spare = SpareMemory()
        #expect(SpareMemory.growthBytes == 4 << 20)
        #expect(!spare.isWorthwhile(spare: 4 << 20))
        #expect(spare.isWorthwhile(spare: 4 << 20 | 1))
        spare.note(left: 60 << 20)
        #expect(!spare.isWorthwhile(spare: 64 << 20))
        #expect(spare.isWorthwhile(spare: 64 << 20 | 1))
        #expect(!spare.isWorthwhile(spare: 1 << 20))
        #expect(!spare.isWorthwhile(spare: 5 << 20))
        #expect(spare.isWorthwhile(spare: 5 << 20 | 1))
        // Much that is in use and was never touched hides nothing.
        #expect(!spare.isWorthwhile(spare: -30 << 20))
        #expect(!spare.isWorthwhile(spare: -26 << 20))
        #expect(spare.isWorthwhile(spare: (-26 << 20) + 1))
    }

    @Test("memory in use is not spare, and is when it is freed: also after a look in between")
    func inUse() throws {
        let count = 10_000
        let size = 4_000
        let before = try #require(SpareMemory.spareBytes())
        // The last block stays, so nothing goes back by itself.
        let blocks = (0..<count).map { _ in
            let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
            block.initializeMemory(as: UInt8.self, repeating: 1, count: size)
            return block
        }
        let spare = SpareMemory()
        spare.note(left: try #require(SpareMemory.spareBytes()))
        #expect(try #require(SpareMemory.spareBytes()) < before + 16 << 20, "what is in use counts as spare")
        for block in blocks.dropLast() { block.deallocate() }
        let freed = try #require(SpareMemory.spareBytes())
        #expect(spare.isWorthwhile(spare: freed))
        spare.giveBack(requests: 0)
        let left = try #require(SpareMemory.spareBytes())
        #expect(left < freed - count * size / 4, "\(before) before, \(freed) freed, \(left) left")
        blocks.last?.deallocate()
    }

    @Test("50 requests between two looks are quiet, and 51 are not")
    func quiet() {
        let spare = SpareMemory()
        #expect(SpareMemory.quietRequests == 50)
        #expect(spare.growthWorthwhile(requests: 1_000_000) == nil)
        #expect(spare.growthWorthwhile(requests: 1_000_050) == SpareMemory.growthBytes)
        #expect(spare.growthWorthwhile(requests: 1_000_101) == nil)
        #expect(spare.growthWorthwhile(requests: 1_000_101) == SpareMemory.growthBytes)
    }

    @Test("under load there is a look each minute, and growth over 64 MiB is worth the work")
    func underLoad() {
        let spare = SpareMemory()
        let looks = (1...36 as ClosedRange<Int64>).filter { spare.growthWorthwhile(requests: $0 * 100_000) != nil }
        #expect(looks == [12, 24, 36])
        let growth = SpareMemory.growthBytesUnderLoad
        #expect(growth == 64 << 20)
        spare.note(left: 100 << 20)
        #expect(!spare.isWorthwhile(spare: 164 << 20, growth: growth))
        #expect(spare.isWorthwhile(spare: 164 << 20 | 1, growth: growth))
    }
}
