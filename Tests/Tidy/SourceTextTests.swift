import Testing

/// The measuring stick is measured first: a rule that sees nothing would pass everything.
@Suite struct SourceTextTests {
    @Test("strings and comments are blanked and code is kept, interpolations too")
    func blanking() {
        let text = #"let a = "try! \(call(")")) x" // try!"# + "\n/* try! /* nested */ */ let b = #\"raw \"try!\"\"#"
        let source = SourceText(path: "a.swift", text: text)
        #expect(!source.code.joined().contains("try!"))
        #expect(source.code[0].contains("call("))
        #expect(source.code[1].contains("let b ="))
    }

    @Test("a multi-line string is blanked to its end")
    func multiline() {
        let source = SourceText(path: "a.swift", text: "let a = \"\"\"\n  func f() {\n  \"\"\"\nlet b = 1")
        #expect(source.functions.isEmpty)
        #expect(source.code[3] == "let b = 1")
    }

    @Test("a function is as long as from its name to its closing brace")
    func functions() {
        let text = """
            protocol P {
                func requirement(_ a: Int)
                var x: Int { get }
            }
            struct S {
                func short() -> Int { 1 }
                init(a: () -> Void = {}) {
                    if true {
                    }
                }
                deinit { }
            }
            """
        let functions = SourceText(path: "a.swift", text: text).functions
        #expect(functions.map(\.name) == ["short", "init", "init"])
        #expect(functions.map(\.length) == [1, 4, 1])
    }
}
