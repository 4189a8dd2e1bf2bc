import JSON
import Testing

@Suite struct JSONTextValuesTests {
    @Test(
        "the values of a container are found where they stand",
        arguments: [
            ("[]", []), ("{}", []), (" [ ] ", []), ("[1]", ["1"]), ("[1,2 , -3.5e2]", ["1", "2", "-3.5e2"]),
            (#"{"a":1}"#, ["1"]), (#"{ "a" : {"b":[1,2]} , "c":[] }"#, [#"{"b":[1,2]}"#, "[]"]),
            (#"{"a\"}":"x\\","b":"]}"}"#, [#""x\\""#, #""]}""#]),
            (
                "[[[]],{\"a\":{}},true,null,\"\"]", ["[[]]", "{\"a\":{}}", "true", "null", "\"\""]
            ),
            ("{\"a\":true}", ["true"]), ("[\n1\t,\r\n2]", ["1", "2"]),
        ] as [(String, [String])])
    func values(text: String, expected: [String]) throws {
        let found = Array(text.utf8).withUnsafeBufferPointer { bytes in
            var places = JSONTextValues(bytes)
            var found: [String] = []
            while let place = places.next() { found.append(String(decoding: bytes[place], as: UTF8.self)) }
            return found
        }
        #expect(found == expected)
        #expect(try JSONParser(maximumBytes: 1000).withDocument(Array(text.utf8)) { _ in true })
    }

    @Test("a random document is walked in step with the parser")
    func random() throws {
        var state: UInt64 = 20_261_121
        func roll(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        func value(_ depth: Int) -> String {
            let space = [" ", "", "\n", ""][roll(4)]
            switch roll(depth > 4 ? 4 : 7) {
            case 0: return "\(roll(1000))\(space)"
            case 1: return [#""""#, #""a\"b""#, #""\\""#, #""{[,:]}""#, #""é\u0041""#][roll(5)] + space
            case 2: return ["true", "false", "null"][roll(3)]
            case 3: return "-\(roll(9)).5e1"
            case 4: return "[" + (0..<roll(4)).map { _ in value(depth + 1) }.joined(separator: "\(space),") + "]"
            default:
                return "{" + (0..<roll(4)).map { "\"k\($0)\"\(space):\(value(depth + 1))" }.joined(separator: ", ")
                    + "}"
            }
        }
        let parser = JSONParser(maximumBytes: 1 << 20)
        let other = JSONParser(maximumBytes: 1 << 20)
        for _ in 0..<500 {
            let text = Array("[\(value(0)),\(value(0))]".utf8)
            let kinds = try parser.withDocument(text) { root in root.array.map { $0.map(\.kind) } ?? [] }
            let parts = text.withUnsafeBufferPointer { bytes in
                var places = JSONTextValues(bytes)
                var parts: [[UInt8]] = []
                while let place = places.next() { parts.append(Array(bytes[place])) }
                return parts
            }
            #expect(try parts.map { try other.withDocument($0) { $0.kind } } == kinds)
        }
    }
}
