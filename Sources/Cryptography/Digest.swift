/// A 256-bit value stored inline: a SHA-256 digest, an HMAC, a fingerprint, a Merkle hash.
///
/// `==` and `hash(into:)` are for public values (table keys, tree nodes); compare a secret with `ConstantTime`.
package struct Digest: Hashable, Sendable {
    /// Bytes in a digest: 32.
    package static let byteCount = 32

    /// 32 zero bytes.
    package static let zero = Digest()

    /// The bytes in memory order, not big-endian numbers.
    var words: (UInt64, UInt64, UInt64, UInt64)

    init() { words = (0, 0, 0, 0) }

    /// The digest whose bytes are `bytes`.
    ///
    /// - Parameter bytes: exactly 32 bytes; copied.
    /// - Throws: `.wrongLength(.digest, …)`.
    package init(_ bytes: UnsafeRawBufferPointer) throws(CryptographyError) {
        guard bytes.count == Self.byteCount else {
            throw .wrongLength(.digest, expected: Self.byteCount, actual: bytes.count)
        }
        self.init()
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
    }

    /// The digest whose bytes are `bytes`, 32 of them.
    ///
    /// - Throws: `.wrongLength(.digest, …)`.
    package init(_ bytes: [UInt8]) throws(CryptographyError) {
        try self.init(bytes[...])
    }

    /// The digest whose bytes are `bytes`, 32 of them.
    ///
    /// - Throws: `.wrongLength(.digest, …)`.
    package init(_ bytes: ArraySlice<UInt8>) throws(CryptographyError) {
        guard bytes.count == Self.byteCount else {
            throw .wrongLength(.digest, expected: Self.byteCount, actual: bytes.count)
        }
        self.init()
        bytes.withUnsafeBytes { source in
            withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: source) }
        }
    }

    /// The digest written as 64 hexadecimal digits, either case.
    ///
    /// - Returns: nil for any other length or character.
    package init?(hexadecimal text: some Sequence<UInt8>) {
        self.init()
        var position = 0
        let isWhole = withUnsafeMutableBytes(of: &words) { bytes in
            for character in text {
                guard position < 2 * Self.byteCount, let nibble = Hexadecimal.value(character) else { return false }
                let index = position >> 1
                bytes[index] = position & 1 == 0 ? nibble << 4 : bytes[index] | nibble
                position += 1
            }
            return position == 2 * Self.byteCount
        }
        if !isWhole { return nil }
    }

    /// Lends the 32 bytes for the length of the call.
    package func withUnsafeBytes<Result: ~Copyable, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let copy = words
        return try Swift.withUnsafeBytes(of: copy) { (bytes) throws(Failure) in try body(bytes) }
    }

    /// The 32 bytes in a new array.
    package var bytes: [UInt8] { withUnsafeBytes { [UInt8]($0) } }

    /// Appends the 32 bytes to `output`.
    package func append(to output: inout [UInt8]) {
        withUnsafeBytes { output.append(contentsOf: $0) }
    }

    /// Appends 64 lower-case hexadecimal digits to `output`.
    package func appendHexadecimal(to output: inout [UInt8]) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 2 * Self.byteCount) { text in
            withUnsafeBytes { bytes in
                for index in 0..<Self.byteCount {
                    text[2 * index] = Hexadecimal.digit(bytes[index] >> 4)
                    text[2 * index + 1] = Hexadecimal.digit(bytes[index] & 15)
                }
            }
            output.append(contentsOf: text)
        }
    }

    /// 64 lower-case hexadecimal digits; for logs and command output, not for the hot path.
    package var hexadecimal: String {
        var text: [UInt8] = []
        appendHexadecimal(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    package static func == (left: Digest, right: Digest) -> Bool {
        left.words.0 == right.words.0 && left.words.1 == right.words.1 && left.words.2 == right.words.2
            && left.words.3 == right.words.3
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(words.2)
        hasher.combine(words.3)
    }

    /// Runs `fill` on 32 writable bytes and returns them as a digest.
    static func make(_ fill: (UnsafeMutablePointer<UInt8>) -> Void) -> Digest {
        var digest = Digest()
        withUnsafeMutableBytes(of: &digest.words) { bytes in
            fill(bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
        return digest
    }
}

extension Digest: CustomStringConvertible {
    package var description: String { hexadecimal }
}
