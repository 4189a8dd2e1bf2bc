/// A value of a policy split into literal runs, wildcards and variables.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
struct PatternText: Equatable {
    enum Piece: Equatable {
        /// Literal bytes, with wildcards as `Glob.anyRun` and `Glob.anyOne`.
        case bytes([UInt8])
        case variable(key: String, fallback: String?)
    }

    var pieces: [Piece]

    /// Reads `text`; `nil` when a variable is broken.
    ///
    /// - Parameters:
    ///   - wildcards: whether `*` and `?` are wildcards.
    ///   - variables: whether `${…}` is read; otherwise it is plain text.
    init?(_ text: String, wildcards: Bool, variables: Bool) {
        var pieces: [Piece] = []
        var run: [UInt8] = []
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if variables, byte == UInt8(ascii: "$"), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "{") {
                guard let end = Self.closingBrace(bytes, from: index + 2) else { return nil }
                let inside = bytes[(index + 2)..<end]
                index = end + 1
                if inside.count == 1, let only = inside.first, "*?$".utf8.contains(only) {
                    run.append(only)
                    continue
                }
                guard let variable = Self.variable(String(decoding: inside, as: UTF8.self)) else { return nil }
                if !run.isEmpty { pieces.append(.bytes(run)) }
                run = []
                pieces.append(variable)
                continue
            }
            switch byte {
            case UInt8(ascii: "*") where wildcards: run.append(Glob.anyRun)
            case UInt8(ascii: "?") where wildcards: run.append(Glob.anyOne)
            default: run.append(byte)
            }
            index += 1
        }
        if !run.isEmpty || pieces.isEmpty { pieces.append(.bytes(run)) }
        self.pieces = pieces
    }

    var holdsVariables: Bool {
        pieces.contains { if case .variable = $0 { true } else { false } }
    }

    /// The bytes of a pattern without variables.
    var plainBytes: [UInt8] {
        pieces.flatMap { piece -> [UInt8] in
            if case .bytes(let bytes) = piece { bytes } else { [] }
        }
    }

    /// The bytes before the first wildcard or variable, and whether that is the whole text.
    var literalPrefix: (bytes: [UInt8], isWhole: Bool) {
        guard case .bytes(let first)? = pieces.first else { return ([], false) }
        let prefix = Array(first.prefix { $0 != Glob.anyRun && $0 != Glob.anyOne })
        return (prefix, pieces.count == 1 && prefix.count == first.count)
    }

    /// Whether there are the five colons that `Glob.matchesARN` needs, those of variables not counted, and what stands
    /// before the first can be `arn`, a variable being anything.
    var canMatchARN: Bool {
        let bytes = pieces.flatMap { piece -> [UInt8] in
            if case .bytes(let bytes) = piece { bytes } else { [Glob.anyRun] }
        }
        let parts = bytes.split(separator: UInt8(ascii: ":"), maxSplits: 5, omittingEmptySubsequences: false)
        guard parts.count == 6 else { return false }
        var steps = Int.max
        return Array(parts[0]).withUnsafeBufferPointer { first in
            Array("arn".utf8).withUnsafeBufferPointer { Glob.matches(pattern: first, text: $0, steps: &steps) }
        }
    }

    /// A brace inside the quotes of a default does not close.
    private static func closingBrace(_ bytes: [UInt8], from start: Int) -> Int? {
        var isQuoted = false
        for index in start..<bytes.count {
            if bytes[index] == UInt8(ascii: "'") { isQuoted.toggle() }
            if bytes[index] == UInt8(ascii: "}"), !isQuoted { return index }
        }
        return nil
    }

    private static func variable(_ inside: String) -> Piece? {
        var key = inside[...]
        var fallback: String?
        if let comma = inside.firstIndex(of: ",") {
            key = inside[..<comma]
            var rest = inside[inside.index(after: comma)...]
            while rest.first == " " { rest = rest.dropFirst() }
            while rest.last == " " { rest = rest.dropLast() }
            guard rest.utf8.count >= 2, rest.first == "'", rest.last == "'" else { return nil }
            rest = rest.dropFirst().dropLast()
            guard !rest.contains("'") else { return nil }
            fallback = String(rest)
        }
        while key.last == " " { key = key.dropLast() }
        guard ConditionKeyText.isValid(String(key)) else { return nil }
        return .variable(key: String(key), fallback: fallback)
    }
}

/// The form of a condition key: `service:name`, a tag's name after a slash.
enum ConditionKeyText {
    static let longest = 512

    static func isValid(_ text: String) -> Bool {
        guard text.utf8.count <= longest, let colon = text.firstIndex(of: ":") else { return false }
        let service = text[..<colon]
        let name = text[text.index(after: colon)...]
        return !service.isEmpty && !name.isEmpty
            && service.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
            && name.utf8.allSatisfy { $0 >= 0x20 && $0 != UInt8(ascii: "$") && $0 != 0x7F }
            && !name.hasPrefix(" ") && !name.hasSuffix("/")
    }

    static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }
}
