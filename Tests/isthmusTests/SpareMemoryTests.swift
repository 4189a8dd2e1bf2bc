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
        #expect(!spare.isWorthwhile(held: 4 << 20))
        #expect(spare.isWorthwhile(held: 4 << 20 | 1))
        spare.note(left: 60 << 20)
        #expect(!spare.isWorthwhile(held: 64 << 20))
        #expect(spare.isWorthwhile(held: 64 << 20 | 1))
        #expect(!spare.isWorthwhile(held: 1 << 20))
        #expect(!spare.isWorthwhile(held: 5 << 20))
        #expect(spare.isWorthwhile(held: 5 << 20 | 1))
    }
}
