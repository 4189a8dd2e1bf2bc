/// One thing that is wrong in a configuration file, or (a warning) that its operator will come to regret.
struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    enum Severity: Sendable {
        case error
        case warning
    }

    let severity: Severity
    /// The file as it was named: on the command line, or in the file that leads to it.
    let file: String
    /// 1 is the first line.
    let line: Int
    /// What is wrong: lower case, no full stop, user input in backticks.
    let message: String
    /// What to write instead.
    let advice: String

    /// `FILE:LINE: MESSAGE: ADVICE`, and `warning: ` before the message of a warning. Always one line.
    var description: String {
        let mark = severity == .warning ? "warning: " : ""
        return Printable.line("\(file):\(line): \(mark)\(Self.cut(message)): \(Self.cut(advice))")
    }

    /// What is shown of a message or an advice: enough for every one that quotes no overlong text.
    static let shownCharacters = 1000

    private static func cut(_ text: String) -> String {
        let shown = text.unicodeScalars.prefix(shownCharacters)
        return shown.endIndex == text.unicodeScalars.endIndex ? text : "\(String(shown))…`"
    }
}

/// Everything that is wrong with a configuration, in the order of files and lines. Never empty.
struct ConfigurationErrors: Error, Equatable, CustomStringConvertible {
    let diagnostics: [Diagnostic]

    /// One diagnostic a line.
    var description: String { diagnostics.map(\.description).joined(separator: "\n") }

    /// How many there are, and what follows from that.
    var count: String {
        let most = diagnostics.count == Findings.kept ? " or more" : ""
        return "\(diagnostics.count) error\(diagnostics.count == 1 ? "" : "s")\(most) in the configuration: "
            + "nothing was applied"
    }
}

/// Collects what the reading of one configuration finds, so that an operator sees all of it at once.
final class Findings {
    /// So many errors and so many warnings are kept: nobody reads more, and a file may hold a million.
    static let kept = 1000

    private(set) var diagnostics: [Diagnostic] = []
    private var known: Set<Diagnostic> = []
    private var room: [Diagnostic.Severity: Int] = [.error: kept, .warning: kept]

    /// Whether another error would not be kept.
    var hasAllErrors: Bool { room[.error] == 0 }

    /// The errors, file by file as they were read, in each by line.
    var errors: [Diagnostic] {
        let errors = diagnostics.filter { $0.severity == .error }
        var files: [String] = []
        for error in errors where !files.contains(error.file) { files.append(error.file) }
        return files.flatMap { file in
            errors.filter { $0.file == file }.enumerated()
                .sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }.map(\.element)
        }
    }
    var warnings: [Diagnostic] { diagnostics.filter { $0.severity == .warning } }

    func error(_ file: String, _ line: Int, _ message: String, _ advice: String) {
        add(Diagnostic(severity: .error, file: file, line: line, message: message, advice: advice))
    }

    func warning(_ file: String, _ line: Int, _ message: String, _ advice: String) {
        add(Diagnostic(severity: .warning, file: file, line: line, message: message, advice: advice))
    }

    private func add(_ diagnostic: Diagnostic) {
        guard let left = room[diagnostic.severity], left > 0, known.insert(diagnostic).inserted else { return }
        room[diagnostic.severity] = left - 1
        diagnostics.append(diagnostic)
    }
}

/// Text that came from outside, made fit for one line of a terminal.
enum Printable {
    /// `text` with every control character (C0, DEL, C1, separators of lines, bidirectional marks) as `\u{…}`.
    static func line(_ text: String) -> String {
        var output = ""
        for scalar in text.unicodeScalars {
            if isHarmless(scalar) {
                output.unicodeScalars.append(scalar)
            } else {
                output += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return output
    }

    private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069, 0xFEFF: false
        default: true
        }
    }
}
