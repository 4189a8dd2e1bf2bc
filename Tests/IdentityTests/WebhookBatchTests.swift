import Domain
import Identity
import JSON
import Testing

/// `isthmus signature verify --batch --scheme …`: the lines and the described schemes.
@Suite struct WebhookBatchTests {
    private func verify(_ scheme: WebhookBatch.Scheme, _ line: JSONNode) throws -> JSONNode {
        let answer = WebhookBatch(scheme).verify(line: line.bytes())
        let node = try JSONNode(parsing: answer.line)
        #expect(node["verified"]?.bool == answer.isVerified)
        #expect((node["reason"] == nil) == answer.isVerified)
        #expect((node["code"] == nil) == answer.isVerified)
        return node
    }

    private func line(
        _ headers: [(String, String)], body: String, keys: [JSONNode], now: Int64, more: [JSONNode.Member] = []
    ) -> JSONNode {
        .object(
            [
                .init(key: "id", value: .string("x")),
                .init(
                    key: "request",
                    value: [
                        "headers": .array(headers.map { .array([.string($0.0), .string($0.1)]) }),
                        "bodyBase64": .string(Base64Text.text(Array(body.utf8))),
                    ]), .init(key: "keys", value: .array(keys)), .init(key: "now", value: .integer(now)),
            ] + more)
    }

    @Test("every vendor's example verifies through its line, names in any case", arguments: WebhookTests.vectors)
    func verifiesVendors(_ vector: WebhookTests.Vector) throws {
        let schemes: [String: WebhookBatch.Scheme] = [
            "Standard Webhooks v1": .standardWebhooks, "Standard Webhooks v1a": .standardWebhooks, "GitHub": .gitHub,
            "Slack": .slack, "Stripe": .stripe, "Shopify": .shopify,
        ]
        let scheme = try #require(schemes[vector.name])
        let headers = vector.fields.map { ($0.0.uppercased(), $0.1) }
        let good = line(headers, body: vector.body, keys: [.string(vector.key)], now: vector.seconds)
        #expect(try verify(scheme, good)["verified"]?.bool == true)
        let late = line(headers, body: vector.body, keys: [.string(vector.key)], now: vector.seconds + 301)
        #expect(try verify(scheme, late)["code"]?.string == (vector.seconds == 0 ? nil : "webhook-stale"))
        let tolerant = line(
            headers, body: vector.body, keys: [.string(vector.key)], now: vector.seconds + 301,
            more: [.init(key: "toleranceSeconds", value: 301)])
        #expect(try verify(scheme, tolerant)["verified"]?.bool == true)
    }

    static func scheme(_ members: KeyValuePairs<String, String>) -> [JSONNode.Member] {
        [.init(key: "scheme", value: .object(members.map { .init(key: $0.key, value: .string($0.value)) }))]
    }

    /// Source: RFC 4231 § 4.3, key `Jefe`.
    @Test("a described HMAC by SHA-512, and by SHA-256 in base64 with a prefix, a time and an id")
    func verifiesDescribed() throws {
        let digits =
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a"
            + "6d034f65f8f0e6fdcaeab1a34d4a6b4b636e0"
            + "70a38bce737"
        let plain = line(
            [("X-Sig", digits)], body: "what do ya want for nothing?", keys: ["Jefe"], now: 0,
            more: Self.scheme(["header": "X-SIG", "digest": "sha512"]))
        #expect(try verify(.hmac, plain)["verified"]?.bool == true)
        let full = line(
            [
                // printf '7-100-POST-/-{}' | openssl dgst -sha256 -hmac k -binary | base64
                ("x-sig", "a=An3iodV5dgrgqfd+EZ4rLpS87fGOTG8xm3roiRVYahc="), ("x-time", "100"), ("x-id", "7"),
            ], body: "{}", keys: ["k"], now: 100,
            more: Self.scheme([
                "header": "x-sig", "encoding": "base64", "prefix": "a=", "timestampHeader": "x-time",
                "idHeader": "x-id",
                "template": "{id}-{timestamp}-{method}-{target}-{body}",
            ]))
        #expect(try verify(.hmac, full)["verified"]?.bool == true)
    }

