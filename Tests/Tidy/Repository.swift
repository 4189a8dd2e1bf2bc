import Foundation

/// The checkout the tests were built from.
struct Repository {
    let root: URL
    /// Every Swift file under Sources and Tests.
    let swift: [SourceText]
    let exemptions: Exemptions

    static let current = Repository()

    private init() {
        let here = URL(filePath: #filePath).resolvingSymlinksInPath()
        root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let root = root
        swift = Self.files(below: root, ["Sources", "Tests"]).filter { $0.hasSuffix(".swift") }.compactMap { path in
            Self.text(root.appending(path: path)).map { SourceText(path: path, text: $0) }
        }
        exemptions = Exemptions(Self.text(root.appending(path: "Tests/Tidy/exemptions.txt")) ?? "")
    }

    func text(_ path: String) -> String? { Self.text(root.appending(path: path)) }

    /// Every file that could be committed: not what git ignores or keeps.
    var committable: [String] {
        Self.files(below: root, [""]).filter { path in
            let first = path.prefix { $0 != "/" }
            return !first.hasPrefix(".build") && first != ".git" && first != ".venv" && first != "data"
                && !path.hasPrefix("certs/dev/") && !path.contains("__pycache__")
        }
    }

    private static func text(_ url: URL) -> String? {
        guard let data = FileManager.default.contents(atPath: url.path(percentEncoded: false)) else { return nil }
        return String(decoding: data, as: UTF8.self)
    }

    private static func files(below root: URL, _ directories: [String]) -> [String] {
        directories.flatMap { directory -> [String] in
            let base = root.appending(path: directory).path(percentEncoded: false)
            guard let walk = FileManager.default.enumerator(atPath: base) else { return [] }
            var found: [String] = []
            while let name = walk.nextObject() as? String {
                let isFile = walk.fileAttributes?[.type] as? FileAttributeType == .typeRegular
                if !isFile, name.hasPrefix(".build") || name == ".git" || name == ".venv" { walk.skipDescendants() }
                if isFile { found.append(directory.isEmpty ? name : "\(directory)/\(name)") }
            }
            return found
        }.sorted()
    }
}

/// What may break a rule, each a line `RULE PATH: REASON` of exemptions.txt.
struct Exemptions {
    struct Line: Hashable {
        let rule: String
        let path: String
        let reason: String
    }

    let lines: [Line]

    init(_ text: String) {
        lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            let head = (parts.first ?? "").split(separator: " ", maxSplits: 1).map(String.init)
            return Line(
                rule: head.first ?? "", path: head.count > 1 ? head[1] : "",
                reason: parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : "")
        }
    }

    func excuses(_ rule: String, _ path: String) -> Bool { lines.contains { $0.rule == rule && $0.path == path } }
}

/// One place that breaks a rule.
struct Breach: CustomStringConvertible {
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }

    /// The breaches that no exemption excuses, one a line; empty when there is none.
    static func report(_ rule: String, _ breaches: [Breach]) -> String {
        breaches.filter { !Repository.current.exemptions.excuses(rule, $0.path) }.map(\.description)
            .joined(separator: "\n")
    }
}
