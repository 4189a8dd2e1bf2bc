import JSON
import Testing

@Suite struct JSONParserTests {
    @Test("a parser reads a document and is used again")
    func readsTwice() throws {
        let parser = JSONParser(maximumBytes: 1000)
        for number in 0..<3 {
            let read = try parser.withDocument(Array("{\"a\":[1,\(number),\"x\"],\"b\":true}".utf8)) { root in
                root["a"]?.array?.compactMap(\.int64)
            }
            #expect(read == [1, Int64(number)])
        }
    }
}
