/// Matches text against a pattern with two pointers and no recursion: at most pattern × text steps.
///
/// In a compiled pattern the wildcards are two bytes that UTF-8 never holds, so that a literal `*` stays literal.
enum Glob {
    /// `*`: any characters, also none.
    static let anyRun: UInt8 = 0xFF
    /// `?`: exactly one character, of one to four bytes.
    static let anyOne: UInt8 = 0xFE

    /// Whether the whole `text` matches the whole `pattern`. Spends one of `steps` for each byte looked at and stops,
    /// not matching, when they are used up.
    static func matches(
        pattern: UnsafeBufferPointer<UInt8>, text: UnsafeBufferPointer<UInt8>, steps: inout Int
    ) -> Bool {
        var inPattern = 0
        var inText = 0
        var starInPattern = -1
        var starInText = 0
        while inText < text.count {
            steps -= 1
            if steps < 0 { return false }
            if inPattern < pattern.count {
                let wanted = pattern[inPattern]
                if wanted == anyRun {
                    starInPattern = inPattern
                    starInText = inText
                    inPattern += 1
                    if inPattern == pattern.count { return true }
                    continue
                }
                if wanted == anyOne {
                    inPattern += 1
                    inText += 1
                    while inText < text.count, text[inText] & 0xC0 == 0x80 { inText += 1 }
                    continue
                }
                if wanted == text[inText] {
                    inPattern += 1
                    inText += 1
                    continue
                }
            }
            guard starInPattern >= 0 else { return false }
            starInText += 1
            inText = starInText
            inPattern = starInPattern + 1
        }
        while inPattern < pattern.count, pattern[inPattern] == anyRun { inPattern += 1 }
        return inPattern == pattern.count
    }

    /// Matches an ARN part by part: a wildcard does not cross the first five colons, the sixth part may hold more.
    ///
    /// - Parameter ends: where the pattern's first five colons are; fewer than five never match.
    /// - Source:
    /// docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_ARN
    static func matchesARN(
        pattern: UnsafeBufferPointer<UInt8>, ends: ARNParts, text: UnsafeBufferPointer<UInt8>, parts: ARNParts,
        steps: inout Int
    ) -> Bool {
        guard ends.count == 5, parts.count == 5 else { return false }
        var patternStart = 0
        var textStart = 0
        for part in 0..<5 {
            let patternEnd = Int(ends.colons[part])
            let textEnd = Int(parts.colons[part])
            let matched = matches(
                pattern: UnsafeBufferPointer(rebasing: pattern[patternStart..<patternEnd]),
                text: UnsafeBufferPointer(rebasing: text[textStart..<textEnd]), steps: &steps)
            if !matched { return false }
            patternStart = patternEnd + 1
            textStart = textEnd + 1
        }
        return matches(
            pattern: UnsafeBufferPointer(rebasing: pattern[patternStart...]),
            text: UnsafeBufferPointer(rebasing: text[textStart...]), steps: &steps)
    }
}

/// Where the first five colons of an ARN are.
struct ARNParts {
    var colons = InlineArray<5, UInt32>(repeating: 0)
    var count = 0

    init() {}

    /// Looks for colons until five are found, spending a step for each byte.
    init(_ text: UnsafeBufferPointer<UInt8>, steps: inout Int) {
        for index in 0..<text.count where text[index] == UInt8(ascii: ":") {
            colons[count] = UInt32(truncatingIfNeeded: index)
            count += 1
            if count == 5 { break }
        }
        steps -= count == 5 ? Int(colons[4]) / 4 : text.count / 4
    }

    mutating func append(_ position: Int) {
        guard count < 5 else { return }
        colons[count] = UInt32(truncatingIfNeeded: position)
        count += 1
    }
}
