import Testing

@testable import Gateway

@Suite("The messages that partners were charged for")
struct ChargedMessagesTests {
    @Test("the last messages are known, up to twice a generation; the oldest are forgotten first")
    func generations() {
        let charged = ChargedMessages(generationLimit: 4)
        for mark in 0..<8 as Range<UInt64> { charged.insert(mark) }
        #expect((0..<8 as Range<UInt64>).allSatisfy { charged.holds($0) })
        charged.insert(8)
        #expect((0..<4 as Range<UInt64>).allSatisfy { !charged.holds($0) })
        #expect((4..<9 as Range<UInt64>).allSatisfy { charged.holds($0) })
        #expect(!charged.holds(9))
    }

    @Test("a message that comes twice takes one place")
    func repeated() {
        let charged = ChargedMessages(generationLimit: 2)
        for mark in [1, 1, 1, 2, 2] as [UInt64] { charged.insert(mark) }
        #expect(charged.holds(1) && charged.holds(2))
    }
}
