import Foundation
import Testing

/// Holds the tree to the house's style. A breach is excused by a line with a reason in exemptions.txt.
@Suite struct TidyTests {
    private let repository = Repository.current

    /// Lines of a file. Source: the style page, measured over thirty admired code bases.
    static let maximumFileLines = 400
    static let maximumFunctionLines = 70
    static let maximumColumns = 120

    @Test("the walk finds the sources it is to judge")
    func findsSources() {
        #expect(repository.swift.contains { $0.path == "Sources/Domain/ARN.swift" })
        #expect(repository.swift.contains { $0.path == "Tests/Tidy/TidyTests.swift" })
    }

    @Test("no file is longer than 400 lines")
    func fileLength() {
        let breaches = repository.swift.filter { $0.lines.count > Self.maximumFileLines }.map { file in
            Breach(
                path: file.path, line: file.lines.count,
                message: "\(file.lines.count) lines: cut it along a noun or a side")
        }
        #expect(Breach.report("file-length", breaches) == "")
    }

    @Test("no function is longer than 70 lines")
    func functionLength() {
        let breaches = repository.swift.flatMap { file in
            file.functions.filter { $0.length > Self.maximumFunctionLines }.map {
                Breach(
                    path: file.path, line: $0.firstLine,
                    message: "`\($0.name)` has \($0.length) lines: give its parts names")
            }
        }
        #expect(Breach.report("function-length", breaches) == "")
    }

    @Test("no line is wider than 120 columns")
    func lineWidth() {
        let breaches = repository.swift.flatMap { file in
            file.lines.enumerated().filter { $0.element.count > Self.maximumColumns }.map {
                Breach(path: file.path, line: $0.offset + 1, message: "\($0.element.count) columns: break it")
            }
        }
        #expect(Breach.report("line-width", breaches) == "")
    }

    @Test("no banned name or call is used", arguments: BannedWord.all)
    func bannedWords(word: BannedWord) throws {
        let pattern = try Regex(word.pattern)
        var breaches: [Breach] = []
        for file in repository.swift where !word.inSourcesOnly || file.path.hasPrefix("Sources/") {
            for (index, line) in file.code.enumerated() {
                guard let match = line.firstMatch(of: pattern) else { continue }
                let found = line[match.range].trimmingCharacters(in: .whitespaces)
                breaches.append(Breach(path: file.path, line: index + 1, message: "`\(found)`: write \(word.instead)"))
            }
        }
        #expect(Breach.report("banned", breaches) == "")
    }

    @Test("nothing is left to do in a comment")
    func leftovers() throws {
        // Put together, so that this file does not accuse itself.
        let pattern = try Regex("\\b(?:TO" + "DO|FIX" + "ME|XX" + "X)\\b")
        let breaches = repository.swift.flatMap { file in
            file.lines.enumerated().filter { $0.element.contains(pattern) }.map {
                Breach(path: file.path, line: $0.offset + 1, message: "do it, or write an issue")
            }
        }
        #expect(Breach.report("leftover", breaches) == "")
    }

    @Test("every test asserts something")
    func assertions() throws {
        let assertion = try Regex(#"#expect|#require|Issue\.record|confirmation\(|\bexpect\w*\("#)
        let call = try Regex(#"\b([a-z]\w*)\("#)
        let tests = repository.swift.filter { $0.path.hasPrefix("Tests/") }
        var asserting: Set<String> = []
        var isGrowing = true
        while isGrowing {
            isGrowing = false
            for file in tests {
                for function in file.functions where !asserting.contains(function.name) {
                    let body = file.body(function)
                    let calls = body.matches(of: call).compactMap { $0.output[1].substring.map(String.init) }
                    if body.contains(assertion)
                        || calls.contains(where: { $0 != function.name && asserting.contains($0) })
                    {
                        asserting.insert(function.name)
                        isGrowing = true
                    }
                }
            }
        }
        let breaches = tests.flatMap { file in
            file.functions.filter { $0.attributes.contains("@Test") && !asserting.contains($0.name) }.map {
                Breach(path: file.path, line: $0.firstLine, message: "`\($0.name)` cannot fail: assert something")
            }
        }
        #expect(Breach.report("no-assertion", breaches) == "")
    }

    @Test("an unchecked promise to the compiler says why it holds")
    func uncheckedPromises() {
        let breaches = repository.swift.filter { $0.path.hasPrefix("Sources/") }.flatMap { file in
            file.code.enumerated().compactMap { index, line -> Breach? in
                guard line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") else { return nil }
                let above = file.lines[max(0, index - 14)..<min(file.lines.count, index + 4)].filter {
                    $0.contains("//")
                }.joined(separator: " ")
                let isProved = above.contains("because") || above.contains("Sendable") || above.contains("safe")
                return isProved
                    ? nil : Breach(path: file.path, line: index + 1, message: "say in a comment why this is safe")
            }
        }
        #expect(Breach.report("unchecked", breaches) == "")
    }

    @Test("every exemption has a reason and something to excuse")
    func exemptions() {
        for line in repository.exemptions.lines {
            #expect(!line.reason.isEmpty, "exemption of \(line.path) from \(line.rule) lacks its reason")
            #expect(repository.text(line.path) != nil, "exemption of \(line.path): there is no such file")
        }
    }
}
