import Domain
import Testing

@testable import Gateway

@Suite("Slots and ids")
struct SlotTableTests {
    @Test("a token gives its value back once, and never a later one")
    func slots() {
        var table = SlotTable<String>()
        let first = table.insert("a")
        let second = table.insert("b")
        #expect(table.count == 2)
        #expect(table.remove(first) == "a")
        #expect(table.remove(first) == nil)
        let third = table.insert("c")
        #expect(third != first, "the slot is used again under another token")
        #expect(table.remove(first) == nil)
        #expect(table.remove(third) == "c")
        #expect(table.remove(second) == "b")
        #expect(table.remove(.max) == nil)
        #expect(table.count == 0)
    }

    @Test("ids repeat for a seed, differ from each other and are version 4")
    func ids() {
        var one = RequestIDs(seed: (1, 2, 3, 4))
        var other = RequestIDs(seed: (1, 2, 3, 4))
        var seen: Set<UniqueID> = []
        for _ in 0..<1000 {
            let id = one.next()
            #expect(other.next() == id)
            #expect(seen.insert(id).inserted)
            #expect((id.high >> 12) & 0xF == 4)
            #expect(id.low >> 62 == 0b10)
        }
    }

    // Source: the reference implementation, state {1, 2, 3, 4}: 11520, 0, 1509978240, 1215971899390074240.
    @Test("the generator is xoshiro256**")
    func reference() {
        var ids = RequestIDs(seed: (1, 2, 3, 4))
        #expect(ids.next() == UniqueID(random: 11520, 0))
        #expect(ids.next() == UniqueID(random: 1_509_978_240, 1_215_971_899_390_074_240))
    }
}
