import Cryptography
import Domain

/// Reads little-endian fields from bytes that a disk may have changed: past the end, or over a length, everything is
/// `nil`.
struct ByteCursor {
    private let bytes: Bytes
    private(set) var position: Int

    init(_ bytes: Bytes) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    var isAtEnd: Bool { position == bytes.endIndex }

    mutating func integer<Value: FixedWidthInteger>(_: Value.Type) -> Value? {
        let size = MemoryLayout<Value>.size
        guard bytes.endIndex - position >= size else { return nil }
        let offset = position - bytes.startIndex
        position += size
        return bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self)) }
    }

    mutating func slice(_ count: Int) -> Bytes? {
        guard count >= 0, bytes.endIndex - position >= count else { return nil }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// Bytes behind their length in two bytes.
    mutating func shortSlice() -> Bytes? {
        guard let count = integer(UInt16.self) else { return nil }
        return slice(Int(count))
    }

    mutating func uniqueID() -> UniqueID? {
        guard let high = integer(UInt64.self), let low = integer(UInt64.self) else { return nil }
        return UniqueID(high: high, low: low)
    }

    mutating func digest() -> Digest? {
        guard let bytes = slice(Digest.byteCount) else { return nil }
        do throws(CryptographyError) { return try Digest(bytes) } catch { return nil }
    }
}

extension Array where Element == UInt8 {
    @inline(__always)
    mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }

    /// Appends `text` behind its length in two bytes; the caller keeps it below 65,536 bytes.
    mutating func append(short text: some Collection<UInt8>) {
        append(littleEndian: UInt16(text.count))
        append(contentsOf: text)
    }

    mutating func append(_ id: UniqueID) {
        append(littleEndian: id.high)
        append(littleEndian: id.low)
    }
}
