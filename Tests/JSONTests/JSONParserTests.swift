import JSON
import Testing

@Suite struct JSONParserTests {
    @Test("a parser is used again, also after a refusal and after a larger document")
    func isReused() throws {
        let parser = JSONParser(maximumBytes: 1 << 20)
        for size in [1, 4095, 5000, 3, 900_000, 10] {
            let text = String(repeating: "x", count: size)
            #expect(throws: JSONError.self) { try parser.withDocument(Array("[\(text)".utf8)) { _ in } }
            let read = try parser.withDocument(Array("{\"a\":[1,\(size),\"\(text)\"],\"b\":true}".utf8)) { root in
                #expect(root["b"]?.bool == true)
                #expect(root["a"]?.array?.count == 3)
                return root["a"]?.array?.compactMap(\.int64)
            }
            #expect(read == [1, Int64(size)])
        }
    }

    @Test("members and elements come in document order, containers are stepped over whole")
    func walks() throws {
        let parser = JSONParser(maximumBytes: 1000)
        let text =
            #"{"o":{"x":[1,[2,{}],{}]},"n":null,"i":-1,"u":18446744073709551615,"d":1.5,"t":true,"s":"é","e":[]}"#
        try parser.withDocument(Array(text.utf8)) { root in
            let members =
                root.object.map { object in object.map { (String(decoding: $0.key, as: UTF8.self), $0.value.kind) } }
                ?? []
            #expect(members.map(\.0) == ["o", "n", "i", "u", "d", "t", "s", "e"])
            #expect(members.map(\.1) == [.object, .null, .integer, .unsigned, .double, .bool, .string, .array])
            #expect(root["u"]?.uint64 == .max)
            #expect(root["u"]?.int64 == nil)
            #expect(root["i"]?.uint64 == nil)
            #expect(root["i"]?.double == -1)
            #expect(root["d"]?.double == 1.5)
            #expect(root["d"]?.int64 == nil)
            #expect(root["n"]?.isNull == true)
            #expect(root["s"]?.string?.elementsEqual("é".utf8) == true)
            #expect(root["missing"] == nil)
            #expect(root["i"]?["x"] == nil)
            #expect(root["e"]?.array?.isEmpty == true)
            #expect(root["o"]?.object?.isEmpty == false)
        }
    }

    @Test("a body's own error comes through, and a document that is not JSON becomes one of them")
    func mapsErrors() throws {
        enum Refusal: Error, Equatable {
            case json(JSONError)
            case mine
        }
        let parser = JSONParser(maximumBytes: 100)
        #expect(throws: Refusal.mine) {
            try parser.withDocument(Array("[]".utf8), refuse: { .json($0) }) { _ throws(Refusal) in throw .mine }
        }
        #expect(throws: Refusal.json(.invalid(.structure))) {
            try parser.withDocument(Array("[".utf8), refuse: { .json($0) }) { (_) throws(Refusal) in }
        }
        #expect(try parser.withDocument(Array("[7]".utf8)) { $0.array?.first { _ in true }?.int64 } == 7)
    }

    @Test("a document reads the same with and without room behind it, and as the string of another document")
    func readsWhereItLies() throws {
        let outer = JSONParser(maximumBytes: 1 << 16)
        let inner = JSONParser(maximumBytes: 1 << 16)
        for length in Array(0...200) + [4000, 4095, 4096, 4097, 8192, 40_000] {
            let text = Array(#"{"a":"\#(String(repeating: "é", count: length / 2))","n":-12.5}"#.utf8)
            var roomy = text
            roomy.reserveCapacity(text.count + 64)
            func check(_ root: JSONValue) {
                #expect(root["a"]?.string?.count == length / 2 * 2)
                #expect(root["n"]?.double == -12.5)
            }
            try outer.withDocument(text, check)
            try outer.withDocument(roomy, check)
            try outer.withDocument(text[...], check)
            var quoted: [UInt8] = []
            JSONWriter.append(to: &quoted) { writer in
                writer.array { $0.string(utf8: text) }
            }
            try outer.withDocument(quoted) { root throws(JSONError) in
                let string = root.array?.first { _ in true }?.string
                try inner.withDocument(inString: string ?? .init(start: nil, count: 0), check)
            }
            roomy.removeLast()
            #expect(throws: JSONError.invalid(.structure)) { try outer.withDocument(roomy) { _ in } }
        }
    }

    @Test("a repeated key is found in small objects and in large ones", arguments: [1, 2, 15, 16, 17, 18, 400])
    func findsRepeats(_ count: Int) throws {
        let parser = JSONParser(maximumBytes: 1 << 20)
        func document(_ keys: [Int]) -> [UInt8] {
            Array(("{" + keys.map { "\"key\($0)\":\($0)" }.joined(separator: ",") + "}").utf8)
        }
        try parser.withDocument(document(Array(0..<count))) { root in
            #expect(root.object?.repeatedKey() == nil)
            #expect(!root.holdsRepeatedKey())
        }
        for position in [0, count / 2, count - 1] {
            try parser.withDocument(document(Array(0..<count) + [position])) { root in
                #expect(root.object?.repeatedKey()?.elementsEqual("key\(position)".utf8) == true)
                #expect(root.repeatedKeyPath() == "/key\(position)")
                #expect(root.holdsRepeatedKey())
            }
        }
        let inside = Array("[[{\"in\":".utf8) + document([1, 1]) + Array("}]]".utf8)
        try parser.withDocument(inside) { root in
            #expect(root.repeatedKeyPath() == "/0/0/in/key1")
            #expect(root.holdsRepeatedKey())
        }
    }
}
