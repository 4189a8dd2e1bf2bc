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
        spare.giveBack()
        let left = try #require(SpareMemory.spareBytes())
        #expect(left < freed - count * size / 4, "\(before) before, \(freed) freed, \(left) left")
        blocks.last?.deallocate()
    }
}
