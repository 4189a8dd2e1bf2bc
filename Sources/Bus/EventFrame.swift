package import Domain

/// One event as the log keeps it: bytes written on the loop and read back as a view. Integers are little-endian.
///
/// ```
/// 0  u32 bytes that follow      4 u8 format (1)   5 u8 flags (1: a time, 2: a CloudEvent)   6 u16 publisher bytes
/// 8  i64 received, ms           16 i64 entry time, ms (0 without)
/// 24 u64 × 2 decision id        40 u64 × 2 request id
/// 56 u32 source, detail type, detail, resources, trace header bytes; 76 u32 number of resources
/// 80 publisher, then the five texts in that order; each resource behind its u32 length
/// ```
/// The event's sequence and bus are not in it: they follow from the block.
package struct EventFrame: Sendable {
    /// Bytes before the publisher.
    package static let fixedBytes = 80
    /// The most one frame takes. Source: the largest entry is below `Limits.wireBodyBytes`, the texts of it once.
    package static let bytesLimit = fixedBytes + PublisherProvenance.encodedBytesLimit + Limits.wireBodyBytes
    static let format: UInt8 = 1
    private static let hasTime: UInt8 = 1
    private static let isCloudEvent: UInt8 = 2

    /// The whole frame, its length included.
    package let bytes: Bytes
    /// When the gateway received the request.
    package let receivedAt: Timestamp
    /// The entry's own `Time`, if it gave one.
    package let entryTime: Timestamp?
    /// The decision that admitted the event.
    package let decisionID: UniqueID
    /// The request that brought it.
    package let requestID: UniqueID
    package let resourceCount: Int
    /// Whether the last text is the attributes of a CloudEvent, one JSON object, and not a trace header.
    package let isCloudEvent: Bool
    private let publisherEnd: Int
    private let sourceEnd: Int
    private let detailTypeEnd: Int
    private let detailEnd: Int
    private let resourcesEnd: Int

    package var source: Bytes { bytes[publisherEnd..<sourceEnd] }
    package var detailType: Bytes { bytes[sourceEnd..<detailTypeEnd] }
    /// JSON text, byte for byte as published.
    package var detail: Bytes { bytes[detailTypeEnd..<detailEnd] }
    /// Each resource behind its length (little-endian UInt32).
    package var resources: Bytes { bytes[detailEnd..<resourcesEnd] }
    /// Empty when absent; of a CloudEvent its attributes.
    package var traceHeader: Bytes { bytes[resourcesEnd...] }
    /// The moment the envelope shows: the entry's time, else the time of receipt.
    package var time: Timestamp { entryTime ?? receivedAt }

    /// Who published, decoded on each call. It was checked when the frame was read, so it is there.
    package var publisher: PublisherProvenance {
        guard let publisher = PublisherProvenance(decoding: publisherBytes) else {
            preconditionFailure("a frame was read without checking its publisher")
        }
        return publisher
    }

    private var publisherBytes: Bytes { bytes[bytes.startIndex + Self.fixedBytes..<publisherEnd] }
}

extension EventFrame {
    /// Bytes that `append` will add for `entry`.
    package static func byteCount(of entry: Entry, publisher: PublisherProvenance) -> Int {
        fixedBytes + publisher.encoded.count + entry.buffer.count
    }

    /// Appends the frame of one admitted entry. Copies each byte once; allocates only where `buffer` must grow.
    package static func append(
        _ entry: Entry, publisher: PublisherProvenance, receivedAt: Timestamp, decisionID: UniqueID,
        requestID: UniqueID, to buffer: inout [UInt8]
    ) {
        let total = byteCount(of: entry, publisher: publisher)
        precondition(total <= bytesLimit)
        withUnsafeTemporaryAllocation(byteCount: fixedBytes, alignment: 8) { fixed in
            fillFixed(fixed, entry, publisher, total, receivedAt, decisionID, requestID)
            buffer.append(contentsOf: fixed)
        }
        buffer.append(contentsOf: publisher.encoded)
        buffer.append(contentsOf: entry.buffer)
    }

