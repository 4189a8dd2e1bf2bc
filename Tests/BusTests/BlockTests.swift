import Cryptography
import Domain
import Ledger
import TestKit
import Testing

@testable import Bus

@Suite struct BlockTests {
    private let seal = try! BlockSeal(key: [UInt8](repeating: 3, count: 32))

    private func block(_ count: Int, first: UInt64 = 5) -> (header: BlockHeader, body: [UInt8]) {
        var body: [UInt8] = []
        var leaves = seal.leaves(bus: BusNumber(1), first: Domain.Sequence(first))
        for number in 0..<count {
            let frame = Samples.frame(Samples.entry(detail: "{\"n\":\(number)}"), number: UInt64(number))
            frame.withUnsafeBytes { leaves.append(frame: $0) }
            body += frame
        }
        let header = BlockHeader(
            region: "eu-central-1", bus: Samples.bus, busNumber: BusNumber(1), first: Domain.Sequence(first),
            count: count, firstTime: Samples.received, lastTime: Samples.received, merkleRoot: leaves.root(),
            previous: SHA256.hash([1]), policyRevision: 12)
        return (header, body)
    }

    @Test("a header gives back its fields, and its digest leaves the signature out")
    func header() throws {
        var header = block(3).header
        header.dataKeyID = [1, 2]
        let unsigned = header.encoded()
        header.signature = [9, 9, 9]
        let signed = header.encoded()
        #expect(unsigned.digest == signed.digest)
        let decoded = try #require(BlockHeader.decode(signed.bytes[...]))
        #expect(decoded.header == header)
        #expect(decoded.digest == signed.digest)
        #expect(header.last.value == 7)
        for count in 0..<signed.bytes.count { #expect(BlockHeader.decode(signed.bytes[..<count]) == nil) }
        #expect(BlockHeader.decode((signed.bytes + [0])[...]) == nil)
    }

    @Test("every flipped byte of a header changes its digest or makes it unreadable")
    func flippedHeader() {
        let (bytes, digest) = block(2).header.encoded()
        for offset in bytes.indices {
            var changed = bytes
            changed[offset] ^= 1
            #expect(BlockHeader.decode(changed[...])?.digest != digest)
        }
    }

    @Test("a block opens to its events in order, each proven against the root")
    func opens() throws {
        let (header, body) = block(33)
        let events = try #require(seal.open(body, header: header))
        #expect(events.map(\.position.sequence.value) == Array(5...37))
        let leaves = try #require(seal.leafHashes(of: body[...], header: header))
        for index in [0, 16, 32] {
            let proof = MerkleTree.inclusionProof(of: index, amongLeafHashes: leaves)
            #expect(
                MerkleTree.isIncluded(
                    leafHash: leaves[index], at: index, of: 33, proof: proof, root: header.merkleRoot))
        }
    }

    @Test("any flipped bit of a body, and any change of place, keeps it shut")
    func flippedBody() {
        let (header, body) = block(2)
        for offset in body.indices {
            var changed = body
            changed[offset] ^= 0x10
            #expect(seal.open(changed, header: header) == nil)
        }
        var moved = header
        moved.first = Domain.Sequence(6)
        #expect(seal.open(body, header: moved) == nil)
        var elsewhere = header
        elsewhere.busNumber = BusNumber(2)
        #expect(seal.open(body, header: elsewhere) == nil)
        var fewer = header
        fewer.count = 1
        #expect(seal.open(body, header: fewer) == nil)
    }

    @Test("equal events have different leaves, in one block and in two")
    func salts() throws {
        let frame = Samples.frame(Samples.entry())
        func leaves(_ first: UInt64) throws -> [Digest] {
            var header = block(1, first: first).header
            header.count = 2
            return try #require(seal.leafHashes(of: (frame + frame)[...], header: header))
        }
        #expect(Set(try leaves(1) + leaves(3)).count == 4)
    }
}
