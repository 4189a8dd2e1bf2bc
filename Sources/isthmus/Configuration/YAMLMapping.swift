import Yams

/// The members of a mapping whose keys are known.
struct YAMLMapping {
    let value: YAMLValue
    private let keys: [String]
    private let members: [String: YAMLValue]

    /// Reads the keys and reports each that is not among `keys`; nil, after a report, when `value` is no mapping.
    init?(_ value: YAMLValue, keys: [String]) {
        guard let mapping = value.node.mapping else {
            let wanted = keys.prefix(3).joined(separator: "`, `")
            value.error(
                "`\(value.path.isEmpty ? "the file" : value.path)` must be a mapping, found \(value.kindName)",
                "write keys such as `\(wanted)`")
            return nil
        }
        var members: [String: YAMLValue] = [:]
        for (key, node) in mapping {
            let name = key.scalar?.string ?? ""
            let path = value.path.isEmpty ? name : "\(value.path).\(name)"
            if keys.contains(name) {
                members[name] = YAMLValue(node: node, path: path, file: value.file, findings: value.findings)
            } else if !value.findings.hasAllErrors {
                Self.reportUnknown(name, at: key.mark?.line ?? value.line, in: value, keys: keys)
            }
        }
        self.value = value
        self.keys = keys
        self.members = members
    }

    private static func reportUnknown(_ name: String, at line: Int, in value: YAMLValue, keys: [String]) {
        let place = value.path.isEmpty ? "" : " in `\(value.path)`"
        let advice =
            Suggestion.nearest(to: name, among: keys).map { "did you mean `\($0)`?" }
            ?? "the keys here are \(keys.map { "`\($0)`" }.joined(separator: ", "))"
        value.findings.error(value.file, line, "unknown key `\(name)`\(place)", advice)
    }

    /// The value of a key that may be left out.
    subscript(key: String) -> YAMLValue? {
        precondition(keys.contains(key), "`\(key)` is not declared")
        return members[key]
    }

    /// The value of a key that must be there; its absence is reported with `example`.
    func required(_ key: String, _ example: String) -> YAMLValue? {
        if let member = self[key] { return member }
        let place = value.path.isEmpty ? "" : " in `\(value.path)`"
        value.error("`\(key)` is missing\(place)", "write `\(key): \(example)`")
        return nil
    }
}
