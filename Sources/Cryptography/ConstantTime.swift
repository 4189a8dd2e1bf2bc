import COpenSSL

/// Comparisons whose time does not depend on where the bytes differ. The counts are not secret.
package enum ConstantTime {
    /// Whether both hold the same bytes; false at once when the counts differ.
    package static func isEqual(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard left.count == right.count else { return false }
        guard let first = left.baseAddress, let second = right.baseAddress else { return true }
        return CRYPTO_memcmp(first, second, left.count) == 0
    }

    /// Whether both hold the same bytes; false at once when the counts differ.
    package static func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withUnsafeBytes { first in right.withUnsafeBytes { second in isEqual(first, second) } }
    }

    /// Whether both digests are the same.
    package static func isEqual(_ left: Digest, _ right: Digest) -> Bool {
        left.withUnsafeBytes { first in right.withUnsafeBytes { second in isEqual(first, second) } }
    }
}
