import Domain
import Identity
import Testing

/// Every refusal of THREATS § 3.4 (G8): a good request with one thing wrong, signed again where the signer would have.
@Suite struct MessageSignatureRefusalTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let name: String
        let refusal: MessageSignatureRefusal
        let change: @Sendable (inout SignedProfileRequest) -> Void

        init(
            _ name: String, _ refusal: MessageSignatureRefusal,
            _ change: @escaping @Sendable (inout SignedProfileRequest) -> Void
        ) {
            self.name = name
            self.refusal = refusal
            self.change = change
        }

        var testDescription: String { name }
    }

    @Test("the request that the rows change is verified, and its parts are known")
    func verifiesUnchanged() throws {
        let proof = try SignedProfileRequest.verifier().verify(
            SignedProfileRequest().message(), now: SignedProfileRequest.now)
        #expect(proof.input.keyID == "partner-1")
        #expect(proof.input.nonce == "0123456789abcdef0123456789abcdef")
        #expect(proof.input.tag == "isthmus-webhook")
        #expect(proof.algorithm == .hmacSHA256)
    }

    static let coverage: [Row] =
        ["@method", "@authority", "@path", "@query", "content-digest", "content-type", "isthmus-event-source"].map {
            name in
            Row("\(name) is not covered", .componentMissing(name: name)) { $0.uncover("\"\(name)\"") }
        } + [
            Row("nothing is covered", .componentMissing(name: "@method")) { $0.components = [] },
            Row("a component twice", .componentRepeated(name: "@path")) {
                $0.components.append((#""@path""#, "/webhooks/acme.com"))
            },
            Row("a field covered as @method", .componentMissing(name: "@method")) {
                $0.components[0] = (#""method""#, "POST")
                $0.fields.append(("method", "POST"))
            },
            Row("a field of the name @method beside another method", .mismatch) {
                $0.method = "DELETE"
                $0.fields.append(("@method", "POST"))
            },
            Row("an unknown derived component", .componentMalformed(name: "@nonsense")) {
                $0.components.append((#""@nonsense""#, "x"))
                $0.fields.append(("@nonsense", "x"))
            },
            Row("@signature-params covered", .componentMalformed(name: "@signature-params")) {
                $0.components.append((#""@signature-params""#, "x"))
            },
            Row("@status of a request", .componentAbsent(name: "@status")) {
                $0.components.append((#""@status""#, "200"))
            },
            Row("a name in capitals", .componentMalformed(name: "Content-Type")) {
                $0.components[5] = (#""Content-Type""#, "application/json")
            },
            Row("an empty name", .componentMalformed(name: "")) { $0.components.append((#""""#, "")) },
            Row("a name with a space", .componentMalformed(name: "x y")) { $0.components.append((#""x y""#, "")) },
            Row("a name with a colon", .componentMalformed(name: "x: y")) { $0.components.append((#""x: y""#, "")) },
            Row("a name of 129 letters", .componentMalformed(name: "")) {
                $0.components.append(("\"\(String(repeating: "x", count: 129))\"", ""))
            },
            Row("a token for a name", .componentMalformed(name: "")) { $0.components.append(("x", "")) },
            Row("a byte sequence for a name", .componentMalformed(name: "")) { $0.components.append((":eA==:", "")) },
            Row("a covered field that is absent", .componentAbsent(name: "x-absent")) {
                $0.components.append((#""x-absent""#, ""))
            },
            Row("sf", .componentParameter(name: "content-type")) {
                $0.components[5] = (#""content-type";sf"#, "application/json")
            },
            Row("bs", .componentParameter(name: "content-type")) {
                $0.components[5] = (#""content-type";bs"#, ":YXBwbGljYXRpb24vanNvbg==:")
            },
            Row("key", .componentParameter(name: "content-digest")) {
                $0.components[4] = (#""content-digest";key="sha-512""#, String(RFC9421.requestDigest.dropFirst(8)))
            },
            Row("req", .componentParameter(name: "@method")) { $0.components[0] = (#""@method";req"#, "POST") },
            Row("tr", .componentParameter(name: "content-type")) {
                $0.components[5] = (#""content-type";tr"#, "application/json")
            },
            Row("an unknown component parameter", .componentParameter(name: "content-type")) {
                $0.components[5] = (#""content-type";x"#, "application/json")
            },
            Row("sf set to false", .componentParameter(name: "content-type")) {
                $0.components[5] = (#""content-type";sf=?0"#, "application/json")
            },
            Row("a component parameter twice", .repeated(.signatureInput)) {
                $0.components[5] = (#""content-type";sf;sf"#, "application/json")
            },
            Row("name beside a component that has none", .componentParameter(name: "@path")) {
                $0.components[2] = (#""@path";name="x""#, "/webhooks/acme.com")
            },
            Row("@query-param without a name", .componentMalformed(name: "@query-param")) {
                $0.components.append((#""@query-param""#, "1"))
            },
            Row("@query-param that is absent", .componentAbsent(name: "@query-param")) {
                $0.components.append((#""@query-param";name="b""#, ""))
            },
            Row("@query-param that stands twice", .componentAbsent(name: "@query-param")) {
                $0.target = "/webhooks/acme.com?a=1&a=2"
                $0.components[3].1 = "?a=1&a=2"
                $0.components.append((#""@query-param";name="a""#, "1"))
            },
            Row("a covered value beyond ASCII", .componentValue(name: "x")) {
                $0.fields.append(("x", "ü"))
                $0.components.append((#""x""#, "ü"))
            },
            Row("a line feed in a covered value", .componentValue(name: "x")) {
                $0.fields.append(("x", "a\n\"@method\": GET"))
                $0.components.append((#""x""#, "a\n\"@method\": GET"))
            },
            Row("a NUL in a covered value", .componentValue(name: "x")) {
                $0.fields.append(("x", "a\0"))
                $0.components.append((#""x""#, "a\0"))
            },
        ]

    static let parameters: [Row] =
        [MessageSignatureRefusal.Parameter.created, .expires, .nonce, .keyid].map { name in
            Row("no \(name.rawValue)", .parameterMissing(name)) { $0.replace(name.rawValue, with: nil) }
        } + [
            Row("no tag", .tagMissing) { $0.replace("tag", with: nil) },
            Row("another tag", .tagMissing) { $0.replace("tag", with: #"tag="isthmus""#) },
            Row("the tag in capitals", .tagMissing) { $0.replace("tag", with: #"tag="ISTHMUS-WEBHOOK""#) },
            Row("the tag as a token", .parameterMalformed(.tag)) { $0.replace("tag", with: "tag=isthmus-webhook") },
            Row("created 301 s ago", .stale) {
                $0.replace("created", with: "created=1618884179")
                $0.replace("expires", with: "expires=1618884479")
            },
            Row("created in 61 s", .notYetValid) { $0.replace("created", with: "created=1618884541") },
            Row("created as text", .parameterMalformed(.created)) {
                $0.replace("created", with: #"created="1618884473""#)
            },
            Row("created with a fraction", .parameterMalformed(.created)) {
                $0.replace("created", with: "created=1618884473.5")
            },
            Row("created before 1970", .parameterMalformed(.created)) { $0.replace("created", with: "created=-1") },
            Row("created beyond reason", .parameterMalformed(.created)) {
                $0.replace("created", with: "created=999999999999999")
            },
            Row("created twice", .repeated(.signatureInput)) { $0.parameters.append("created=1618884473") },
            Row("created without a value", .parameterMalformed(.created)) { $0.replace("created", with: "created") },
            Row("expired a second ago", .expired) { $0.replace("expires", with: "expires=1618884479") },
            Row("expires 301 s after created", .lifetime) { $0.replace("expires", with: "expires=1618884774") },
            Row("expires before created", .lifetime) {
                $0.replace("created", with: "created=1618884500")
                $0.replace("expires", with: "expires=1618884490")
            },
            Row("expires as text", .parameterMalformed(.expires)) {
                $0.replace("expires", with: #"expires="1618884773""#)
            },
            Row("expires in milliseconds", .lifetime) { $0.replace("expires", with: "expires=16188847730") },
            Row("a nonce of 124 bits", .nonceTooShort) {
                $0.replace("nonce", with: #"nonce="0123456789abcdef0123456789abcde""#)
            },
            Row("a nonce of 21 characters", .nonceTooShort) {
                $0.replace("nonce", with: #"nonce="zzzzzzzzzzzzzzzzzzzzz""#)
            },
            Row("an empty nonce", .parameterMalformed(.nonce)) { $0.replace("nonce", with: #"nonce="""#) },
            Row("a nonce of other characters", .parameterMalformed(.nonce)) {
                $0.replace("nonce", with: #"nonce="!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!""#)
            },
            Row("a nonce as a number", .parameterMalformed(.nonce)) {
                $0.replace("nonce", with: "nonce=123456789012345")
            },
            Row("a nonce of 257 characters", .parameterMalformed(.nonce)) {
                $0.replace("nonce", with: "nonce=\"\(String(repeating: "a", count: 257))\"")
            },
            Row("another key id", .unknownKey) { $0.replace("keyid", with: #"keyid="partner-2""#) },
            Row("the key id in capitals", .unknownKey) { $0.replace("keyid", with: #"keyid="PARTNER-1""#) },
            Row("an empty key id", .unknownKey) { $0.replace("keyid", with: #"keyid="""#) },
            Row("the key id as bytes", .parameterMalformed(.keyid)) { $0.replace("keyid", with: "keyid=:cA==:") },
            Row("alg of another algorithm", .algorithmMismatch) { $0.parameters.append(#"alg="ed25519""#) },
            Row("alg of a weaker hash", .algorithmMismatch) { $0.parameters.append(#"alg="hmac-sha1""#) },
            Row("alg none", .algorithmMismatch) { $0.parameters.append(#"alg="none""#) },
            Row("alg empty", .algorithmMismatch) { $0.parameters.append(#"alg="""#) },
            Row("alg in capitals", .algorithmMismatch) { $0.parameters.append(#"alg="HMAC-SHA256""#) },
            Row("alg as a token", .parameterMalformed(.alg)) { $0.parameters.append("alg=hmac-sha256") },
            Row("17 parameters", .tooLarge(.signatureInput)) {
                for index in 0..<12 { $0.parameters.append("x\(index)=1") }
            },
        ]

    static let message: [Row] = [
        Row("another method", .mismatch) { $0.method = "PUT" },
        Row("the method in small letters", .mismatch) { $0.method = "post" },
        Row("another path", .mismatch) { $0.target = "/webhooks/acme.net?a=1" },
        Row("the path encoded otherwise", .mismatch) { $0.target = "/webhooks/acme%2Ecom?a=1" },
        Row("another query", .mismatch) { $0.target = "/webhooks/acme.com?a=2" },
        Row("no query", .mismatch) { $0.target = "/webhooks/acme.com" },
        Row("a query more", .mismatch) { $0.target += "&b=1" },
        Row("another authority", .mismatch) {
            $0.authority = "gateway.other"
            $0.fields[0].1 = "gateway.other"
        },
        Row("a port that is not the scheme's", .mismatch) { $0.authority += ":8443" },
        Row("two hosts", .authority) { $0.added = [("host", "gateway.example")] },
        Row("a target of another authority", .authority) { $0.target = "https://gateway.other/webhooks/acme.com?a=1" },
        Row("a target without a scheme", .authority) { $0.target = "gateway.example:443" },
        Row("another content type", .mismatch) { $0.fields[1].1 = "text/plain" },
        Row("a second content type", .mismatch) { $0.added = [("content-type", "application/json")] },
        Row("another source", .mismatch) { $0.fields[2].1 = "acme.com/other" },
        Row("a second source", .mismatch) { $0.added = [("isthmus-event-source", "acme.com/other")] },
        Row("a source in two lines that read as one", .mismatch) {
            $0.fields[2].1 = "acme.com"
            $0.added = [("isthmus-event-source", "orders")]
        },
        Row("another content", .contentDigest(.mismatch)) { $0.body = Array(#"{"hello": "World"}"#.utf8) },
        Row("the content serialized again", .contentDigest(.mismatch)) { $0.body = Array(#"{"hello":"world"}"#.utf8) },
        Row("no content", .contentDigest(.mismatch)) { $0.body = [] },
        Row("no digest", .componentAbsent(name: "content-digest")) { $0.digest = nil },
        Row("a second digest", .mismatch) { $0.added = [("content-digest", ContentDigestTests.sha256)] },
        Row("a digest signed and wrong", .contentDigest(.mismatch)) {
            $0.digest = ContentDigestTests.sha256
            $0.components[4].1 = ContentDigestTests.sha256
        },
        Row("a digest by MD5", .contentDigest(.unsupported)) {
            $0.digest = "md5=:XrY7u+Ae7tCTyyK7j1rNww==:"
            $0.components[4].1 = "md5=:XrY7u+Ae7tCTyyK7j1rNww==:"
        },
        Row("a digest as text", .contentDigest(.malformed)) {
            $0.digest = "sha-256=abc"
            $0.components[4].1 = "sha-256=abc"
        },
        Row("another secret", .mismatch) { $0.secret[31] ^= 1 },
        Row("an empty secret", .mismatch) { $0.secret = [] },
    ]

    static let fields: [Row] = [
        Row("no signature-input", .missing(.signatureInput)) { $0.edit = { input, _ in input = "" } },
        Row("no signature", .missing(.signature)) { $0.edit = { _, signature in signature = "" } },
        Row("labels that differ", .unpairedLabel) { $0.edit = { input, _ in input = "x" + input } },
        Row("a label in capitals", .malformed(.signature)) { $0.edit = { _, text in text = "S" + text.dropFirst() } },
        Row("a second label without its signature", .unpairedLabel) { $0.edit = { input, _ in input += ", b=()" } },
        Row("a second signature without its input", .unpairedLabel) { $0.edit = { _, text in text += ", b=:AA==:" } },
        Row("two signatures with the tag", .tagRepeated) {
            $0.edit = { input, signature in
                input += ", b=" + input.dropFirst(4)
                signature += ", b=" + signature.dropFirst(4)
            }
        },
        Row("a label twice", .repeated(.signatureInput)) { $0.edit = { input, _ in input += ", " + input } },
        Row("a signature twice", .repeated(.signature)) { $0.edit = { _, text in text += ", " + text } },
        Row("nine labels", .tooLarge(.signatureInput)) {
            $0.edit = { input, _ in for index in 0..<8 { input += ", l\(index)=()" } }
        },
        Row("65 components", .tooLarge(.signatureInput)) {
            $0.edit = { input, _ in
                input = "sig=(" + (0..<65).map { "\"x\($0)\"" }.joined(separator: " ") + ")"
            }
        },
        Row("an input of 8,193 bytes", .tooLarge(.signatureInput)) {
            $0.edit = { input, _ in
                input.replace("(", with: "(" + String(repeating: " ", count: 8193 - input.utf8.count))
            }
        },
        Row("a signature as text", .malformed(.signature)) { $0.edit = { _, text in text = "sig=\"abc\"" } },
        Row("a signature as a list", .malformed(.signature)) { $0.edit = { _, text in text = "sig=(:AA==:)" } },
        Row("an empty signature", .mismatch) { $0.edit = { _, text in text = "sig=::" } },
        Row("a signature cut short", .mismatch) { $0.edit = { _, text in text = "sig=:AAAAAAAAAAAAAAAAAAAAAA==:" } },
        Row("a signature of zeros", .mismatch) {
            $0.edit = { _, text in text = "sig=:\(String(repeating: "A", count: 43))=:" }
        },
        Row("a signature of two spellings", .malformed(.signature)) {
            $0.edit = { _, text in text = "sig=:\(String(repeating: "A", count: 42))B=:" }
        },
        Row("an input as an item", .malformed(.signatureInput)) { $0.edit = { input, _ in input = "sig=1" } },
        Row("an input cut short", .malformed(.signatureInput)) { $0.edit = { input, _ in input.removeLast() } },
        Row("an input with a comma at its end", .malformed(.signatureInput)) { $0.edit = { input, _ in input += "," } },
        Row("components parted by commas", .malformed(.signatureInput)) {
            $0.edit = { input, _ in input.replace(#"" ""#, with: #"","#) }
        },
        Row("parameters in another order", .mismatch) {
            $0.edit = { input, _ in
                input.replace(";created=1618884473;expires=1618884773", with: ";expires=1618884773;created=1618884473")
            }
        },
        Row("components in another order", .mismatch) {
            $0.edit = { input, _ in
                input.replace(#""@method" "@authority""#, with: #""@authority" "@method""#)
            }
        },
        Row("a parameter added", .mismatch) { $0.edit = { input, _ in input += ";x" } },
        Row("a quote injected into the key id", .malformed(.signatureInput)) {
            $0.replace("keyid", with: "keyid=\"partner-1\";x=\"\"\"")
        },
        Row("a line break injected into the key id", .malformed(.signatureInput)) {
            $0.replace("keyid", with: "keyid=\"partner-1\n\"")
        },
    ]

    @Test("what must be covered is covered", arguments: coverage)
    func refusesCoverage(_ row: Row) { expectRefusal(row) }

    @Test("parameters are there, of their type and in range", arguments: parameters)
    func refusesParameters(_ row: Row) { expectRefusal(row) }

    @Test("the message is the one that was signed", arguments: message)
    func refusesMessage(_ row: Row) { expectRefusal(row) }

    @Test("the two fields are whole", arguments: fields)
    func refusesFields(_ row: Row) { expectRefusal(row) }

    private func expectRefusal(_ row: Row) {
        var request = SignedProfileRequest()
        row.change(&request)
        #expect(throws: row.refusal) {
            try SignedProfileRequest.verifier().verify(request.message(), now: SignedProfileRequest.now)
        }
        #expect(!row.refusal.description.isEmpty && !row.refusal.description.hasSuffix("."))
    }

    @Test("the rows are at least eighty")
    func countsRows() {
        #expect(Self.coverage.count + Self.parameters.count + Self.message.count + Self.fields.count >= 80)
    }
}
