package import Cryptography
package import Domain
import Ledger

/// Makes the Merkle root of a block and checks a block against it.
///
/// A leaf is salt (16 bytes) ‖ SHA-256(frame): the root gives nothing away about an event that could be guessed. The
/// salt of leaf `i` is HMAC(block key, i) cut to 16 bytes; the block key is HMAC(salt key, bus ‖ first sequence).
package struct BlockSeal: Sendable {
    /// Bytes of the key: 32.
    package static let keyBytes = 32
    static let saltBytes = 16

    private let key: HMACSHA256

    /// - Parameter key: 32 bytes, derived for this use alone.
    /// - Throws: `.wrongLength(.key, …)`.
    package init(key: [UInt8]) throws(CryptographyError) {
        guard key.count == Self.keyBytes else {
            throw .wrongLength(.key, expected: Self.keyBytes, actual: key.count)
        }
        self.key = HMACSHA256(key: key)
    }

    /// The salted leaves of one block, in order.
    package struct Leaves {
        private let blockKey: HMACSHA256
        private var index: UInt32 = 0
        private var builder = MerkleRootBuilder()

        fileprivate init(blockKey: HMACSHA256) { self.blockKey = blockKey }

        /// Adds the next event. Two passes over 64 bytes beside the one over the frame.
        package mutating func append(frame: UnsafeRawBufferPointer) {
            builder.append(leafHash: BlockSeal.leafHash(frame, index: index, blockKey: blockKey))
            index += 1
        }

        /// The root over what was added.
        package func root() -> Digest { builder.root() }
    }

    /// Begins the leaves of the block of `bus` that starts at `first`.
    package func leaves(bus: BusNumber, first: Domain.Sequence) -> Leaves {
        Leaves(blockKey: blockKey(bus: bus, first: first))
    }

    /// The leaf hashes of a whole block, for an inclusion proof.
    package func leafHashes(of body: Bytes, header: BlockHeader) -> [Digest]? {
        let blockKey = blockKey(bus: header.busNumber, first: header.first)
        var hashes: [Digest] = []
        hashes.reserveCapacity(header.count)
        var rest = body
        while !rest.isEmpty {
            guard let frame = EventFrame(decodingPrefixOf: rest) else { return nil }
            let index = UInt32(hashes.count)
            hashes.append(frame.bytes.withUnsafeBytes { Self.leafHash($0, index: index, blockKey: blockKey) })
            rest = rest[frame.bytes.endIndex...]
        }
        return hashes.count == header.count ? hashes : nil
    }

    /// The events of a block read from disk, or `nil` unless every byte is as it was stored: the frames decode, there
    /// are as many as the header says, and their root is the header's.
    package func open(_ body: [UInt8], header: BlockHeader) -> [StoredEvent]? {
        guard let events = Self.events(of: body, header: header) else { return nil }
        var leaves = leaves(bus: header.busNumber, first: header.first)
        for event in events { event.frame.bytes.withUnsafeBytes { leaves.append(frame: $0) } }
        return leaves.root() == header.merkleRoot ? events : nil
    }

    /// The events of a block that never left memory: frames decoded, root not computed.
    package static func events(of body: [UInt8], header: BlockHeader) -> [StoredEvent]? {
        guard header.count <= body.count / EventFrame.fixedBytes else { return nil }
        var events: [StoredEvent] = []
        events.reserveCapacity(header.count)
        var rest = body[...]
        while !rest.isEmpty {
            guard events.count < header.count, let frame = EventFrame(decodingPrefixOf: rest) else { return nil }
            let sequence = Domain.Sequence(header.first.value + UInt64(events.count))
            events.append(StoredEvent(position: Position(bus: header.busNumber, sequence: sequence), frame: frame))
            rest = rest[frame.bytes.endIndex...]
        }
        return events.count == header.count ? events : nil
    }

    private func blockKey(bus: BusNumber, first: Domain.Sequence) -> HMACSHA256 {
        var stream = key.begin()
        withUnsafeBytes(of: (UInt64(bus.value).littleEndian, first.value.littleEndian)) { stream.update($0) }
        return HMACSHA256(key: key.finalize(stream))
    }

    private static func leafHash(_ frame: UnsafeRawBufferPointer, index: UInt32, blockKey: HMACSHA256) -> Digest {
        let digest = SHA256.hash(frame)
        let salt = withUnsafeBytes(of: index.littleEndian) { blockKey.authenticate($0) }
        var hasher = SHA256()
        hasher.update(byte: 0x00)
        salt.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<saltBytes])) }
        hasher.update(digest)
        return hasher.finalize()
    }
}