    private static func fillFixed(
        _ bytes: UnsafeMutableRawBufferPointer, _ entry: Entry, _ publisher: PublisherProvenance, _ total: Int,
        _ receivedAt: Timestamp, _ decisionID: UniqueID, _ requestID: UniqueID
    ) {
        func store(_ value: some FixedWidthInteger, at offset: Int) {
            bytes.storeBytes(of: value.littleEndian, toByteOffset: offset, as: type(of: value))
        }
        store(UInt32(total - 4), at: 0)
        store(format, at: 4)
        store((entry.time == nil ? 0 : hasTime) | (entry.isCloudEvent ? isCloudEvent : 0), at: 5)
        store(UInt16(publisher.encoded.count), at: 6)
        store(receivedAt.milliseconds, at: 8)
        store(entry.time?.milliseconds ?? 0, at: 16)
        store(decisionID.high, at: 24)
        store(decisionID.low, at: 32)
        store(requestID.high, at: 40)
        store(requestID.low, at: 48)
        let lengths = entry.lengths
        store(UInt32(lengths.source), at: 56)
        store(UInt32(lengths.detailType), at: 60)
        store(UInt32(lengths.detail), at: 64)
        store(UInt32(lengths.resources), at: 68)
        store(UInt32(lengths.traceHeader), at: 72)
        store(UInt32(entry.resourceCount), at: 76)
    }

    /// Reads the frame that begins at the start of `bytes`, strictly: a format, flag or length that the writer does not
    /// make is `nil`. What follows the frame is not looked at.
    package init?(decodingPrefixOf bytes: Bytes) {
        var cursor = ByteCursor(bytes)
        guard let count = cursor.integer(UInt32.self), Int(count) <= Self.bytesLimit - 4,
            let frame = cursor.slice(Int(count))
        else { return nil }
        self.init(bytes: bytes[bytes.startIndex..<frame.endIndex])
    }

    private init?(bytes: Bytes) {
        var cursor = ByteCursor(bytes)
        guard cursor.slice(4) != nil, cursor.integer(UInt8.self) == Self.format,
            let flags = cursor.integer(UInt8.self), flags & ~(Self.hasTime | Self.isCloudEvent) == 0,
            let publisherBytes = cursor.integer(UInt16.self),
            let received = cursor.integer(Int64.self), let time = cursor.integer(Int64.self),
            let decision = cursor.uniqueID(), let request = cursor.uniqueID(),
            let source = cursor.integer(UInt32.self), let detailType = cursor.integer(UInt32.self),
            let detail = cursor.integer(UInt32.self), let resources = cursor.integer(UInt32.self),
            let trace = cursor.integer(UInt32.self), let resourceCount = cursor.integer(UInt32.self),
            flags & Self.hasTime != 0 || time == 0,
            let publisher = cursor.slice(Int(publisherBytes)), PublisherProvenance(decoding: publisher) != nil,
            let sourceSlice = cursor.slice(Int(source)), let typeSlice = cursor.slice(Int(detailType)),
            let detailSlice = cursor.slice(Int(detail)), let resourcesSlice = cursor.slice(Int(resources)),
            cursor.slice(Int(trace)) != nil, cursor.isAtEnd,
            Self.isList(resourcesSlice, count: Int(resourceCount))
        else { return nil }
        self.bytes = bytes
        receivedAt = Timestamp(milliseconds: received)
        entryTime = flags & Self.hasTime == 0 ? nil : Timestamp(milliseconds: time)
        decisionID = decision
        requestID = request
        self.resourceCount = Int(resourceCount)
        isCloudEvent = flags & Self.isCloudEvent != 0
        publisherEnd = publisher.endIndex
        sourceEnd = sourceSlice.endIndex
        detailTypeEnd = typeSlice.endIndex
        detailEnd = detailSlice.endIndex
        resourcesEnd = resourcesSlice.endIndex
    }

    /// Whether `bytes` are exactly `count` texts, each behind its length.
    private static func isList(_ bytes: Bytes, count: Int) -> Bool {
        var cursor = ByteCursor(bytes)
        var left = count
        while left > 0 {
            guard let length = cursor.integer(UInt32.self), cursor.slice(Int(length)) != nil else { return false }
            left -= 1
        }
        return cursor.isAtEnd
    }

    /// Calls `body` with each resource, in order.
    package func forEachResource(_ body: (Bytes) -> Void) {
        var cursor = ByteCursor(resources)
        while let length = cursor.integer(UInt32.self), let resource = cursor.slice(Int(length)) { body(resource) }
    }
}
