package import Domain

/// A key that says cheaply which segment of a table it stands in.
package protocol SegmentedKey: Hashable, Sendable {
    /// Bits that differ from key to key, the lowest above all. Equal keys have equal bits.
    var segmentBits: UInt { get }
}

/// A dictionary for snapshots: the next one, with one entry changed, copies one segment and not all that is in it.
///
/// Cost: a look-up is that of a dictionary and an index; a change after a copy is that of `segmentCount` references and
/// of the entries of one segment.
package struct SegmentedTable<Key: SegmentedKey, Value: Sendable>: Sendable {
    /// A power of two: with 10,000 entries a segment has about 40.
    package static var segmentCount: Int { 256 }

    private var segments: [[Key: Value]]
    package private(set) var count = 0

    package init() { segments = Array(repeating: [:], count: Self.segmentCount) }

    package var isEmpty: Bool { count == 0 }

    /// All values, in no order.
    package var values: some Swift.Sequence<Value> { segments.lazy.flatMap(\.values) }

    package subscript(key: Key) -> Value? {
        get { segments[Self.segment(of: key)][key] }
        set {
            let segment = Self.segment(of: key)
            let before = segments[segment].count
            segments[segment][key] = newValue
            count += segments[segment].count - before
        }
    }

    private static func segment(of key: Key) -> Int { Int(key.segmentBits & UInt(segmentCount - 1)) }
}

extension SegmentedTable: Equatable where Value: Equatable {}

extension AccountID: SegmentedKey {
    package var segmentBits: UInt { UInt(truncatingIfNeeded: value) }
}

extension EventBusID: SegmentedKey {
    package var segmentBits: UInt { account.segmentBits &+ name.description.lastBytesMixed }
}

extension PartnerEventSourceName: SegmentedKey {
    package var segmentBits: UInt { description.lastBytesMixed }
}

extension String {
    /// Its last eight bytes mixed: names of one owner differ at their ends.
    fileprivate var lastBytesMixed: UInt {
        var mixed = UInt(utf8.count)
        for byte in utf8.suffix(8) { mixed = mixed &* 31 &+ UInt(byte) }
        return mixed ^ (mixed >> 8)
    }
}
