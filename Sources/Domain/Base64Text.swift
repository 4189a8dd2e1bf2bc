/// Base64 in its one canonical spelling: with its padding, without spaces, unused bits zero. A second spelling of
/// the same
/// bytes would be a changed message that still verifies.
///
/// - Source: RFC 4648 §§ 3.5, 4
package enum Base64Text {
    /// The bytes that `text` writes, or nil.
    package static func bytes(_ text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        var payload = text[...]
        for _ in 0..<2 where payload.last == UInt8(ascii: "=") { payload = payload.dropLast() }
        return decode(payload)
    }

    /// The bytes that `text` writes, or nil: read where they lie.
    package static func bytes(_ text: Bytes) -> [UInt8]? {
        guard text.count.isMultiple(of: 4) else { return nil }
        return text.withUnsafeBufferPointer { text in
            var count = text.count
            for _ in 0..<2 where count > 0 && text[count - 1] == UInt8(ascii: "=") { count -= 1 }
            return decodeBuffer(UnsafeBufferPointer(rebasing: text[..<count]))
        }
    }

    /// The bytes that `text` writes with or without its padding, or nil: for secrets as their vendors show them.
    package static func bytes(unpadded text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        var payload = text[...]
        for _ in 0..<2 where payload.last == UInt8(ascii: "=") { payload = payload.dropLast() }
        return decode(payload)
    }

    /// Appends the text of `bytes`.
    package static func append(_ bytes: [UInt8], to output: inout [UInt8]) {
        output.reserveCapacity(output.count + (bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            var word: UInt32 = 0
            for index in 0..<3 { word = word << 8 | (index < count ? UInt32(bytes[start + index]) : 0) }
            for digit in 0..<4 {
                output.append(
                    digit <= count ? character(UInt8(word >> UInt32(18 - 6 * digit) & 63)) : UInt8(ascii: "="))
            }
        }
    }

    /// The text of `bytes`, with its padding.
    package static func text(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        append(bytes, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// The bytes that `text` writes in the alphabet for URLs, without padding; nil for any other spelling of them.
    ///
    /// - Source: RFC 4648 § 5
    package static func bytes(url text: some BidirectionalCollection<UInt8>) -> [UInt8]? {
        var plain: [UInt8] = []
        plain.reserveCapacity(text.count)
        for character in text {
            switch character {
            case UInt8(ascii: "-"): plain.append(UInt8(ascii: "+"))
            case UInt8(ascii: "_"): plain.append(UInt8(ascii: "/"))
            case UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "="): return nil
            default: plain.append(character)
            }
        }
        return decode(plain)
    }

    /// The text of `bytes` in the alphabet for URLs, without padding.
    package static func url(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        append(bytes, to: &output)
        for index in output.indices {
            if output[index] == UInt8(ascii: "+") { output[index] = UInt8(ascii: "-") }
            if output[index] == UInt8(ascii: "/") { output[index] = UInt8(ascii: "_") }
        }
        return String(decoding: output.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
    }

    private static func decode(_ payload: some Collection<UInt8>) -> [UInt8]? {
        if let bytes = payload.withContiguousStorageIfAvailable(decodeBuffer) { return bytes }
        return Array(payload).withUnsafeBufferPointer(decodeBuffer)
    }

    private static func decodeBuffer(_ payload: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
        guard payload.count % 4 != 1 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(payload.count / 4 * 3 + 2)
        var buffer: UInt32 = 0
        var bits: UInt32 = 0
        for character in payload {
            guard let value = value(character) else { return nil }
            buffer = buffer << 6 | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: buffer >> bits))
                buffer &= (1 << bits) - 1
            }
        }
        return buffer == 0 ? bytes : nil
    }

    private static func value(_ character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }

    private static func character(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + value - 26
        case 52..<62: UInt8(ascii: "0") + value - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }
}
