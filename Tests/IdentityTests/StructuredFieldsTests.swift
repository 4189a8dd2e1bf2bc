import Identity
import Testing

/// RFC 8941's examples and everything its grammar refuses.
///
/// Source: https://www.rfc-editor.org/rfc/rfc8941.html, §§ 3 and 4.2
@Suite struct StructuredFieldsTests {
    static let strict = StructuredFieldLimits(bytes: 64, members: 3, parameters: 2, refusesRepetition: true)

    private func list(_ text: String, _ limits: StructuredFieldLimits = .general) throws -> String {
        var output: [UInt8] = []
        StructuredFieldMember.append(
            list: try StructuredFieldParser.list(Array(text.utf8), limits: limits), to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private func dictionary(_ text: String, _ limits: StructuredFieldLimits = .general) throws -> String {
        var output: [UInt8] = []
        try StructuredFieldParser.dictionary(Array(text.utf8), limits: limits).append(to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    private func item(_ text: String) throws -> String {
        var output: [UInt8] = []
        try StructuredFieldParser.item(Array(text.utf8)).append(to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test(
        "lists are read and written strictly",
        arguments: [
            ("sugar, tea, rum", "sugar, tea, rum"), ("", ""), ("   ", ""), ("  a,b,\tc  ", "a, b, c"),
            (#"("foo" "bar"), ("baz"), ("bat" "one"), ()"#, #"("foo" "bar"), ("baz"), ("bat" "one"), ()"#),
            (#"("foo"; a=1;b=2);lvl=5, ("bar" "baz");lvl=1"#, #"("foo";a=1;b=2);lvl=5, ("bar" "baz");lvl=1"#),
            (
                #"abc;a=1;b=2; cde_456, (ghi;jk=4 l);q="9";r=w"#, #"abc;a=1;b=2;cde_456, (ghi;jk=4 l);q="9";r=w"#
            ), ("(   a   )", "(a)"), ("a;b=?1", "a;b"), ("a;x=1;x=2", "a;x=2"),
        ])
    func readsLists(_ text: String, _ expected: String) throws {
        #expect(try list(text) == expected)
    }

    @Test(
        "dictionaries are read and written strictly; the last of a repeated key wins in the first one's place",
        arguments: [
            (#"en="Applepie", da=:w4ZibGV0w6ZydGU=:"#, #"en="Applepie", da=:w4ZibGV0w6ZydGU=:"#),
            ("a=?0, b, c; foo=bar", "a=?0, b, c;foo=bar"),
            ("rating=1.5, feelings=(joy sadness)", "rating=1.5, feelings=(joy sadness)"),
            ("a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid", "a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid"),
            ("a=1,    b=2;x=1;y=2,   c=(a   b   c)", "a=1, b=2;x=1;y=2, c=(a b c)"), ("a=1, b=2, a=3", "a=3, b=2"),
            ("a=?1;x", "a;x"), ("*k-_.*9=1", "*k-_.*9=1"),
        ])
    func readsDictionaries(_ text: String, _ expected: String) throws {
        #expect(try dictionary(text) == expected)
    }

    @Test(
        "items are read and written strictly",
        arguments: [
            ("5", "5"), ("5; foo=bar", "5;foo=bar"), ("-0", "0"), ("0042", "42"),
            ("-999999999999999", "-999999999999999"),
            ("999999999999999", "999999999999999"), ("4.5", "4.5"), ("-4.50", "-4.5"), ("1.0", "1.0"),
            ("0.001", "0.001"),
            ("-0.5", "-0.5"), ("123456789012.125", "123456789012.125"), (#""a\"b\\c""#, #""a\"b\\c""#),
            (#""""#, #""""#),
            ("foo123/456", "foo123/456"), ("*", "*"), ("a:b!#$%&'*+-.^_`|~", "a:b!#$%&'*+-.^_`|~"), ("::", "::"),
            (":cHJldGVuZA==:", ":cHJldGVuZA==:"), ("?1", "?1"), ("?0", "?0"), ("  1  ", "1"),
            ("1; a; b=?0", "1;a;b=?0"),
        ])
    func readsItems(_ text: String, _ expected: String) throws {
        #expect(try item(text) == expected)
    }

    @Test(
        "what the grammar does not have is refused as a list, an item and a dictionary's member",
        arguments: [
            "1000000000000000", "-1000000000000000", "1234567890123.0", "1.2345", "1.", ".5", "-", "-.5", "--1", "+1",
            "1e5", #"""#, #""a"#, #""a\b""#, #""a\"#, "\"a\tb\"", "\"\u{7F}\"", "\"ü\"", "ü", ":", ":a", ":YQ:",
            ":YQ=:",
            ":YQ===:", ":YR==:", ":Y Q==:", ":YQ==", ":Y-==:", "?", "?2", "?true", "(", "(a", "(a b", "(a,b)", "(a  b",
            "((a))", "(a)b", "a;", "a;;b", "a;B=1", "a;b=", "a;b=(1)", "a ;b", "'a'", "a\t", "a\r\n", "a\0", "a b",
            "@a",
            "{a}", "a,", "a,,b", ",a", "a, ", "a;=1",
        ])
    func refuses(_ text: String) {
        #expect(throws: StructuredFieldFault.self) { try self.list(text) }
        #expect(throws: StructuredFieldFault.self) { try self.item(text) }
        #expect(throws: StructuredFieldFault.self) { try self.dictionary("k=" + text) }
    }

    @Test(
        "what is no key is refused",
        arguments: ["A=1", "1a=1", "-a=1", "_a=1", "a =1", "a= 1", "=1", "a=1 b=2", "(a)", "\"a\"=1"])
    func refusesKeys(_ text: String) {
        #expect(throws: StructuredFieldFault.self) { try self.dictionary(text) }
    }

    @Test("an item is one item")
    func refusesInnerListAsItem() {
        for text in ["", " ", "(a)", "a, b", "a b", "\ta"] {
            #expect(throws: StructuredFieldFault.self) { try self.item(text) }
        }
    }

    @Test("the limits hold at and over their bounds")
    func keepsLimits() throws {
        #expect(try list("a, b, c", Self.strict) == "a, b, c")
        #expect(throws: StructuredFieldFault.tooMany) { try self.list("a, b, c, d", Self.strict) }
        #expect(try list("(a b c)", Self.strict) == "(a b c)")
        #expect(throws: StructuredFieldFault.tooMany) { try self.list("(a b c d)", Self.strict) }
        #expect(try list("a;x;y", Self.strict) == "a;x;y")
        #expect(throws: StructuredFieldFault.tooMany) { try self.list("a;x;y;z", Self.strict) }
        #expect(throws: StructuredFieldFault.tooMany) { try self.dictionary("a, b, c, d", Self.strict) }
        #expect(try list(String(repeating: "a", count: 64), Self.strict).count == 64)
        #expect(throws: StructuredFieldFault.tooLong) { try self.list(String(repeating: "a", count: 65), Self.strict) }
    }

    @Test("where a signature depends on it, a key stands once")
    func refusesRepetition() {
        #expect(throws: StructuredFieldFault.repeatedKey("a")) { try self.dictionary("a=1, a=1", Self.strict) }
        #expect(throws: StructuredFieldFault.repeatedKey("x")) { try self.dictionary("a;x;x", Self.strict) }
    }
}
