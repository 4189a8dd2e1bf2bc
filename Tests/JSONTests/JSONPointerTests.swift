import JSON
import Testing

@Suite struct JSONPointerTests {
    /// Source: RFC 6901 section 5
    private static let document =
        #"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"d":1,"d":2}"#

    @Test(
        "a pointer leads to its value",
        arguments: [
            ("/foo/0", "bar"), ("/foo/1", "baz"), ("/", "0"), ("/a~1b", "1"), ("/c%d", "2"), ("/e^f", "3"),
            ("/g|h", "4"), (#"/i\j"#, "5"), (#"/k"l"#, "6"), ("/ ", "7"), ("/m~0n", "8"),
        ] as [(String, String)])
    func leads(text: String, expected: String) throws {
        let pointer = try #require(JSONPointer(parsing: text))
        #expect(pointer.description == text)
        let found = try JSONParser(maximumBytes: 1000).withDocument(Array(Self.document.utf8)) { root in
            let value = pointer.value(in: root)
            return value?.string.map { String(decoding: $0, as: UTF8.self) } ?? value?.int64.map(String.init)
        }
        #expect(found == expected)
    }

    @Test(
        "a place that is not there, or there twice, has no value",
        arguments: ["/foo/2", "/foo/01", "/foo/-", "/x", "/foo/0/a", "/d"])
    func missing(text: String) throws {
        let pointer = try #require(JSONPointer(parsing: text))
        let isThere = try JSONParser(maximumBytes: 1000).withDocument(Array(Self.document.utf8)) { root in
            pointer.value(in: root) != nil
        }
        #expect(!isThere)
    }

    @Test("what is no pointer is refused, at the limit it is read")
    func parsing() throws {
        for text in ["a", "#/a", "/a~", "/~2", "/a~/b"] { #expect(JSONPointer(parsing: text) == nil) }
        let whole = "/" + String(repeating: "a", count: JSONPointer.maximumBytes - 1)
        #expect(JSONPointer(parsing: whole) != nil)
        #expect(JSONPointer(parsing: whole + "a") == nil)
    }
}
