import Foundation

/// One Swift file, as lines, and once more with comments and strings blanked so that rules about code see code only.
struct SourceText {
    /// Relative to the repository: `Sources/Domain/ARN.swift`.
    let path: String
    let lines: [String]
    /// As `lines`, with the content of strings and comments replaced by spaces.
    let code: [String]

    init(path: String, text: String) {
        self.path = path
        var trimmed = text.components(separatedBy: "\n")
        if trimmed.last == "" { trimmed.removeLast() }
        lines = trimmed
        var blanker = Blanker(Array(text.utf8))
        code = String(decoding: blanker.blanked(), as: UTF8.self).components(separatedBy: "\n")
    }

    /// A function, initializer or deinitializer with a body.
    struct Function {
        let name: String
        /// 1 is the first line.
        let firstLine: Int
        let lastLine: Int
        let attributes: String
        var length: Int { lastLine - firstLine + 1 }
    }

    /// Every function with a body, nested ones too.
    var functions: [Function] {
        var found: [Function] = []
        for (index, line) in code.enumerated() {
            guard let match = line.firstMatch(of: Self.declaration) else { continue }
            let name = match.output.1.map(String.init) ?? "init"
            let start = line.distance(from: line.startIndex, to: match.range.upperBound)
            guard let last = bodyEnd(line: index, column: start) else { continue }
            let attributes = attributes(above: index) + line
            found.append(Function(name: name, firstLine: index + 1, lastLine: last + 1, attributes: attributes))
        }
        return found
    }

    /// The lines that belong to a declaration: up to an empty line, the end of what stands before it, or the beginning
    /// of what it stands in.
    private func attributes(above index: Int) -> String {
        var first = index
        while first > 0 {
            let above = code[first - 1].trimmingCharacters(in: .whitespaces)
            if above.isEmpty || above == "}" || above.hasSuffix("{") { break }
            first -= 1
        }
        return code[first..<index].joined(separator: "\n")
    }

    /// The code of a function.
    func body(_ function: Function) -> String {
        code[(function.firstLine - 1)..<function.lastLine].joined(separator: "\n")
    }

    nonisolated(unsafe) private static let declaration =
        /\b(?:func\s+([A-Za-z_][A-Za-z0-9_]*|[^\sA-Za-z(]+)|init[?!]?(?=\s*[(<])|deinit\b)/
    nonisolated(unsafe) private static let nextDeclaration =
        /^\s*(?:@\w+\s+)*(?:(?:file)?private |package |static )*(?:func|var|let|init|case|struct|enum|class)\b/

    /// The line of the brace that closes the body beginning after a declaration; nil when there is no body.
    private func bodyEnd(line: Int, column: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for index in line..<code.count {
            if index > line, braces == 0, parentheses == 0, code[index].contains(Self.nextDeclaration) { return nil }
            let text = index == line ? String(code[index].dropFirst(column)) : code[index]
            for character in text.utf8 {
                switch character {
                case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
                case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
                case UInt8(ascii: "{") where parentheses == 0 || braces > 0: braces += 1
                case UInt8(ascii: "}") where parentheses == 0 || braces > 0:
                    braces -= 1
                    if braces == 0 { return index }
                    if braces < 0 { return nil }
                default: break
                }
                if parentheses < 0, braces == 0 { return nil }
            }
        }
        return nil
    }
}

/// Replaces what stands in comments and string literals by spaces, line feeds kept.
private struct Blanker {
    private let bytes: [UInt8]
    private var output: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        output = bytes
    }

    mutating func blanked() -> [UInt8] {
        code(until: nil)
        return output
    }

    private func has(_ text: StaticString, at place: Int) -> Bool {
        let count = text.utf8CodeUnitCount
        guard place + count <= bytes.count else { return false }
        for offset in 0..<count where bytes[place + offset] != text.utf8Start[offset] { return false }
        return true
    }

    private mutating func blank() {
        if bytes[index] != 0x0A { output[index] = 0x20 }
        index += 1
    }

    /// Passes over code; with `until` 0x29 to the parenthesis that closes an interpolation.
    private mutating func code(until end: UInt8?) {
        var depth = 0
        while index < bytes.count {
            if has("//", at: index) {
                while index < bytes.count, bytes[index] != 0x0A { blank() }
            } else if has("/*", at: index) {
                comment()
            } else if bytes[index] == 0x22 || (bytes[index] == 0x23 && isRawString) {
                string()
            } else {
                if bytes[index] == 0x28 { depth += 1 }
                if bytes[index] == 0x29 {
                    if depth == 0, end != nil { return }
                    depth -= 1
                }
                index += 1
            }
        }
    }

    private mutating func comment() {
        var depth = 0
        while index < bytes.count {
            if has("/*", at: index) {
                depth += 1
                blank()
            } else if has("*/", at: index) {
                depth -= 1
                blank()
                if depth == 0 {
                    blank()
                    return
                }
            }
            if index < bytes.count { blank() }
        }
    }

    private var isRawString: Bool {
        var place = index
        while place < bytes.count, bytes[place] == 0x23 { place += 1 }
        return place < bytes.count && bytes[place] == 0x22
    }

    private mutating func string() {
        var pounds = 0
        while bytes[index] == 0x23 {
            pounds += 1
            index += 1
        }
        let isMultiline = has("\"\"\"", at: index)
        index += isMultiline ? 3 : 1
        while index < bytes.count {
            if bytes[index] == 0x5C, closes(pounds, at: index + 1) {
                let escaped = index + 1 + pounds
                if escaped < bytes.count, bytes[escaped] == 0x28 {
                    index = escaped + 1
                    code(until: 0x29)
                    if index < bytes.count { index += 1 }
                } else {
                    while index <= escaped, index < bytes.count { blank() }
                }
            } else if isMultiline ? has("\"\"\"", at: index) : bytes[index] == 0x22 {
                let width = isMultiline ? 3 : 1
                if closes(pounds, at: index + width) {
                    index += width + pounds
                    return
                }
                blank()
            } else if !isMultiline, bytes[index] == 0x0A {
                return
            } else {
                blank()
            }
        }
    }

    private func closes(_ pounds: Int, at place: Int) -> Bool {
        guard place + pounds <= bytes.count else { return false }
        return bytes[place..<(place + pounds)].allSatisfy { $0 == 0x23 }
    }
}
