import Glibc

/// Where the values of one object or array stand in a text, in order: for a value that is passed on byte for byte.
///
/// The text must be one that `JSONParser` has accepted; walk it in step with the parsed value.
///
/// - Cost: one look at each byte, in strings by `memchr`; no allocation.
package struct JSONTextValues {
    private let text: UnsafeBufferPointer<UInt8>
    private var place: Int
    private let isObject: Bool

    /// - Parameter start: where the container's bracket stands, spaces before it allowed.
    package init(_ text: UnsafeBufferPointer<UInt8>, container start: Int = 0) {
        self.text = text
        var place = start
        while place < text.count, Self.isSpace(text[place]) { place += 1 }
        isObject = place < text.count && text[place] == UInt8(ascii: "{")
        self.place = place + 1
    }

    /// The bytes of the next value; nil when there is no other.
    package mutating func next() -> Range<Int>? {
        skip { Self.isSpace($0) || $0 == UInt8(ascii: ",") }
        guard place < text.count, text[place] != UInt8(ascii: "}"), text[place] != UInt8(ascii: "]") else { return nil }
        if isObject {
            skipString()
            skip { Self.isSpace($0) || $0 == UInt8(ascii: ":") }
        }
        let start = place
        skipValue()
        return start..<place
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }

    private mutating func skip(while isSkipped: (UInt8) -> Bool) {
        while place < text.count, isSkipped(text[place]) { place += 1 }
    }

    private mutating func skipString() {
        guard let base = text.baseAddress else { return }
        var end = place + 1
        while end < text.count, let quote = memchr(base + end, Int32(UInt8(ascii: "\"")), text.count - end) {
            let found = UnsafeRawPointer(quote) - UnsafeRawPointer(base)
            // Behind an odd number of backslashes it is part of the string.
            var before = found
            while text[before - 1] == UInt8(ascii: "\\") { before -= 1 }
            end = found + 1
            guard (found - before) % 2 == 1 else {
                place = end
                return
            }
        }
        place = text.count
    }

    private mutating func skipValue() {
        var depth = 0
        while place < text.count {
            switch text[place] {
            case UInt8(ascii: "\""):
                skipString()
                if depth == 0 { return }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                // The end of the container around a number or word.
                if depth == 0 { return }
                depth -= 1
                if depth == 0 {
                    place += 1
                    return
                }
            case UInt8(ascii: ","), 0x20, 0x0A, 0x0D, 0x09:
                if depth == 0 { return }
            default: break
            }
            place += 1
        }
    }
}
