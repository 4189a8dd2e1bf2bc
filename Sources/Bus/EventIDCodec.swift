package import Cryptography
package import Domain

/// Event ids: a UUID of version 8 from which the gateway, and only it, reads bus and sequence.
///
/// The 122 free bits are a keyed permutation (a balanced Feistel network whose round function is AES) of
/// `bus 24 | sequence 48 | zero 50`. Ids show neither order nor volume; of the ids somebody makes up, one in 2^50
/// decodes. Six AES blocks an id.
///
/// Source: RFC 9562 § 5.8; Luby and Rackoff, "How to construct pseudorandom permutations" (four rounds suffice).
package struct EventIDCodec: Sendable {
    /// Bytes of the key: 32.
    package static let keyBytes = 32
    private static let rounds: UInt64 = 6
    private static let halfMask: UInt64 = (1 << 61) - 1

    private let cipher: AESBlock

    /// - Parameter key: 32 bytes, derived for this use alone and never changed: ids outlive restarts.
    /// - Throws: `.wrongLength(.key, …)`.
    package init(key: [UInt8]) throws(CryptographyError) {
        guard key.count == Self.keyBytes else {
            throw .wrongLength(.key, expected: Self.keyBytes, actual: key.count)
        }
        cipher = try AESBlock(key: key)
    }

    /// The same permutation with a cipher of its own, for a thread that shall not wait for others.
    package func duplicate() throws(CryptographyError) -> EventIDCodec {
        EventIDCodec(cipher: try cipher.duplicate())
    }

    private init(cipher: AESBlock) { self.cipher = cipher }

    /// The id of the event at `position`.
    package func id(of position: Position) -> UniqueID {
        var ids: [UniqueID] = []
        append(idsOf: [position], to: &ids)
        return ids[0]
    }

    /// Appends the ids of the events at `positions`, in their order. The rounds of all are made together: an id of ten
    /// costs a fifth of one alone.
    package func append(idsOf positions: [Position], to ids: inout [UniqueID]) {
        withUnsafeTemporaryAllocation(of: Block128.self, capacity: 2 * positions.count) { both in
            let halves = UnsafeMutableBufferPointer(rebasing: both[..<positions.count])
            let blocks = UnsafeMutableBufferPointer(rebasing: both[positions.count...])
            for (index, position) in positions.enumerated() {
                let (left, right) = Self.halves(position)
                halves.initializeElement(at: index, to: Block128(first: left, second: right))
            }
            for round in 0..<Self.rounds {
                for index in halves.indices {
                    let input = Block128(first: halves[index].second.littleEndian, second: round.littleEndian)
                    blocks.initializeElement(at: index, to: input)
                }
                cipher.encrypt(blocks)
                for index in halves.indices {
                    let mixed = halves[index].first ^ (blocks[index].first.littleEndian & Self.halfMask)
                    halves[index] = Block128(first: halves[index].second, second: mixed)
                }
            }
            for half in halves { ids.append(Self.id(left: half.first, right: half.second)) }
        }
    }

    /// 122 bits as two halves of 61: bus 24 | sequence's upper 37, and its lower 11 | 50 zero bits.
    private static func halves(_ position: Position) -> (left: UInt64, right: UInt64) {
        let sequence = position.sequence.value
        return (UInt64(position.bus.value) << 37 | sequence >> 11, (sequence & 0x7FF) << 50)
    }

    /// 48 bits, version, 12 bits, variant, 62 bits.
    private static func id(left: UInt64, right: UInt64) -> UniqueID {
        UniqueID(
            high: (left >> 13) << 16 | 0x8000 | (left >> 1) & 0xFFF, low: 0b10 << 62 | (left & 1) << 61 | right)
    }

    /// The position that `id` was made of, or `nil` for an id this gateway did not make.
    package func position(of id: UniqueID) -> Position? {
        guard (id.high >> 12) & 0xF == 8, id.low >> 62 == 0b10 else { return nil }
        var left = (id.high >> 16) << 13 | (id.high & 0xFFF) << 1 | (id.low >> 61) & 1
        var right = id.low & Self.halfMask
        for round in (0..<Self.rounds).reversed() { (left, right) = (right ^ mix(left, round), left) }
        guard right & ((1 << 50) - 1) == 0 else { return nil }
        let bus = left >> 37
        let sequence = (left & ((1 << 37) - 1)) << 11 | right >> 50
        guard bus >= 1, sequence >= 1 else { return nil }
        return Position(bus: BusNumber(UInt32(bus)), sequence: Domain.Sequence(sequence))
    }

    private func mix(_ half: UInt64, _ round: UInt64) -> UInt64 {
        cipher.encrypt(Block128(first: half.littleEndian, second: round.littleEndian)).first.littleEndian
            & Self.halfMask
    }
}
