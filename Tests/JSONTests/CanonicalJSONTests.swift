import JSON
import TestKit
import Testing

@Suite struct CanonicalJSONTests {
    func canonical(_ text: String) throws -> String {
        String(decoding: try CanonicalJSON.bytes(of: JSONNode(parsing: text)), as: UTF8.self)
    }

    /// Source: RFC 8785 Appendix B
    static let numbers: [(UInt64, String)] = [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ]

    @Test("numbers are written as RFC 8785 Appendix B writes them", arguments: numbers)
    func writesNumbers(_ bits: UInt64, _ text: String) throws {
        let number = Double(bitPattern: bits)
        #expect(number.ecmaScriptDescription == text)
        #expect(Double(text) == number)
    }

    @Test("the example of RFC 8785 §3.2.2 and §3.2.3 comes out as printed there")
    func example() throws {
        let input = #"""
            {
              "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
              "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
              "literals": [null, true, false]
            }
            """#
        let output =
            #"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#
            + #""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        #expect(try canonical(input) == output)
    }

    @Test("members are sorted by UTF-16 code units (RFC 8785 §3.2.3)")
    func sorts() throws {
        let input = #"""
            {"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
            "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}
            """#
        let node = try JSONNode(parsing: CanonicalJSON.bytes(of: JSONNode(parsing: input)))
        #expect(
            node.object?.map(\.key) == ["\r", "1", "\u{80}", "\u{F6}", "\u{20AC}", "\u{1F600}", "\u{FB33}"])
    }

    @Test("Unicode is not normalised: two spellings of one letter are two keys")
    func keepsSpelling() throws {
        #expect(try canonical("{\"\u{C5}\":1,\"A\u{30A}\":2}") == "{\"A\u{30A}\":2,\"\u{C5}\":1}")
        #expect(try JSONNode(parsing: "{\"\u{C5}\":1,\"A\u{30A}\":2}")["A\u{30A}"] == 2)
    }

    @Test("an integer is written when a double holds it and refused when it does not")
    func integers() throws {
        #expect(
            try canonical("[9007199254740992,-9007199254740992,-0,1.0]") == "[9007199254740992,-9007199254740992,0,1]")
        #expect(try canonical("[1152921504606847000,1e18]") == "[1152921504606847000,1000000000000000000]")
        #expect(throws: JSONError.integerNotExact(path: "/0")) { try canonical("[1152921504606846976]") }
        #expect(throws: JSONError.integerNotExact(path: "/a/0")) { try canonical(#"{"a":[9007199254740993]}"#) }
        #expect(throws: JSONError.integerNotExact(path: "/0")) { try canonical("[-9007199254740993]") }
        #expect(throws: JSONError.integerNotExact(path: "/0")) { try canonical("[18446744073709551615]") }
    }

    @Test("a tree built with a key twice has no canonical form")
    func refusesRepeats() {
        let node = JSONNode.object([.init(key: "a", value: 1), .init(key: "a", value: 2)])
        #expect(throws: JSONError.duplicateKey(path: "/a")) { try CanonicalJSON.bytes(of: node) }
    }

    @Test("the canonical form is its own canonical form (1,000 random trees, seed 2)")
    func isIdempotent() throws {
        var random = SeededRandom(2)
        var compared = 0
        for _ in 0..<1000 {
            do throws(JSONError) {
                let bytes = try CanonicalJSON.bytes(of: random.node(depth: 4))
                #expect(try CanonicalJSON.bytes(of: JSONNode(parsing: bytes)) == bytes)
                compared += 1
            } catch {
                guard case .integerNotExact = error else { throw error }
            }
        }
        #expect(compared > 300)
    }
}
