import Cryptography

/// Writes a request target as the canonical request has it.
///
/// - Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
enum SigV4Target {
    /// The path and the query of a request target, without the `?`.
    static func split(
        _ target: UnsafeBufferPointer<UInt8>
    ) -> (path: UnsafeBufferPointer<UInt8>, query: UnsafeBufferPointer<UInt8>) {
        var end = 0
        while end < target.count, target[end] != UInt8(ascii: "?") { end += 1 }
        return (target.part(0..<end), target.part(min(end + 1, target.count)..<target.count))
    }

    /// Appends the canonical path of `path`, which begins with `/` and holds no `?`.
    static func appendPath(_ path: UnsafeBufferPointer<UInt8>, rules: SigV4Rules, to output: inout [UInt8]) {
        guard rules.normalizesPath else {
            append(path, encoding: rules.encodesPathAgain, to: &output)
            return
        }
        let root = output.count
        var position = 0
        while position < path.count {
            var end = position
            while end < path.count, path[end] != UInt8(ascii: "/") { end += 1 }
            appendSegment(UnsafeBufferPointer(rebasing: path[position..<end]), root: root, rules: rules, to: &output)
            position = end + 1
        }
        if output.count == root || path.last == UInt8(ascii: "/") { output.append(UInt8(ascii: "/")) }
    }

    private static func appendSegment(
        _ segment: UnsafeBufferPointer<UInt8>, root: Int, rules: SigV4Rules, to output: inout [UInt8]
    ) {
        let dot = UInt8(ascii: ".")
        if segment.isEmpty || (segment.count == 1 && segment[0] == dot) { return }
        if segment.count == 2, segment[0] == dot, segment[1] == dot {
            while output.count > root, output.removeLast() != UInt8(ascii: "/") {}
            return
        }
        output.append(UInt8(ascii: "/"))
        append(segment, encoding: rules.encodesPathAgain, to: &output)
    }

    private static func append(_ text: UnsafeBufferPointer<UInt8>, encoding: Bool, to output: inout [UInt8]) {
        guard encoding else {
            output.append(contentsOf: text)
            return
        }
        for byte in text {
            if byte == UInt8(ascii: "/") { output.append(byte) } else { appendEncoded(byte, to: &output) }
        }
    }

    /// Appends the canonical form of a query, without the `?`: each name and value percent-decoded and encoded again,
    /// sorted by name, then by value.
    ///
    /// `+` is itself and not a space; a pair without `=` gets one.
    static func appendQuery(_ query: UnsafeBufferPointer<UInt8>, to output: inout [UInt8]) {
        guard !query.isEmpty else { return }
        var encoded: [UInt8] = []
        var pairs: [(name: Range<Int>, value: Range<Int>)] = []
        for pair in query.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: false) {
            let end = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let start = encoded.count
            appendReencoded(pair[..<end], to: &encoded)
            let middle = encoded.count
            appendReencoded(pair[end...].dropFirst(), to: &encoded)
            pairs.append((start..<middle, middle..<encoded.count))
        }
        pairs.sort { left, right in
            if encoded[left.name].elementsEqual(encoded[right.name]) {
                return encoded[left.value].lexicographicallyPrecedes(encoded[right.value])
            }
            return encoded[left.name].lexicographicallyPrecedes(encoded[right.name])
        }
        for (index, pair) in pairs.enumerated() {
            if index > 0 { output.append(UInt8(ascii: "&")) }
            output.append(contentsOf: encoded[pair.name])
            output.append(UInt8(ascii: "="))
            output.append(contentsOf: encoded[pair.value])
        }
    }

    /// Whether the query carries authentication: a presigned URL's parameters or those of Signature Version 2.
    ///
    /// Names are compared decoded and without case, so that no spelling slips past.
    static func authenticates(_ query: UnsafeBufferPointer<UInt8>) -> Bool {
        guard !query.isEmpty else { return false }
        for pair in query.split(separator: UInt8(ascii: "&")) {
            var name: [UInt8] = []
            forEachDecoded(pair.prefix { $0 != UInt8(ascii: "=") }) { name.append(lowercased($0)) }
            if name.starts(with: "x-amz-".utf8) || name.elementsEqual("awsaccesskeyid".utf8)
                || name.elementsEqual("signature".utf8)
            {
                return true
            }
        }
        return false
    }

    private static func appendReencoded(_ text: Slice<UnsafeBufferPointer<UInt8>>, to output: inout [UInt8]) {
        forEachDecoded(text) { appendEncoded($0, to: &output) }
    }

    private static func forEachDecoded(_ text: Slice<UnsafeBufferPointer<UInt8>>, _ body: (UInt8) -> Void) {
        var index = text.startIndex
        while index < text.endIndex {
            if text[index] == UInt8(ascii: "%"), index + 2 < text.endIndex,
                let high = Hexadecimal.value(text[index + 1]), let low = Hexadecimal.value(text[index + 2])
            {
                body(high << 4 | low)
                index += 3
            } else {
                body(text[index])
                index += 1
            }
        }
    }

    private static func appendEncoded(_ byte: UInt8, to output: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            output.append(byte)
        default:
            let digits: StaticString = "0123456789ABCDEF"
            output.append(UInt8(ascii: "%"))
            output.append(digits.utf8Start[Int(byte >> 4)])
            output.append(digits.utf8Start[Int(byte & 15)])
        }
    }
}

/// The lower-case form of an ASCII letter; any other byte as it is.
func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}
