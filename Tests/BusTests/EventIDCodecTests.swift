import Cryptography
import Domain
import TestKit
import Testing

@testable import Bus

@Suite struct EventIDCodecTests {
    private let codec = try! EventIDCodec(key: [UInt8](repeating: 7, count: 32))

    @Test("an id gives back its position, also at the ends of both ranges")
    func roundTrip() {
        var random = SeededRandom(1)
        var positions = [
            Position(bus: BusNumber(1), sequence: Domain.Sequence(1)),
            Position(bus: BusNumber(BusNumber.maximum), sequence: Domain.Sequence(Domain.Sequence.maximum)),
        ]
        for _ in 0..<10_000 {
            positions.append(
                Position(
                    bus: BusNumber(UInt32.random(in: 1...BusNumber.maximum, using: &random)),
                    sequence: Domain.Sequence(UInt64.random(in: 1...Domain.Sequence.maximum, using: &random))))
        }
        var seen: Set<UniqueID> = []
        for position in positions {
            let id = codec.id(of: position)
            #expect(codec.position(of: id) == position)
            seen.insert(id)
        }
        #expect(seen.count == Set(positions).count)
    }

    @Test("an id is a UUID of version 8 and the RFC's variant")
    func version() {
        for sequence in 1...1000 {
            let id = codec.id(of: Position(bus: BusNumber(1), sequence: Domain.Sequence(UInt64(sequence))))
            #expect((id.high >> 12) & 0xF == 8)
            #expect(id.low >> 62 == 0b10)
        }
    }

    @Test("ids that somebody made up, or changed by a bit, are not found")
    func madeUp() {
        var random = SeededRandom(2)
        for _ in 0..<20_000 {
            let id = UniqueID(high: random.next() & ~0xF000 | 0x8000, low: random.next() & ~(0b11 << 62) | 0b10 << 62)
            #expect(codec.position(of: id) == nil)
        }
        let id = codec.id(of: Position(bus: BusNumber(5), sequence: Domain.Sequence(77)))
        for bit in 0..<64 {
            #expect(codec.position(of: UniqueID(high: id.high ^ 1 << UInt64(bit), low: id.low)) == nil)
            #expect(codec.position(of: UniqueID(high: id.high, low: id.low ^ 1 << UInt64(bit))) == nil)
        }
    }

    @Test("another key reads nothing of it, and a short key is refused")
    func keys() throws {
        let other = try EventIDCodec(key: [UInt8](repeating: 8, count: 32))
        let id = codec.id(of: Position(bus: BusNumber(1), sequence: Domain.Sequence(1)))
        #expect(other.position(of: id) == nil)
        #expect(throws: CryptographyError.self) { try EventIDCodec(key: [UInt8](repeating: 7, count: 31)) }
    }

    @Test(
        "ids given out are found for ever: these were made by another implementation of the permutation",
        arguments: [
            (5 as UInt32, 77 as UInt64, 0x41DE_26E7_BF2E_8175 as UInt64, 0x9A91_DF07_BD0A_0F92 as UInt64),
            (1, 1, 0x11E6_95E7_CC6E_89E6, 0x9A22_921A_45B1_4A8C),
            (0xFF_FFFF, 0xFFFF_FFFF_FFFF, 0xD344_ECA1_C2B1_8C98, 0x9E9B_3A05_0547_2184),
        ])
    func vectors(bus: UInt32, sequence: UInt64, high: UInt64, low: UInt64) {
        let position = Position(bus: BusNumber(bus), sequence: Domain.Sequence(sequence))
        #expect(codec.id(of: position) == UniqueID(high: high, low: low))
        #expect(codec.position(of: UniqueID(high: high, low: low)) == position)
    }

    @Test("the ids of one answer are those of its positions, from any copy of the codec")
    func together() throws {
        let copy = try codec.duplicate()
        let bus = BusNumber(9)
        let scattered = [7, 3, 900_000_000_000].map { Position(bus: bus, sequence: Domain.Sequence($0)) }
        for positions in [Positions(bus: bus, first: Domain.Sequence(41), count: 10), Positions(scattered)] {
            let first = UniqueID(high: 1, low: 2)
            var made = [first]
            copy.append(idsOf: Array(positions), to: &made)
            #expect(made == [first] + positions.map { codec.id(of: $0) })
        }
    }

    @Test("neighbours share no more bits than chance gives")
    func noOrder() {
        var equal = 0
        for sequence in UInt64(1)...2000 {
            let first = codec.id(of: Position(bus: BusNumber(1), sequence: Domain.Sequence(sequence)))
            let second = codec.id(of: Position(bus: BusNumber(1), sequence: Domain.Sequence(sequence + 1)))
            equal += 128 - (first.high ^ second.high).nonzeroBitCount - (first.low ^ second.low).nonzeroBitCount
        }
        // 6 fixed bits and half of 122: 67 on average, with a standard deviation of 0.12 over 2,000 pairs.
        #expect(abs(Double(equal) / 2000 - 67) < 1)
    }
}
