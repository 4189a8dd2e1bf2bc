import JSON
import Testing

/// What JSON parsers are known to disagree about; every row has one answer here.
/// Source: https://seriot.ch/software/parsing_json.html; RFC 8259; RFC 7493
@Suite struct JSONTrapTests {
    struct Trap: CustomTestStringConvertible, Sendable {
        let name: String
        let bytes: [UInt8]
        let answer: JSONError

        var testDescription: String { name }

        init(_ name: String, _ text: String, _ answer: JSONError) {
            self.init(name, Array(text.utf8), answer)
        }

        init(_ name: String, _ bytes: [UInt8], _ answer: JSONError) {
            self.name = name
            self.bytes = bytes
            self.answer = answer
        }
    }

    static let traps: [Trap] = [
        Trap("nothing", "", .invalid(.empty)),
        Trap("only white space", " \n\t\r ", .invalid(.empty)),
        Trap("byte order mark", [0xEF, 0xBB, 0xBF] + Array("{}".utf8), .invalid(.byteOrderMark)),
        Trap("UTF-16", [0xFF, 0xFE, 0x7B, 0x00, 0x7D, 0x00], .invalid(.notUTF8)),
        Trap("overlong UTF-8", Array("\"".utf8) + [0xC0, 0x80] + Array("\"".utf8), .invalid(.notUTF8)),
        Trap("surrogate in UTF-8", Array("\"".utf8) + [0xED, 0xA0, 0x80] + Array("\"".utf8), .invalid(.notUTF8)),
        Trap("code point above U+10FFFF", Array("\"".utf8) + [0xF4, 0x90, 0x80, 0x80, 0x22], .invalid(.notUTF8)),
        Trap("cut UTF-8", Array("\"".utf8) + [0xE2, 0x82, 0x22], .invalid(.notUTF8)),
        Trap("continuation byte alone", [0x22, 0x80, 0x22], .invalid(.notUTF8)),
        Trap("lone high surrogate", #"{"a":"\ud800"}"#, .invalid(.string)),
        Trap("lone low surrogate", #"{"a":"\udc00"}"#, .invalid(.string)),
        Trap("high surrogate before a letter", #"{"a":"\ud800\u0041"}"#, .invalid(.string)),
        Trap("two high surrogates", #"{"a":"\ud800\ud800"}"#, .invalid(.string)),
        Trap("lone surrogate in a key", #"{"\udfff":1}"#, .invalid(.string)),
        Trap("unknown escape", #"["\x41"]"#, .invalid(.string)),
        Trap("short unicode escape", #"["\u00"]"#, .invalid(.string)),
        Trap("raw control in a string", "[\"a\u{01}b\"]", .invalid(.string)),
        Trap("raw newline in a string", "[\"a\nb\"]", .invalid(.string)),
        Trap("unclosed string", "[\"a]", .invalid(.string)),
        Trap("single quotes", "['a']", .invalid(.structure)),
        Trap("infinity by exponent", "[1e400]", .invalid(.number)),
        Trap("negative infinity by exponent", "[-1e400]", .invalid(.number)),
        Trap("leading zero", "[01]", .invalid(.number)),
        Trap("leading plus", "[+1]", .invalid(.structure)),
        Trap("bare fraction", "[.5]", .invalid(.structure)),
        Trap("trailing point", "[1.]", .invalid(.number)),
        Trap("bare exponent", "[1e]", .invalid(.number)),
        Trap("minus alone", "[-]", .invalid(.number)),
        Trap("hexadecimal", "[0x1F]", .invalid(.number)),
        Trap("two to the 64th", "[18446744073709551616]", .integerOutOfRange),
        Trap("below the smallest 64-bit integer", "[-9223372036854775809]", .integerOutOfRange),
        Trap("a hundred digits", "[\(String(repeating: "9", count: 100))]", .integerOutOfRange),
        Trap("a long integer after a string of digits", #"["\"0",18446744073709551616]"#, .integerOutOfRange),
        Trap("a bad number beside a long fraction", "[0.18446744073709551616,01]", .invalid(.number)),
        Trap("NaN", "[NaN]", .invalid(.structure)),
        Trap("Infinity", "[Infinity]", .invalid(.structure)),
        Trap("capital literal", "[True]", .invalid(.structure)),
        Trap("cut literal", "[tru]", .invalid(.literal)),
        Trap("cut null", "[nul]", .invalid(.literal)),
        Trap("trailing comma in an array", "[1,]", .invalid(.structure)),
        Trap("trailing comma in an object", #"{"a":1,}"#, .invalid(.structure)),
        Trap("missing colon", #"{"a" 1}"#, .invalid(.structure)),
        Trap("key that is no string", "{1:1}", .invalid(.structure)),
        Trap("comment", "[1]/* */", .invalid(.structure)),
        Trap("trailing letter", "{} x", .invalid(.structure)),
        Trap("second document", "{}{}", .invalid(.structure)),
        Trap("trailing NUL", "{}\u{00}", .invalid(.structure)),
        Trap("unclosed object", #"{"a":1"#, .invalid(.structure)),
        Trap("unopened array", "]", .invalid(.structure)),
        Trap("mismatched brackets", "[1}", .invalid(.structure)),
        Trap("10,000 levels", String(repeating: "[", count: 10_000), .invalid(.structure)),
        Trap(
            "10,000 closed levels",
            String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000), .tooDeep(limit: 128)),
        Trap("the same key twice", #"{"a":1,"b":2,"a":1}"#, .duplicateKey(path: "/a")),
        Trap("the same key, once escaped", #"{"a":1,"\u0061":1}"#, .duplicateKey(path: "/a")),
        Trap("the same key deep inside", #"{"x/y":[0,{"m~n":{"k":1,"k":2}}]}"#, .duplicateKey(path: "/x~1y/1/m~0n/k")),
        Trap("the empty key twice", #"{"":1,"":2}"#, .duplicateKey(path: "/")),
    ]

    @Test("a trap is refused with its reason", arguments: traps)
    func refuses(_ trap: Trap) {
        #expect(throws: trap.answer) { try JSONNode(parsing: trap.bytes) }
    }

    @Test("values at the edge are read exactly")
    func readsEdges() throws {
        #expect(try JSONNode(parsing: "[9007199254740993]") == [.integer(9_007_199_254_740_993)])
        #expect(try JSONNode(parsing: "[18446744073709551615]") == [.unsigned(.max)])
        #expect(try JSONNode(parsing: "[9223372036854775807]") == [.integer(.max)])
        #expect(try JSONNode(parsing: "[-9223372036854775808]") == [.integer(.min)])
        #expect(try JSONNode(parsing: "[-0]") == [.integer(0)])
        #expect(try JSONNode(parsing: "[-0.0]").array?.first?.double?.sign == .minus)
        #expect(
            try JSONNode(parsing: "[5e-324,1e-400,1.7976931348623157e308]") == [
                .double(.leastNonzeroMagnitude), .double(0), .double(.greatestFiniteMagnitude),
            ])
        #expect(try JSONNode(parsing: #"["\ud83d\ude00\u0000"]"#) == [.string("😀\u{0}")])
        #expect(try JSONNode(parsing: " \"scalar\" ") == .string("scalar"))
    }

    @Test("strings come back byte for byte, NUL and non-characters included")
    func keepsBytes() throws {
        let parser = JSONParser(maximumBytes: 1000)
        let bytes = try parser.withDocument(
            Array(#"{"Detail":"{\"n\":9007199254740993, \"z\" : -0}\u0000\uffff"}"#.utf8)
        ) {
            $0["Detail"]?.string.map { Array($0) }
        }
        #expect(bytes == Array("{\"n\":9007199254740993, \"z\" : -0}\u{0}\u{FFFF}".utf8))
    }

    @Test("depth is exact: at the limit accepted, one deeper refused", arguments: [1, 2, 64, 128, 1024])
    func depthEdge(_ limit: Int) throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + "1" + String(repeating: "]", count: depth)
        }
        #expect(throws: Never.self) { try JSONNode(parsing: nested(limit), maximumDepth: limit) }
        #expect(throws: JSONError.tooDeep(limit: limit)) {
            try JSONNode(parsing: nested(limit + 1), maximumDepth: limit)
        }
        let objects = String(repeating: #"{"a":"#, count: limit + 1) + "1" + String(repeating: "}", count: limit + 1)
        #expect(throws: JSONError.tooDeep(limit: limit)) { try JSONNode(parsing: objects, maximumDepth: limit) }
    }

    @Test(
        "size is exact: at the limit accepted, one byte more refused", arguments: [2, 31, 32, 33, 4096, 5000, 70_000])
    func sizeEdge(_ limit: Int) {
        func document(_ bytes: Int) -> String { "\"" + String(repeating: "x", count: bytes - 2) + "\"" }
        #expect(throws: Never.self) { try JSONNode(parsing: document(limit), maximumBytes: limit) }
        #expect(throws: JSONError.tooLarge(bytes: limit + 1, limit: limit)) {
            try JSONNode(parsing: document(limit + 1), maximumBytes: limit)
        }
    }

    @Test("a message says what is wrong and quotes nothing but the path")
    func messages() {
        #expect(JSONError.invalid(.byteOrderMark).description == "the document is not JSON: byte order mark")
        #expect(
            JSONError.duplicateKey(path: "/a").description == "the key at `/a` appears twice in its object; keep one")
    }
}
