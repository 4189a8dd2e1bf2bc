/// Key derivation: one strong secret to many independent keys.
///
/// - Source: RFC 5869.
package enum HKDFSHA256 {
    /// The most one `info` can yield: 255 digests (RFC 5869 § 2.3).
    package static let outputBytesLimit = 255 * Digest.byteCount

    /// Extract, then expand.
    ///
    /// - Parameters:
    ///   - secret: the input keying material.
    ///   - salt: not secret; empty means 32 zero bytes.
    ///   - info: what the key is for; two uses of one secret differ here.
    ///   - count: 1 … 8 160 bytes.
    /// - Throws: `.wrongLength(.output, …)`.
    package static func derive(
        secret: [UInt8], salt: [UInt8], info: [UInt8], count: Int
    ) throws(CryptographyError) -> [UInt8] {
        try expand(extract(secret: secret, salt: salt), info: info, count: count)
    }

    /// The pseudorandom key of `secret` (RFC 5869 § 2.2).
    package static func extract(secret: [UInt8], salt: [UInt8]) -> Digest {
        HMACSHA256(key: salt).authenticate(secret)
    }

    /// `count` bytes of key for `info` (RFC 5869 § 2.3).
    ///
    /// - Throws: `.wrongLength(.output, …)` unless `count` is 1 … 8 160.
    package static func expand(_ key: Digest, info: [UInt8], count: Int) throws(CryptographyError) -> [UInt8] {
        guard (1...outputBytesLimit).contains(count) else {
            throw .wrongLength(.output, expected: outputBytesLimit, actual: count)
        }
        let mac = HMACSHA256(key: key)
        var output: [UInt8] = []
        output.reserveCapacity(count + Digest.byteCount)
        var previous: Digest?
        var counter: UInt8 = 1
        while output.count < count {
            var stream = mac.begin()
            if let previous { stream.update(previous) }
            stream.update(info)
            stream.update(byte: counter)
            let block = mac.finalize(stream)
            block.append(to: &output)
            previous = block
            counter &+= 1
        }
        output.removeLast(output.count - count)
        return output
    }
}
