import Testing

@testable import isthmus

@Suite("Complaints about a configuration")
struct DiagnosticTests {
    private func shown(_ message: String, _ advice: String = "write one") -> String {
        Diagnostic(severity: .error, file: "isthmus.yaml", line: 7, message: message, advice: advice).description
    }

    @Test("a complaint of 1,000 characters is shown whole, a longer one is cut there and its quotation closed")
    func cut() {
        #expect(Diagnostic.shownCharacters == 1000)
        let quoted = "`" + String(repeating: "é", count: 998) + "`"
        #expect(shown(quoted) == "isthmus.yaml:7: \(quoted): write one")
        let longer = "`" + String(repeating: "é", count: 999) + "`"
        let cut = "`" + String(repeating: "é", count: 999) + "…`"
        #expect(shown(longer) == "isthmus.yaml:7: \(cut): write one")
        #expect(shown("`x` is unknown", longer) == "isthmus.yaml:7: `x` is unknown: \(cut)")
    }

    @Test("what is cut is counted in scalars, so that no marks on one letter make a line longer")
    func marks() {
        let marked = "`e" + String(repeating: "\u{301}", count: 5_000) + "`"
        #expect(marked.count < 10)
        #expect(shown(marked).unicodeScalars.count < 1_100)
    }

    @Test("a complaint is one line, whatever it quotes, also where it is cut")
    func oneLine() {
        let lines = "`" + String(repeating: "a\n", count: 2_000) + "\u{202e}`"
        let text = shown(lines)
        #expect(!text.contains("\n") && !text.contains("\u{202e}"))
        #expect(text.contains("`a\\u{a}a\\u{a}"))
        #expect(text.hasSuffix("…`: write one"))
    }
}
