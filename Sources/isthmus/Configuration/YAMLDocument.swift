import Yams

/// Composes the one document of a YAML text at a cost that grows with its length alone.
///
/// An alias stands for all that its anchor holds, and a key that is marked by `?` may be of any size and is compared
/// with its neighbours as a whole: a few hundred bytes of either make work for years. Neither is taken. Only the parser
/// knows what is quoted, a comment or part of a longer text, so it is asked: with each `*` and `?` replaced by a letter
/// that may begin a text, an alias or a marked key reads as a text that begins with this letter.
/// Source: YAML 1.2.2 § 6.9.2, § 7.1, § 8.2.2.
enum YAMLDocument {
    /// What is wrong, where (1 is the first line), and what to write instead.
    struct Refusal: Error, Equatable {
        let line: Int
        let problem: String
        let advice: String
    }

    /// How deep lists and mappings may stand in each other: more than twice what a configuration with a policy in it
    /// needs.
    static let maximumDepth = 32

    /// Stands for `*` and `?`: of the private use area, so that nobody's text holds it by chance.
    private static let alias: Character = "\u{E02A}"
    private static let key: Character = "\u{E03F}"

    /// - Returns: nil when the text holds nothing.
    static func root(_ text: String) throws(Refusal) -> Node? {
        guard let bytes = marked(text) else { return try checked(text) }
        guard try checked(String(decoding: bytes, as: UTF8.self), isMarked: true) != nil else { return nil }
        return try checked(text)
    }

    /// The text with the letters in place; nil when there is no place for them.
    private static func marked(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var isMarked = false
        for byte in text.utf8 {
            switch byte {
            case 0x2A: bytes += alias.utf8
            case 0x3F: bytes += key.utf8
            default: bytes.append(byte)
            }
            isMarked = isMarked || byte == 0x2A || byte == 0x3F
        }
        return isMarked ? bytes : nil
    }

    private static func checked(_ text: String, isMarked: Bool = false) throws(Refusal) -> Node? {
        guard let root = try composed(text) else { return nil }
        var waiting = [(node: root, depth: 1)]
        while let (node, depth) = waiting.popLast() {
            let line = node.mark?.line ?? 1
            guard depth <= maximumDepth else {
                throw Refusal(
                    line: line, problem: "the file is nested deeper than \(maximumDepth) levels",
                    advice: "write it flat")
            }
            switch node {
            case .scalar(let scalar):
                if isMarked { try requireText(scalar, line) }
            case .sequence(let sequence): waiting += sequence.reversed().map { ($0, depth + 1) }
            case .mapping(let mapping):
                for (key, value) in mapping.reversed() {
                    guard key.scalar != nil else {
                        throw Refusal(
                            line: key.mark?.line ?? line, problem: "a key is a list or mapping", advice: "write a text")
                    }
                    waiting += [(value, depth + 1), (key, depth + 1)]
                }
            case .alias: throw aliasRefusal(line)
            }
        }
        return root
    }

    private static func requireText(_ scalar: Node.Scalar, _ line: Int) throws(Refusal) {
        guard scalar.style == .plain || scalar.style == .any else { return }
        switch scalar.string.first {
        case alias: throw aliasRefusal(line)
        case key:
            throw Refusal(
                line: line, problem: "a text that begins with `?` marks a key",
                advice: "write `key: value`, and a text that begins with `?` in quotes")
        default: return
        }
    }

    private static func aliasRefusal(_ line: Int) -> Refusal {
        Refusal(
            line: line, problem: "a text that begins with `*` is an alias, and aliases are not taken",
            advice: "write out what it stands for, and a text that begins with `*` in quotes")
    }

    private static func composed(_ text: String) throws(Refusal) -> Node? {
        do {
            return try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            let (line, problem) = error.place
            let written = problem.replacing(String(alias), with: "*").replacing(String(key), with: "?")
            throw Refusal(line: line, problem: written, advice: "correct the YAML")
        } catch {
            throw Refusal(line: 1, problem: "the file cannot be read as YAML", advice: "correct the YAML")
        }
    }
}

extension YamlError {
    /// The line, 1 being the first, and what is wrong there.
    fileprivate var place: (line: Int, problem: String) {
        switch self {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let opening = context.map { "\($0.text.trimmingPrefix { $0 == " " }): " } ?? ""
            return (mark.line, opening + problem)
        case .duplicatedKeysInMapping(let keys, let context):
            let names = keys.map { "`\($0)`" }.joined(separator: ", ")
            return (context.mark.line, "a mapping names \(names) twice")
        case .reader(let problem, _, _, _): return (1, problem)
        default: return (1, "the file cannot be read as YAML")
        }
    }
}
