import Yams

/// A place in a configuration file: the node, how it is called from the root, and where to report what is wrong.
///
/// Types are strict: `8443` is a number, `"8443"` a text, `true` a boolean, and nothing is converted in silence. The
/// one exception is asked for by name: `digits()`, for account ids and hashes, takes either spelling.
struct YAMLValue {
    let node: Node
    /// `listeners[0].port`; empty for the document.
    let path: String
    let file: String
    let findings: Findings

    /// 1 is the first line.
    var line: Int { node.mark?.line ?? 1 }

    func error(_ message: String, _ advice: String) { findings.error(file, line, message, advice) }
    func warning(_ message: String, _ advice: String) { findings.warning(file, line, message, advice) }

    /// Reports that this should have been something else. Returns nil, so that a reader ends with it.
    func wrongType<T>(_ wanted: String, _ advice: String) -> T? {
        error("`\(path)` must be \(wanted), found \(kindName)", advice)
        return nil
    }

    /// What this is, in words.
    var kindName: String {
        switch node {
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        case .scalar:
            switch scalar {
            case .none, .absent: "nothing"
            case .number(let text): "the number `\(text)`"
            case .boolean(let value): "the boolean `\(value)`"
            case .text(let text): "the text `\(text.prefix(80))`"
            }
        }
    }

    /// A scalar by this file format's own strict rules: only unquoted decimal digits are a number, only `true` and
    /// `false` booleans, only an empty value, `~` and `null` absent.
    enum Scalar: Equatable {
        case absent
        case number(String)
        case boolean(Bool)
        case text(String)
    }

    /// What the scalar here says; nil for a list or mapping.
    var scalar: Scalar? {
        guard let scalar = node.scalar else { return nil }
        guard scalar.style == .plain || scalar.style == .any else { return .text(scalar.string) }
        switch scalar.string {
        case "", "~", "null": return .absent
        case "true": return .boolean(true)
        case "false": return .boolean(false)
        default:
            let digits = scalar.string.hasPrefix("-") ? scalar.string.dropFirst() : scalar.string[...]
            let isNumber = !digits.isEmpty && digits.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
            return isNumber ? .number(scalar.string) : .text(scalar.string)
        }
    }

    /// A text that is not empty.
    func text() -> String? {
        switch scalar {
        case .text(let text) where !text.isEmpty: return text
        case .number(let text): return wrongType("a text", "write \"\(text)\" in quotes")
        case .boolean(let value): return wrongType("a text", "write \"\(value)\" in quotes")
        case .text, .absent: return wrongType("a text", "give it a value or remove the key")
        case .none: return wrongType("a text", "write one value, such as `\(lastKey): …`")
        }
    }

    /// Characters as written, quoted or not: account ids and hashes.
    func digits() -> String? {
        switch scalar {
        case .text(let text), .number(let text): return text
        default: return wrongType("digits", "write them in quotes")
        }
    }

    /// A whole number in `range`.
    func integer(in range: ClosedRange<Int>) -> Int? {
        guard case .number(let text)? = scalar else {
            return wrongType(
                "a whole number", "write a number from \(range.lowerBound) to \(range.upperBound), without quotes")
        }
        guard let number = Int(text), range.contains(number) else {
            error(
                "`\(path)` is \(text)", "write a number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    /// `true` or `false`.
    func boolean() -> Bool? {
        guard case .boolean(let value)? = scalar else { return wrongType("true or false", "write `true` or `false`") }
        return value
    }

    /// One of the words of `Choice`.
    func choice<Choice: RawRepresentable & CaseIterable>(_ type: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        guard let text = text() else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map { "`\($0.rawValue)`" }
        error("`\(path)` cannot be `\(text)`", "write \(words.joined(separator: " or "))")
        return nil
    }

    /// The elements of a list.
    func list() -> [YAMLValue]? {
        guard let sequence = node.sequence else {
            return wrongType("a list", "put the values in brackets, or one on a line behind `- `")
        }
        return sequence.enumerated().map { index, node in
            YAMLValue(node: node, path: "\(path)[\(index)]", file: file, findings: findings)
        }
    }

    /// The members of a mapping whose keys must be among `keys`; every other key is reported.
    func mapping(_ keys: [String]) -> YAMLMapping? { YAMLMapping(self, keys: keys) }

    /// The members of a mapping with keys of the operator's own, such as tags.
    func members() -> [(key: String, value: YAMLValue)]? {
        guard let mapping = node.mapping else { return wrongType("a mapping", "write `key: value`") }
        return mapping.compactMap { key, value in
            guard let name = key.scalar?.string, !name.isEmpty else {
                error("a key of `\(path)` is not a text", "write `key: value`")
                return nil
            }
            return (name, YAMLValue(node: value, path: "\(path).\(name)", file: file, findings: findings))
        }
    }

    private var lastKey: Substring { path.split(separator: ".").last ?? "key" }
}

extension YAMLValue {
    /// Reads one document.
    ///
    /// - Returns: nil after a report: not UTF-8, not YAML that is taken, a key twice, more or fewer
    ///   documents than one.
    init?(reading bytes: [UInt8], file: String, findings: Findings) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            findings.error(file, 1, "the file is not UTF-8", "save it as UTF-8")
            return nil
        }
        do throws(YAMLDocument.Refusal) {
            guard let root = try YAMLDocument.root(text) else {
                findings.error(file, 1, "the file is empty", "see config/isthmus.yaml for what it holds")
                return nil
            }
            self.init(node: root, path: "", file: file, findings: findings)
        } catch {
            findings.error(file, error.line, error.problem, error.advice)
            return nil
        }
    }
}