    @Test(
        "a description that would let two requests sign the same text is refused",
        arguments: [
            "{timestamp}{body}", "{body}.{timestamp}", "{body}{body}", "x", "", "{bod}", "{timestamp", "timestamp}",
            "{header:}.{body}", "{header:a b}.{body}", "{id}.{body}", String(repeating: "x", count: 513) + "{body}",
        ])
    func refusesTemplates(_ template: String) throws {
        let answer = try verify(
            .hmac,
            line(
                [("x-sig", "00")], body: "", keys: ["k"], now: 0,
                more: Self.scheme(["header": "x-sig", "timestampHeader": "x-time", "template": template])))
        #expect(answer["code"]?.string == "line")
    }

    @Test(
        "a part may not hold the literal that follows it, nor begin it",
        arguments: [
            ("{id}.{body}", "a.b", true), ("{id}..{body}", "a.b", false), ("{id}..{body}", "a.", true),
            ("{id}..{body}", "a..b", true), ("{id}-.-{body}", "a-.", true), ("{id}-.-{body}", "a-", false),
        ])
    func refusesSeparatorInPart(template: String, id: String, isMalformed: Bool) throws {
        let answer = try verify(
            .hmac,
            line(
                [("x-sig", "00"), ("x-id", id)], body: "", keys: ["k"], now: 0,
                more: Self.scheme(["header": "x-sig", "idHeader": "x-id", "template": template])))
        #expect(answer["code"]?.string == (isMalformed ? "webhook-field-malformed" : "webhook-mismatch"))
    }

    @Test(
        "a line that cannot be judged is not verified and says why",
        arguments: [
            "", "{", "[]", "{}", #"{"id":1,"keys":[],"now":0}"#, #"{"id":1,"request":{},"keys":[],"now":0}"#,
            #"{"id":1,"request":{"headers":[["a"]]},"keys":[],"now":0}"#,
            #"{"id":1,"request":{"headers":[],"bodyBase64":"a"},"keys":[],"now":0}"#,
            #"{"id":1,"request":{"headers":[]},"keys":[],"now":"then"}"#,
            #"{"id":1,"request":{"headers":[]},"keys":[1],"now":0}"#,
            #"{"id":1,"request":{"headers":[]},"keys":[{}],"now":0}"#,
            #"{"id":1,"request":{"headers":[]},"keys":["a","a","a","a","a","a","a","a","a","a""#
                + #","a","a","a","a","a","a","a"],"now":0}"#,
            #"{"id":1,"request":{"headers":[]},"keys":[{"secretBase64":"!"}],"now":0}"#,
            #"{"id":1,"request":{"headers":[]},"keys":[],"now":0,"toleranceSeconds":-1}"#,
        ])
    func refusesLines(_ text: String) throws {
        for scheme in WebhookBatch.Scheme.allCases {
            let answer = WebhookBatch(scheme).verify(line: text.utf8)
            #expect(!answer.isVerified)
            #expect(try JSONNode(parsing: answer.line)["code"]?.string == "line")
        }
    }

    @Test("components that are insisted on must be covered")
    func insistsOnComponents() throws {
        let headers = [
            ("Host", "example.com"), ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"), ("Content-Type", "application/json"),
            (
                "Signature-Input",
                #"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#
            ), ("Signature", "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"),
        ]
        let key: JSONNode = [
            "id": "test-shared-secret", "algorithm": "hmac-sha256", "secretBase64": .string(RFC9421.secretBase64),
        ]
        for (components, code) in [
            ([], nil), (["date", "@authority"], nil), (["@method"], "signature-component-missing"),
            (["@nonsense"], "line"), (["content-type;sf"], "signature-component-missing"),
        ] as [([JSONNode], String?)] {
            let answer = try verify(
                .messageSignature,
                line(
                    headers, body: "", keys: [key], now: 1_618_884_473,
                    more: [.init(key: "components", value: .array(components))]))
            #expect(answer["code"]?.string == code)
        }
        let profile = try verify(
            .messageSignature,
            line(
                headers, body: "", keys: [key], now: 1_618_884_473, more: [.init(key: "profile", value: "webhook")]))
        #expect(profile["code"]?.string == "signature-tag-missing")
    }
}
