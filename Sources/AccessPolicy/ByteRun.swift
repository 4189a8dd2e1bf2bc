/// Comparing raw bytes.
enum ByteRun {
    @inline(__always)
    static func equal(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Bool {
        left.count == right.count && equal(left, right, count: left.count)
    }

    /// Whether the first `count` bytes are the same; both have as many.
    @inline(__always)
    static func equal(
        _ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>, count: Int
    ) -> Bool {
        guard count > 0, let left = left.baseAddress, let right = right.baseAddress else { return true }
        let rawLeft = UnsafeRawPointer(left)
        let rawRight = UnsafeRawPointer(right)
        var index = 0
        while index + 8 <= count {
            if rawLeft.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                != rawRight.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            {
                return false
            }
            index += 8
        }
        while index < count {
            if left[index] != right[index] { return false }
            index += 1
        }
        return true
    }
}
