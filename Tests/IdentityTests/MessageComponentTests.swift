import Domain
import Identity
import Testing

/// The values of components, by the RFC's own examples.
///
/// Source: https://www.rfc-editor.org/rfc/rfc9421.html#section-2
@Suite struct MessageComponentTests {
    /// The value of a component in a GET of `target`.
    private func value(
        _ component: String, target: String = "/path?param=value", authority: String = "www.example.com",
        scheme: String = "https", fields: [(String, String)] = [], method: String = "GET"
    ) throws -> String {
        let item = component.hasPrefix("\"") ? component : "\"\(component)\""
        let input = [("signature-input", "s=(\(item))"), ("signature", "s=:AA==:")]
        let request = Request(
            version: .http11, method: method, target: target, authority: authority, fields: fields + input, body: [])
        let message = SignedMessage(request, scheme: scheme)
        let base = String(
            decoding: try MessageSignatureInput.all(in: request.fields)[0].base(of: message), as: UTF8.self)
        let line = try #require(base.split(separator: "\n", omittingEmptySubsequences: false).first)
        return String(line.dropFirst(item.count + 2))
    }

    @Test("2.2: derived components")
    func derives() throws {
        #expect(try value("@method", method: "POST") == "POST")
        #expect(try value("@target-uri") == "https://www.example.com/path?param=value")
        #expect(try value("@authority") == "www.example.com")
        #expect(try value("@scheme", scheme: "http") == "http")
        #expect(try value("@request-target") == "/path?param=value")
        #expect(try value("@path") == "/path")
        #expect(try value("@query") == "?param=value")
    }

    @Test("2.2.3: the authority is in small letters, without the scheme's own port")
    func normalizesAuthority() throws {
        #expect(try value("@authority", authority: "WWW.Example.COM:443") == "www.example.com")
        #expect(try value("@authority", authority: "example.com:80", scheme: "http") == "example.com")
        #expect(try value("@authority", authority: "example.com:80") == "example.com:80")
        #expect(try value("@authority", authority: "example.com:8443") == "example.com:8443")
    }

    @Test("2.2.5: the request target of every form")
    func readsForms() throws {
        let absolute = "https://www.example.com/path?param=value"
        #expect(try value("@request-target", target: absolute) == absolute)
        #expect(try value("@path", target: absolute) == "/path")
        #expect(try value("@target-uri", target: absolute) == absolute)
        #expect(try value("@request-target", target: "*", method: "OPTIONS") == "*")
        #expect(try value("@path", target: "https://www.example.com") == "/")
        #expect(try value("@query", target: "https://www.example.com?a") == "?a")
    }

    @Test("2.2.7: the query as sent, and a question mark without one")
    func readsQuery() throws {
        #expect(try value("@query", target: "/path?foo=bar&baz=bat%2Dman") == "?foo=bar&baz=bat%2Dman")
        #expect(try value("@query", target: "/path?queryString") == "?queryString")
        #expect(try value("@query", target: "/path") == "?")
        #expect(try value("@query", target: "/path?") == "?")
    }

    @Test("2.2.8: a query parameter is decoded as a form and encoded again")
    func readsQueryParameters() throws {
        let plain = "/path?param=value&foo=bar&baz=batman&qux="
        #expect(try value(#""@query-param";name="baz""#, target: plain) == "batman")
        #expect(try value(#""@query-param";name="qux""#, target: plain) == "")
        let encoded =
            "/parameters?var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace"
            + "&fa%C3%A7ade%22%3A%20=something"
        #expect(
            try value(#""@query-param";name="var""#, target: encoded) == "this%20is%20a%20big%0Amultiline%20value")
        #expect(try value(#""@query-param";name="bar""#, target: encoded) == "with%20plus%20whitespace")
        #expect(try value(#""@query-param";name="fa%C3%A7ade%22%3A%20""#, target: encoded) == "something")
    }

    static let dictionary = [("example-dict", " a=1,    b=2;x=1;y=2,   c=(a   b    c), d")]

    @Test("2.1: lines are trimmed and joined")
    func joinsLines() throws {
        let fields = [("x-ows", "  Leading and trailing whitespace. \t"), ("cache", "max-age=60"), ("cache", " no")]
        #expect(try value("x-ows", fields: fields) == "Leading and trailing whitespace.")
        #expect(try value("cache", fields: fields) == "max-age=60, no")
        #expect(try value("x-empty", fields: [("x-empty", "")]) == "")
    }

    @Test("2.1.1 and 2.1.2: a field written strictly, and a dictionary's member")
    func serializes() throws {
        #expect(
            try value(#""example-dict";sf"#, fields: Self.dictionary) == "a=1, b=2;x=1;y=2, c=(a b c), d")
        for (key, expected) in [("a", "1"), ("d", "?1"), ("b", "2;x=1;y=2"), ("c", "(a b c)")] {
            #expect(try value("\"example-dict\";key=\"\(key)\"", fields: Self.dictionary) == expected)
        }
        #expect(throws: MessageSignatureRefusal.componentAbsent(name: "example-dict")) {
            try value(#""example-dict";key="z""#, fields: Self.dictionary)
        }
        #expect(throws: MessageSignatureRefusal.componentValue(name: "x")) {
            try value(#""x";sf"#, fields: [("x", "(a")])
        }
        #expect(throws: MessageSignatureRefusal.componentValue(name: "x")) {
            try value(#""x";sf"#, fields: [("x", "a, b, a;q=1")])
        }
    }

    @Test("2.1.3: lines as byte sequences, two lines not as one")
    func wraps() throws {
        #expect(
            try value(#""h";bs"#, fields: [("h", "value, with, lots"), ("h", "of, commas")])
                == ":dmFsdWUsIHdpdGgsIGxvdHM=:, :b2YsIGNvbW1hcw==:")
        #expect(
            try value(#""h";bs"#, fields: [("h", "value, with, lots, of, commas")])
                == ":dmFsdWUsIHdpdGgsIGxvdHMsIG9mLCBjb21tYXM=:")
        #expect(throws: MessageSignatureRefusal.componentParameter(name: "h")) {
            try value(#""h";bs;sf"#, fields: [("h", "a")])
        }
    }

    @Test("two spellings of one component are one component")
    func comparesParameters() throws {
        let one = try MessageComponent(parsing: #""h";key="a";req"#)
        let two = try MessageComponent(parsing: #"h;req;key="a""#)
        #expect(one == two && one.identifier != two.identifier)
        #expect(try MessageComponent(parsing: "h") != one)
    }
}
