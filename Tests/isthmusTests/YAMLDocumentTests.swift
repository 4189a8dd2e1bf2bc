import JSON
import TestKit
import Testing

@testable import isthmus

@Suite struct YAMLDocumentTests {
    private func refusal(_ text: String) -> YAMLDocument.Refusal? {
        do throws(YAMLDocument.Refusal) { _ = try YAMLDocument.root(text) } catch { return error }
        return nil
    }

    /// Forty levels, each twice the one before: what expands them or compares them as keys never ends.
    private static let doubling = (1...40).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]" }

    @Test(
        "an alias is refused where it stands, before anything is made of it",
        arguments: [
            ("a: &x [1]\nb: *x", 2), ("a: &x 1\n# *y\nb: '*z'\nc:\n  - *x", 5), ("a: &x 1\nb: {\"c\":*x}", 2),
            ("a: &x 1\n*x : 2", 2), ("a: &x 1\nb: [c,*x]", 2), ("a: &x [*x]", 1), ("a: !!str\n  *x", 1),
            ("a0: &a0 [1]\n" + doubling.joined(separator: "\n"), 2),
            ("a0: &a0 [1]\n" + doubling.joined(separator: "\n") + "\n*a40 : 1", 2),
            ("{a0: &a0 [1], " + doubling.joined(separator: ", ") + ", ? *a40 : 1}", 1),
        ])
    func alias(text: String, line: Int) throws {
        let refusal = try #require(self.refusal(text))
        #expect(refusal.problem.contains("alias"))
        #expect(refusal.advice.contains("write out what it stands for"))
        #expect(refusal.line == line)
    }

    @Test(
        "a star or question mark that is no alias or mark stays as it is",
        arguments: [
            ("a: '*'", "*"), (#"a: "*?""#, "*?"), ("a: events:*", "events:*"), ("a: b *c ?d", "b *c ?d"),
            ("a: |\n  *x\n  ? y", "*x\n? y"), ("a: >-\n  *x", "*x"), ("a: b # *x\n# ? y", "b"), ("a: b\n  *c", "b *c"),
            ("a: \"x # \\\n  *y\"", "x # *y"), ("a: &x b", "b"),
        ])
    func text(text: String, value: String) throws {
        let findings = Findings()
        let root = try #require(YAMLValue(reading: Array(text.utf8), file: "f", findings: findings))
        #expect(root.mapping(["a"])?["a"]?.scalar == .text(value) && findings.diagnostics.isEmpty)
    }

    @Test("a star alone is answered by how to write it", arguments: ["a: *", "a: [*]", "a: *.example.com"])
    func star(text: String) throws {
        #expect(try #require(self.refusal(text)).advice.contains("a text that begins with `*` in quotes"))
    }

    @Test(
        "a key that is marked, a list or a mapping is refused",
        arguments: [
            "? a\n", "? [a]\n: b", "{? a : b}", "[? a : b]", "a: ?b", "{[a]: b}", "{a: b}: c",
            String(repeating: "? ", count: 900) + "a",
        ])
    func keys(text: String) throws {
        let refusal = try #require(self.refusal(text))
        #expect(refusal.line >= 1 && !refusal.problem.isEmpty)
    }

    @Test("lists and mappings stand in each other up to a limit")
    func depth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        let most = YAMLDocument.maximumDepth
        #expect(refusal(nested(most - 1)) == nil)
        #expect(refusal(nested(most)) == nil)
        #expect(try #require(self.refusal(nested(most + 1))).problem.contains("nested deeper than 32 levels"))
        for deep in [500, 100_000] { #expect(refusal(nested(deep)) != nil) }
        #expect(refusal(String(repeating: "- ", count: 100_000) + "a") != nil)
        #expect(refusal(String(repeating: "{a: ", count: 100_000)) != nil)
    }

    @Test("what is wrong is said with the operator's own characters")
    func characters() throws {
        let refusal = try #require(self.refusal("'a*?': 1\n'a*?': 2"))
        #expect(refusal == .init(line: 1, problem: "a mapping names `a*?` twice", advice: "correct the YAML"))
    }

    @Test("of a file that is wrong in every line the first thousand errors are kept")
    func manyErrors() throws {
        var fixture = try ConfigurationFixture()
        fixture["etc/isthmus.yaml"] += (0..<20_000).map { "\nkey\($0): 1" }.joined()
        #expect(fixture.complaints().count == Findings.kept)
        let many = ConfigurationErrors(diagnostics: Array(repeating: Self.one, count: Findings.kept))
        #expect(many.count.contains("or more"))
        #expect(!ConfigurationErrors(diagnostics: [Self.one]).count.contains("or more"))
    }

    private static let one = Diagnostic(severity: .error, file: "f", line: 1, message: "m", advice: "a")

    @Test("a thousand warnings leave room for an error")
    func warningsAndErrors() {
        let findings = Findings()
        for line in 1...2 * Findings.kept { findings.warning("f", line, "m", "a") }
        findings.error("f", 1, "m", "a")
        #expect(findings.errors.count == 1 && findings.warnings.count == Findings.kept)
    }

    /// What a text may be made of: everything that decides whether a star begins a token.
    private static let pieces = [
        "a", "b", "*a", "&c ", "*", "?", "? ", ": ", ":", "- ", "-", "\n", "\n  ", "[", "]", "{", "}", ", ", ",", "\"",
        "'", "# ", " #", "|\n  ", ">\n ", "!!str ", "!a*b ", "\t", "\n---\n", "\n...\n", "%", "\\", "\u{FEFF}",
        "\u{85}", "\u{2028}",
    ]

    /// The JSON of the document, `nil` when it is refused.
    private func json(_ text: String) -> String? {
        let findings = Findings()
        guard let root = YAMLValue(reading: Array(text.utf8), file: "f", findings: findings) else { return nil }
        var budget = 10_000
        return PolicyJSON.node(root, budget: &budget).map { String(decoding: $0.bytes(), as: UTF8.self) }
    }

    @Test("a text that is taken means the same with letters in place of its stars and question marks")
    func noAliasGetsThrough() {
        let seed: UInt64 = 20_261_121
        var random = SeededRandom(seed)
        var taken = 0
        var refused = 0
        for _ in 0..<30_000 {
            let count = Int.random(in: 1...9, using: &random)
            let pieces = (0..<count).map { _ in Self.pieces[Int.random(in: 0..<Self.pieces.count, using: &random)] }
            let text = "k: &a [x]\nl: " + pieces.joined()
            guard text.utf8.contains(where: { $0 == 0x2A || $0 == 0x3F }) else { continue }
            guard let own = json(text) else {
                refused += 1
                continue
            }
            taken += 1
            let letters = text.replacing("*", with: "\u{E100}").replacing("?", with: "\u{E101}")
            let other = json(letters)?.replacing("\u{E100}", with: "*").replacing("\u{E101}", with: "?")
            #expect(own == other, "seed \(seed): \(text.debugDescription)")
        }
        #expect(taken > 500 && refused > 500, "seed \(seed): \(taken) taken, \(refused) refused")
    }
}
