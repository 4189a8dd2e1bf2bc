import Bus
import Domain
import Registry
import Testing

@testable import Gateway

@Suite("The messages that partners were charged for")
struct ChargedMessagesTests {
    @Test("the last messages are known, up to twice a generation; the oldest are forgotten first")
    func generations() {
        let charged = ChargedMessages(generationLimit: 4)
        for mark in 0..<8 as Range<UInt64> { #expect(charged.insert(mark)) }
        #expect((0..<8 as Range<UInt64>).allSatisfy { charged.holds($0) })
        #expect(charged.insert(8))
        #expect((0..<4 as Range<UInt64>).allSatisfy { !charged.holds($0) })
        #expect((4..<9 as Range<UInt64>).allSatisfy { charged.holds($0) })
        #expect(!charged.holds(9))
    }

    @Test("a message that comes twice takes one place and is charged once, whichever generation it is in")
    func repeated() {
        let charged = ChargedMessages(generationLimit: 2)
        #expect([1, 1, 1, 2, 2].map { charged.insert($0) } == [true, false, false, true, false])
        #expect(charged.holds(1) && charged.holds(2))
        #expect([3, 1, 3].map { charged.insert($0) } == [true, false, false])
        #expect([1, 2, 3].allSatisfy { charged.holds($0) })
    }

    @Test("what stood on its bus when it was charged was paid for before, what was stored since was not")
    func paidBefore() throws {
        let bus = BusNumber(7)
        func charged(at last: UInt64?) -> Charged {
            Charged(
                bucket: SenderBucket(TokenBucket(), quota: Quota(perSecond: 1, burst: 1)), units: 1, bus: bus,
                lastSequence: last.map { Domain.Sequence($0) })
        }
        func position(_ sequence: UInt64, on bus: BusNumber = BusNumber(7)) -> Position {
            Position(bus: bus, sequence: Domain.Sequence(sequence))
        }
        #expect(!charged(at: nil).isLater(than: position(1)))
        #expect(charged(at: 5).isLater(than: position(4)))
        #expect(charged(at: 5).isLater(than: position(5)))
        #expect(!charged(at: 5).isLater(than: position(6)))
        #expect(charged(at: nil).isLater(than: position(1, on: BusNumber(8))), "its source had another bus then")
    }
}
