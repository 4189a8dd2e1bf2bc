import Domain
import Foundation
import Telemetry
import Testing

/// Holds the tree to the architecture: floors, catalogue, secrets.
@Suite struct HouseTests {
    private let repository = Repository.current

    /// The modules of floors 1 to 4, which use no Foundation: it is large, slow on the hot path and has its own clock.
    static let belowEdges = [
        "Domain", "JSON", "Telemetry", "Cryptography", "TLS", "HTTP2", "EventPattern", "AccessPolicy", "SchemaContract",
        "Identity", "Ledger", "Registry", "Bus",
    ]

    /// Own modules and what each may import, as the manifest declares them, lowest floor first.
    private func manifest() throws -> [(module: String, imports: Set<String>)] {
        let found = repository.text("Package.swift")
        let text = try #require(found)
        let declaration = try Regex(#"house\.(?:floor|add|system)\(\s*"(\w+)"(?:,\s*\[([^\]]*)\])?"#)
        var modules: [(module: String, imports: Set<String>)] = []
        for match in text.matches(of: declaration) {
            let name = String(try #require(match.output[1].substring))
            let listed = match.output[2].substring.map { Self.quoted(String($0)) } ?? []
            if name == "isthmus" {
                modules.append((name, Set(modules.map(\.module))))
            } else {
                modules.append((name, Set(listed)))
            }
        }
        return modules
    }

    private static func quoted(_ list: String) -> [String] {
        list.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map {
            String($0.element)
        }
    }

    @Test("a module imports only what the manifest gives it, and the manifest only what is declared above")
    func floors() throws {
        let modules = try manifest()
        #expect(modules.count > 10)
        var declared: Set<String> = []
        var breaches: [Breach] = []
        let names = Set(modules.map(\.module))
        for (module, imports) in modules {
            for upward in imports.subtracting(declared).sorted() {
                breaches.append(
                    Breach(path: "Package.swift", line: 1, message: "`\(module)` depends upward on `\(upward)`"))
            }
            declared.insert(module)
            for file in repository.swift where file.path.hasPrefix("Sources/\(module)/") {
                for (index, imported) in Self.imports(file)
                where names.contains(imported) && !imports.contains(imported) {
                    breaches.append(
                        Breach(
                            path: file.path, line: index,
                            message: "imports `\(imported)`, which is not below `\(module)`"))
                }
            }
        }
        #expect(Breach.report("floors", breaches) == "")
    }

    @Test("Foundation is imported by the edges only")
    func foundation() {
        var breaches: [Breach] = []
        for file in repository.swift where file.path.hasPrefix("Sources/") {
            let module = file.path.split(separator: "/")[1]
            guard Self.belowEdges.contains(String(module)) else { continue }
            for (index, imported) in Self.imports(file) where imported.hasPrefix("Foundation") {
                breaches.append(
                    Breach(
                        path: file.path, line: index,
                        message: "imports `\(imported)`: use Domain's words or move up a floor"))
            }
        }
        #expect(Breach.report("foundation", breaches) == "")
    }

    @Test("SwiftNIO is imported by Network only")
    func transport() {
        let breaches = repository.swift.filter {
            $0.path.hasPrefix("Sources/") && !$0.path.hasPrefix("Sources/Network/")
        }
        .flatMap { file in
            Self.imports(file).filter { $0.1.hasPrefix("NIO") }.map {
                Breach(path: file.path, line: $0.0, message: "imports `\($0.1)`: give Network the work")
            }
        }
        #expect(Breach.report("transport", breaches) == "")
    }

    private static func imports(_ file: SourceText) -> [(Int, String)] {
        file.code.enumerated().compactMap { index, line in
            let words = line.split(separator: " ")
            guard let place = words.firstIndex(of: "import"), place <= 2, place + 1 < words.count else { return nil }
            return (index + 1, String(words[place + 1].prefix { $0 != "." }))
        }
    }

    @Test("the README lists the error catalogue, all of it and nothing else")
    func catalogue() throws {
        let found = repository.text("README.md")
        let readme = try #require(found, "README.md is missing")
        let rows = Set(readme.split(separator: "\n").filter { $0.hasPrefix("| `") }.map(String.init))
        let wanted = ErrorCode.allCases.map {
            "| `\($0.rawValue)` | \($0.httpStatus) | \($0.isRetryable ? "yes" : "no") | \($0.help) |"
        }
        let missing = wanted.filter { !rows.contains($0) }
        #expect(missing.joined(separator: "\n") == "", "add these rows to the catalogue in README.md")
        let codes = Set(ErrorCode.allCases.map { "| `\($0.rawValue)` |" })
        let stale = rows.filter { row in codes.contains { row.hasPrefix($0) } && !wanted.contains(row) }
        #expect(stale.sorted().joined(separator: "\n") == "", "these rows of README.md are not the catalogue's")
    }

    @Test("every error code is sent by something")
    func errorCodes() {
        let sources = repository.swift.filter {
            $0.path.hasPrefix("Sources/") && !$0.path.hasSuffix("/ErrorCode.swift")
        }
        for code in ErrorCode.allCases {
            let isSent = sources.contains { file in
                file.code.contains { line in
                    line.ranges(of: ".\(code)").contains { line[$0.upperBound...].first.map { !$0.isLetter } ?? true }
                }
            }
            #expect(isSent, "`\(code.rawValue)` is never sent: send it or take it away, with its row of README.md")
        }
    }

    @Test("every metric is a row of the README and is counted somewhere")
    func metrics() throws {
        let found = repository.text("README.md")
        let readme = try #require(found, "README.md is missing")
        let sources = repository.swift.filter {
            $0.path.hasPrefix("Sources/") && !$0.path.hasSuffix("/MetricCatalogue.swift")
        }
        let rows =
            Counter.allCases.map { ("\($0)", "| `\($0.name)` | counter | \($0.help) |") }
            + Gauge.allCases.map { ("\($0)", "| `\($0.name)` | gauge | \($0.help) |") }
            + Histogram.allCases.map { ("\($0)", "| `\($0.name)` | histogram | \($0.help) |") }
        for (name, row) in rows {
            #expect(readme.contains(row), "add this row to the metrics in README.md")
            let isCounted = sources.contains { file in
                file.code.contains { $0.contains(".\(name))") || $0.contains(".\(name),") || $0.contains(".\(name) ") }
            }
            #expect(isCounted, "`\(name)` stays 0: count it or take it away")
        }
    }

    @Test("every event of the log stands in the README's table")
    func logEvents() throws {
        let found = repository.text("README.md")
        let readme = try #require(found, "README.md is missing")
        let event = /(?:\.log\(|\bnote\()\s*(?:\.(?:debug|info|warning|error), *)?(?<names>[^\[)]*)/
        var events: Set<String> = []
        for file in repository.swift where file.path.hasPrefix("Sources/") {
            for call in file.lines.joined(separator: "\n").matches(of: event) {
                events.formUnion(call.names.matches(of: /"([a-z]+(?:-[a-z]+)*)"/).map { String($0.1) })
            }
        }
        #expect(events.count > 40, "the calls are not found: \(events.sorted())")
        let missing = events.filter { !readme.contains("`\($0)`") }
        #expect(missing.sorted() == [], "add these events of the log to the table in README.md")
    }

    @Test("no private key is committed")
    func privateKeys() {
        // Put together, so that this file does not accuse itself.
        let marks = ["", "EC ", "RSA ", "ENCRYPTED ", "OPENSSH "].map { "-----BEGIN \($0)PRIV" + "ATE KEY-----" }
        let breaches = repository.committable.compactMap { path -> Breach? in
            guard let text = repository.text(path), marks.contains(where: { text.contains($0) }) else { return nil }
            return Breach(path: path, line: 1, message: "holds a private key: make it when it is needed")
        }
        #expect(Breach.report("private-key", breaches) == "")
    }
}
