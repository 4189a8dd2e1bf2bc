package import Cryptography
package import Domain

/// What a block says about itself: the events of one bus in one commit, chained to the bus's previous block.
///
/// The signature will cover everything before it; `digest` is what the next block names as its previous one.
package struct BlockHeader: Hashable, Sendable {
    package static let format: UInt8 = 1
    /// The most a header takes. Source: region 63, bus name 256, key id and signature 255 each, and 160 fixed, rounded
    /// up.
    package static let bytesLimit = 1024

    /// `eu-central-1`.
    package var region: String
    package var bus: EventBusID
    package var busNumber: BusNumber
    package var first: Domain.Sequence
    /// Events in the block: 1 ….
    package var count: Int
    /// The earliest and the latest time of receipt.
    package var firstTime: Timestamp
    package var lastTime: Timestamp
    /// Root over the salted event digests (`BlockSeal`).
    package var merkleRoot: Digest
    /// `digest` of the bus's previous block; zero for its first.
    package var previous: Digest
    /// The newest policy revision under which an event of the block was admitted.
    package var policyRevision: UInt64
    /// The data key the body is sealed with; empty while bodies are not sealed.
    package var dataKeyID: [UInt8] = []
    /// Signature over everything before it; empty while headers are not signed.
    package var signature: [UInt8] = []

    package init(
        region: String, bus: EventBusID, busNumber: BusNumber, first: Domain.Sequence, count: Int,
        firstTime: Timestamp, lastTime: Timestamp, merkleRoot: Digest, previous: Digest, policyRevision: UInt64
    ) {
        self.region = region
        self.bus = bus
        self.busNumber = busNumber
        self.first = first
        self.count = count
        self.firstTime = firstTime
        self.lastTime = lastTime
        self.merkleRoot = merkleRoot
        self.previous = previous
        self.policyRevision = policyRevision
    }

    /// The sequence of the block's last event.
    package var last: Domain.Sequence { Domain.Sequence(first.value + UInt64(count) - 1) }

    /// The header as stored, and the digest that chains the next block to it.
    package func encoded() -> (bytes: [UInt8], digest: Digest) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256)
        bytes.append(Self.format)
        bytes.append(short: region.utf8)
        bytes.append(littleEndian: bus.account.value)
        bytes.append(short: bus.name.description.utf8)
        bytes.append(littleEndian: busNumber.value)
        bytes.append(littleEndian: first.value)
        bytes.append(littleEndian: UInt32(count))
        bytes.append(littleEndian: firstTime.milliseconds)
        bytes.append(littleEndian: lastTime.milliseconds)
        merkleRoot.append(to: &bytes)
        previous.append(to: &bytes)
        bytes.append(littleEndian: policyRevision)
        bytes.append(short: dataKeyID)
        let digest = SHA256.hash(bytes)
        bytes.append(short: signature)
        precondition(bytes.count <= Self.bytesLimit)
        return (bytes, digest)
    }

    /// Reads a header strictly; anything the encoder does not make is `nil`.
    package static func decode(_ bytes: Bytes) -> (header: BlockHeader, digest: Digest)? {
        var cursor = ByteCursor(bytes)
        guard bytes.count <= bytesLimit, cursor.integer(UInt8.self) == format,
            let region = cursor.shortSlice(),
            let account = cursor.integer(UInt64.self), account < 1_000_000_000_000,
            let nameBytes = cursor.shortSlice(), let name = EventBusName(parsing: nameBytes),
            let number = cursor.integer(UInt32.self), (1...BusNumber.maximum).contains(number),
            let first = cursor.integer(UInt64.self), let count = cursor.integer(UInt32.self),
            first >= 1, count >= 1, first <= Domain.Sequence.maximum,
            UInt64(count) - 1 <= Domain.Sequence.maximum - first,
            let firstTime = cursor.integer(Int64.self), let lastTime = cursor.integer(Int64.self),
            let root = cursor.digest(), let previous = cursor.digest(),
            let revision = cursor.integer(UInt64.self), let keyID = cursor.shortSlice()
        else { return nil }
        let signed = bytes[bytes.startIndex..<cursor.position]
        guard let signature = cursor.shortSlice(), cursor.isAtEnd else { return nil }
        var header = BlockHeader(
            region: region.text, bus: EventBusID(account: AccountID(unchecked: account), name: name),
            busNumber: BusNumber(number), first: Domain.Sequence(first), count: Int(count),
            firstTime: Timestamp(milliseconds: firstTime), lastTime: Timestamp(milliseconds: lastTime),
            merkleRoot: root, previous: previous, policyRevision: revision)
        header.dataKeyID = Array(keyID)
        header.signature = Array(signature)
        return (header, SHA256.hash(signed))
    }
}
