/// Patterns in which `*` is any run of characters, also none.
enum Wildcard {
    /// Linear in the text for each `*`; compares bytes.
    static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var (inPattern, inText) = (0, 0)
        var star: (inPattern: Int, inText: Int)?
        while inText < text.count {
            if inPattern < pattern.count, pattern[inPattern] == UInt8(ascii: "*") {
                star = (inPattern, inText)
                inPattern += 1
            } else if inPattern < pattern.count, pattern[inPattern] == text[inText] {
                inPattern += 1
                inText += 1
            } else if let last = star {
                star = (last.inPattern, last.inText + 1)
                (inPattern, inText) = (last.inPattern + 1, last.inText + 1)
            } else {
                return false
            }
        }
        return pattern[inPattern...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
