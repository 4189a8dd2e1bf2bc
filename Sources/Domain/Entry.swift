/// One entry of `PutEvents` as decoded: nothing about it has been decided.
///
/// The texts stand in one buffer in a fixed order, so that an entry is one allocation.
/// Source: botocore `events/2015-10-07` shape `PutEventsRequestEntry`.
package struct Entry: Sendable {
    package let buffer: [UInt8]
    private let sourceEnd: UInt32
    private let detailTypeEnd: UInt32
    private let detailEnd: UInt32
    private let resourcesEnd: UInt32
    /// The entry's `Time`, if it gave one.
    package let time: Timestamp?
    /// How many resources there are.
    package let resourceCount: Int
    /// Whether the last text is the attributes of a CloudEvent and not a trace header.
    package let isCloudEvent: Bool

    /// `resources` holds each resource's UTF-8 behind its length as a little-endian UInt32; with `isCloudEvent`,
    /// `traceHeader` is one JSON object of the attributes that have no other place.
    package init(
        source: UnsafeBufferPointer<UInt8>, detailType: UnsafeBufferPointer<UInt8>,
        detail: UnsafeBufferPointer<UInt8>, resources: UnsafeBufferPointer<UInt8>, resourceCount: Int,
        traceHeader: UnsafeBufferPointer<UInt8>, time: Timestamp?, isCloudEvent: Bool = false
    ) {
        let total = source.count + detailType.count + detail.count + resources.count + traceHeader.count
        buffer = [UInt8](unsafeUninitializedCapacity: total) { space, count in
            func place(_ part: UnsafeBufferPointer<UInt8>) {
                guard let from = part.baseAddress, part.count > 0 else { return }
                (space.baseAddress.unsafelyUnwrapped + count).initialize(from: from, count: part.count)
                count += part.count
            }
            place(source)
            place(detailType)
            place(detail)
            place(resources)
            place(traceHeader)
        }
        sourceEnd = UInt32(source.count)
        detailTypeEnd = sourceEnd + UInt32(detailType.count)
        detailEnd = detailTypeEnd + UInt32(detail.count)
        resourcesEnd = detailEnd + UInt32(resources.count)
        self.resourceCount = resourceCount
        self.time = time
        self.isCloudEvent = isCloudEvent
    }

    package var source: Bytes { buffer[0..<Int(sourceEnd)] }
    package var detailType: Bytes { buffer[Int(sourceEnd)..<Int(detailTypeEnd)] }
    /// JSON text, byte for byte as the publisher sent it.
    package var detail: Bytes { buffer[Int(detailTypeEnd)..<Int(detailEnd)] }
    /// Each resource behind its length (little-endian UInt32).
    package var resources: Bytes { buffer[Int(detailEnd)..<Int(resourcesEnd)] }
    /// `TraceHeader`, empty when absent; of a CloudEvent its attributes.
    package var traceHeader: Bytes { buffer[Int(resourcesEnd)...] }

    /// Whether policies read the same of both: they see source and detail type, and no more of an entry.
    package func isAlike(_ other: Entry) -> Bool {
        guard sourceEnd == other.sourceEnd, detailTypeEnd == other.detailTypeEnd else { return false }
        return buffer.withUnsafeBufferPointer { own in
            other.buffer.withUnsafeBufferPointer { other in
                let end = Int(detailTypeEnd)
                return UnsafeBufferPointer(rebasing: own[..<end])
                    .hasSameBytes(as: UnsafeBufferPointer(rebasing: other[..<end]))
            }
        }
    }

    /// How many bytes each text has, in the order of the buffer: what a frame says of them.
    package var lengths: (source: Int, detailType: Int, detail: Int, resources: Int, traceHeader: Int) {
        (
            Int(sourceEnd), Int(detailTypeEnd - sourceEnd), Int(detailEnd - detailTypeEnd),
            Int(resourcesEnd - detailEnd), buffer.count - Int(resourcesEnd)
        )
    }

    /// EventBridge's size of an entry: 14 if `Time` + the UTF-8 bytes of Source, DetailType, Detail and each Resource.
    package var billedBytes: Int {
        (time == nil ? 0 : 14) + Int(detailEnd) + (Int(resourcesEnd) - Int(detailEnd)) - 4 * resourceCount
    }
}
