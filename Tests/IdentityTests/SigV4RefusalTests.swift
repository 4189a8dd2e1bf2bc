import Domain
import Identity
import Testing

/// Every refusal of THREATS §3.3: a good request with one thing wrong, signed again where the signer would have.
@Suite struct SigV4RefusalTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let name: String
        let refusal: SigV4Refusal
        let code: ErrorCode
        let change: @Sendable (inout SignedRequest) -> Void

        init(
            _ name: String, _ refusal: SigV4Refusal, _ code: ErrorCode,
            _ change: @escaping @Sendable (inout SignedRequest) -> Void
        ) {
            self.name = name
            self.refusal = refusal
            self.code = code
            self.change = change
        }

        var testDescription: String { name }
    }

    /// Changes the finished `Authorization` field.
    static func edited(_ edit: @escaping @Sendable (String) -> String) -> @Sendable (inout SignedRequest) -> Void {
        { $0.authorization = edit($0.sign()) }
    }

    /// Signs under another list of names.
    static func names(_ names: String) -> @Sendable (inout SignedRequest) -> Void {
        { $0.signedHeaders = names }
    }

    static let good = "amz-sdk-invocation-id;content-type;host;x-amz-date;x-amz-target"
    static let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    static let field: [Row] = [
        Row("Signature Version 2", .unsupportedAlgorithm, .incompleteSignature, edited { _ in "AWS AKID:c2ln" }),
        Row("AWS3", .unsupportedAlgorithm, .incompleteSignature, edited { _ in "AWS3-HTTPS AWSAccessKeyId=A" }),
        Row(
            "Signature Version 4A", .unsupportedAlgorithm, .incompleteSignature,
            edited { "AWS4-ECDSA-P256-SHA256" + $0.dropFirst(16) }),
        Row("Bearer", .unsupportedAlgorithm, .incompleteSignature, edited { _ in "Bearer abc" }),
        Row("empty", .unsupportedAlgorithm, .incompleteSignature, edited { _ in "" }),
        Row(
            "lower-case algorithm", .unsupportedAlgorithm, .incompleteSignature,
            edited { "aws4-hmac-sha256" + $0.dropFirst(16) }),
        Row(
            "two spaces", .malformed(.credential), .incompleteSignature,
            edited { "AWS4-HMAC-SHA256 " + $0.dropFirst(16) }),
        Row(
            "over 4,096 bytes", .malformed(.field), .incompleteSignature,
            edited { $0 + String(repeating: "0", count: 4096) }),
        Row(
            "no credential", .malformed(.credential), .incompleteSignature,
            edited { _ in "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=0" }),
        Row(
            "four elements", .malformed(.credential), .incompleteSignature,
            edited { $0.replacing("/aws4_request", with: "") }),
        Row(
            "six elements", .malformed(.signedHeaders), .incompleteSignature,
            edited { $0.replacing("aws4_request", with: "aws4_request/x") }),
        Row(
            "empty element", .malformed(.credential), .incompleteSignature,
            edited { $0.replacing("eu-central-1", with: "") }),
        Row(
            "empty key id", .malformed(.accessKeyID), .incompleteSignature,
            edited { $0.replacing("AKIAIOSFODNN7EXAMPLE", with: "") }),
        Row(
            "key id with a space", .malformed(.accessKeyID), .incompleteSignature,
            edited { $0.replacing("AKIAIOSFODNN7EXAMPLE", with: "AK ID") }),
        Row(
            "key id of 129 letters", .malformed(.accessKeyID), .incompleteSignature,
            edited { $0.replacing("AKIAIOSFODNN7EXAMPLE", with: String(repeating: "A", count: 129)) }),
        Row(
            "no comma", .malformed(.signedHeaders), .incompleteSignature,
            edited { $0.replacing(", Sig", with: " Sig").replacing(", Signed", with: " Signed") }),
        Row(
            "no signed headers", .malformed(.signedHeaders), .incompleteSignature,
            edited { $0.replacing("SignedHeaders=" + good, with: "SignedHeaders=") }),
        Row(
            "empty name", .malformed(.signedHeaders), .incompleteSignature,
            edited { $0.replacing("host;", with: ";host;") }),
        Row(
            "name at the end empty", .malformed(.signedHeaders), .incompleteSignature,
            edited { $0.replacing("x-amz-target,", with: "x-amz-target;,") }),
        Row("no signature", .malformed(.signature), .incompleteSignature, edited { String($0.dropLast(76)) }),
        Row("short signature", .malformed(.signature), .incompleteSignature, edited { String($0.dropLast()) }),
        Row("long signature", .malformed(.signature), .incompleteSignature, edited { $0 + "0" }),
        Row(
            "upper-case signature", .malformed(.signature), .incompleteSignature,
            edited { $0.prefix($0.count - 64) + String(repeating: "A", count: 64) }),
        Row("text after the signature", .malformed(.signature), .incompleteSignature, edited { $0 + ", Extra=1" }),
        Row(
            "parts in another order", .malformed(.credential), .incompleteSignature,
            edited { text in
                let parts = text.dropFirst(17).split(separator: ", ")
                return "AWS4-HMAC-SHA256 \(parts[1]), \(parts[0]), \(parts[2])"
            }),
        Row(
            "credential twice", .malformed(.signedHeaders), .incompleteSignature,
            edited { $0.replacing(", SignedHeaders", with: ", Credential=x, SignedHeaders") }),
        Row("signature twice", .malformed(.signature), .incompleteSignature, edited { $0 + "," + $0.suffix(74) }),
    ]

    static let headers: [Row] = [
        Row("upper-case names", .signedHeadersUpperCase, .incompleteSignature, names("Host;x-amz-date")),
        Row(
            "unsorted names", .signedHeadersUnsorted, .incompleteSignature,
            names("host;content-type;x-amz-date;x-amz-target")),
        Row(
            "repeated name", .signedHeadersRepeat, .incompleteSignature,
            names("content-type;host;host;x-amz-date;x-amz-target")),
        Row(
            "65 names", .signedHeadersTooMany, .incompleteSignature,
            names((100..<165).map { "a\($0)" }.joined(separator: ";"))),
        Row(
            "host not signed", .unsigned(name: "host"), .invalidSignature, names("content-type;x-amz-date;x-amz-target")
        ),
        Row(
            "content-type not signed", .unsigned(name: "content-type"), .invalidSignature,
            names("host;x-amz-date;x-amz-target")),
        Row(
            "date not signed", .unsigned(name: "x-amz-date"), .invalidSignature, names("content-type;host;x-amz-target")
        ),
        Row(
            "target not signed", .unsigned(name: "x-amz-target"), .invalidSignature,
            names("content-type;host;x-amz-date")),
        Row("another x-amz field not signed", .unsigned(name: "x-amz-extra"), .invalidSignature) {
            $0["x-amz-extra"] = "1"
        },
        Row("token not signed", .unsigned(name: "x-amz-security-token"), .invalidSignature) {
            $0["x-amz-security-token"] = "t"
        },
        Row("upper-case x-amz field", .unsigned(name: "X-Amz-Extra"), .invalidSignature) { $0["X-Amz-Extra"] = "1" },
        Row(
            "signed field absent", .signedHeaderAbsent(name: "expect"), .invalidSignature,
            names("content-type;expect;host;x-amz-date;x-amz-target")),
        Row("no authority and no host", .signedHeaderAbsent(name: "host"), .invalidSignature) { $0.authority = "" },
        Row("host beside another authority", .hostMismatch, .invalidSignature) { $0["host"] = "other.example" },
        Row("two authorizations", .repeatedField(.authorization), .incompleteSignature) {
            $0["authorization"] = "AWS4-HMAC-SHA256 x"
        },
        Row("two hosts", .repeatedField(.host), .incompleteSignature) {
            $0.version = .http11
            $0["host"] = $0.authority
        },
        Row("two dates", .repeatedField(.date), .incompleteSignature) {
            $0.fields.append(("x-amz-date", "20261121T060000Z"))
        },
        Row("two targets", .repeatedField(.target), .incompleteSignature) {
            $0.fields.append(("x-amz-target", "AWSEvents.PutRule"))
        },
        Row("two content types", .repeatedField(.contentType), .incompleteSignature) {
            $0.fields.append(("content-type", "a/b"))
        },
        Row("two tokens", .repeatedField(.token), .incompleteSignature) {
            $0.fields.append(("x-amz-security-token", "a"))
            $0.fields.append(("x-amz-security-token", "b"))
        },
        Row("two payload hashes", .repeatedField(.payloadHash), .incompleteSignature) {
            $0.fields.append(("x-amz-content-sha256", empty))
            $0.fields.append(("x-amz-content-sha256", empty))
        },
    ]

    static let scope: [Row] = [
        Row("no date", .missingDate, .incompleteSignature) { $0["x-amz-date"] = nil },
        Row("extended date", .malformedDate, .incompleteSignature) { $0["x-amz-date"] = "2026-11-21T06:00:00Z" },
        Row("date with a zone", .malformedDate, .incompleteSignature) { $0["x-amz-date"] = "20261121T060000+" },
        Row("31 November", .malformedDate, .incompleteSignature) { $0["x-amz-date"] = "20261131T060000Z" },
        Row("leap second", .malformedDate, .incompleteSignature) { $0["x-amz-date"] = "20261121T055960Z" },
        Row("scope of another day", .scopeDate(scope: "20261120", date: "20261121"), .invalidSignature) {
            $0.scopeDate = "20261120"
        },
        Row("scope date longer", .scopeDate(scope: "202611211", date: "20261121"), .invalidSignature) {
            $0.scopeDate = "202611211"
        },
        Row("another region", .scopeRegion(scope: "eu-west-1", expected: "eu-central-1"), .invalidSignature) {
            $0.region = "eu-west-1"
        },
        Row("region in capitals", .scopeRegion(scope: "EU-CENTRAL-1", expected: "eu-central-1"), .invalidSignature) {
            $0.region = "EU-CENTRAL-1"
        },
        Row("another service", .scopeService(scope: "s3", expected: ["events", "sts"]), .invalidSignature) {
            $0.service = "s3"
        },
        Row("another terminator", .scopeTerminator(scope: "aws4a_request"), .invalidSignature) {
            $0.terminator = "aws4a_request"
        },
        Row("UNSIGNED-PAYLOAD", .unsignedPayload, .invalidSignature) {
            $0["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
            $0.signedHeaders = "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target"
        },
        Row("STREAMING payload", .streamingPayload, .invalidSignature) {
            $0["x-amz-content-sha256"] = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
        },
        Row("STREAMING trailer", .streamingPayload, .invalidSignature) {
            $0["x-amz-content-sha256"] = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        },
        Row("unsigned-payload in small letters", .payloadMismatch, .invalidSignature) {
            $0["x-amz-content-sha256"] = "unsigned-payload"
        },
        Row("hash of other content", .payloadMismatch, .invalidSignature) { $0["x-amz-content-sha256"] = empty },
        Row("presigned URL", .twoLocations, .incompleteSignature) { $0.target = "/?X-Amz-Signature=00" },
        Row("credential in the query", .twoLocations, .incompleteSignature) { $0.target = "/?a=b&x-amz-credential=c" },
        Row("credential in the query, encoded", .twoLocations, .incompleteSignature) {
            $0.target = "/?%58-Amz%2DCredential=c"
        },
        Row("Signature Version 2 in the query", .twoLocations, .incompleteSignature) {
            $0.target = "/?AWSAccessKeyId=A"
        },
        Row("target without a slash", .malformedTarget, .incompleteSignature) { $0.target = "*" },
        Row("unknown key", .unknownKey, .unrecognizedClient) { $0.authorization = $0.sign(accessKeyID: "AKIAOTHER") },
        Row("wrong secret", .mismatch, .invalidSignature) { $0.authorization = $0.sign(secret: "wrong") },
        Row("token with a long-term key", .token, .unrecognizedClient) {
            $0["x-amz-security-token"] = "t"
            $0.signedHeaders += ";x-amz-security-token"
            $0.signedHeaders = $0.signedHeaders.replacing(
                ";x-amz-target;x-amz-security-token", with: ";x-amz-security-token;x-amz-target")
        },
    ]

    @Test("a request with one thing wrong is refused with its reason and code", arguments: field + headers + scope)
    func refuses(_ row: Row) {
        var signed = SignedRequest()
        row.change(&signed)
        let refusal = SigV4Verifier(rules: SignedRequest.rules).refusal(of: signed.request())
        #expect(refusal == row.refusal)
        #expect(refusal?.code == row.code)
    }

    @Test(
        "the request those rows change is accepted, in both versions of HTTP",
        arguments: [Request.Version.http11, .http2])
    func accepts(_ version: Request.Version) throws {
        var signed = SignedRequest()
        signed.version = version
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        let record = SignedRequest.record()
        for _ in 0..<3 {
            let proof = try verifier.verify(signed.request(), now: SignedRequest.now) { _, _ in record }
            #expect(proof.accessKey === record)
            #expect(proof.signedAt == SignedRequest.now)
        }
    }

    @Test("no Authorization field is `missing`, and query authentication alone is refused as that")
    func missing() {
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        func refusal(target: String) -> SigV4Refusal? {
            verifier.refusal(
                of: Request(method: "POST", target: target, authority: "a", fields: [("x-amz-date", "x")], body: []))
        }
        #expect(refusal(target: "/") == .missing)
        #expect(refusal(target: "/?X-Amz-Algorithm=AWS4-HMAC-SHA256") == .queryAuthentication)
        #expect(SigV4Refusal.missing.code == .missingAuthenticationToken)
    }

    @Test(
        "the clock may differ by 300 s, to the millisecond",
        arguments: [
            (-301_000, false), (-300_001, false), (-300_000, true), (-299_000, true), (0, true), (299_000, true),
            (300_000, true), (300_001, false), (301_000, false),
        ])
    func skew(_ milliseconds: Int64, _ isAccepted: Bool) {
        let now = Timestamp(milliseconds: SignedRequest.now.milliseconds + milliseconds)
        let refusal = SigV4Verifier(rules: SignedRequest.rules).refusal(of: SignedRequest().request(), now: now)
        #expect((refusal == nil) == isAccepted)
        switch refusal {
        case nil: #expect(isAccepted)
        case .expired(let date, _, 300): #expect(milliseconds > 0 && date == "20261121T060000Z")
        case .notYetValid(let date, _, 300): #expect(milliseconds < 0 && date == "20261121T060000Z")
        default: Issue.record("\(String(describing: refusal))")
        }
    }

    @Test(
        "a lower tolerance is kept as exactly",
        arguments: [(0, true), (60_000, true), (60_001, false), (-60_001, false)])
    func lowerTolerance(_ milliseconds: Int64, _ isAccepted: Bool) {
        let verifier = SigV4Verifier(
            rules: SigV4Rules(region: "eu-central-1", services: ["events"], toleranceSeconds: 60))
        let now = Timestamp(milliseconds: SignedRequest.now.milliseconds + milliseconds)
        #expect((verifier.refusal(of: SignedRequest().request(), now: now) == nil) == isAccepted)
    }

    @Test("a signature made before midnight is accepted after it")
    func midnight() {
        var signed = SignedRequest()
        signed["x-amz-date"] = "20261120T235930Z"
        signed.scopeDate = "20261120"
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        // 2026-11-21T00:00:10Z
        let after = Timestamp(seconds: SignedRequest.now.seconds - 6 * 3600 + 10)
        #expect(verifier.refusal(of: signed.request(), now: Timestamp(seconds: after.seconds - 20)) == nil)
        #expect(verifier.refusal(of: signed.request(), now: after) == nil)
    }

    @Test("a key that is disabled, changed or deleted is refused although its signing key was at hand")
    func keyChanges() {
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        let request = SignedRequest().request()
        #expect(verifier.refusal(of: request) == nil)
        #expect(verifier.refusal(of: request, record: SignedRequest.record(isEnabled: false)) == .unknownKey)
        #expect(verifier.refusal(of: request) == nil)
        let changed = AccessKeyRecord(
            id: SignedRequest.accessKeyID, principal: SignedRequest.principal, secret: SecretBytes(Array("new".utf8)))
        #expect(verifier.refusal(of: request, record: changed) == .mismatch)
        verifier.forget(accessKeyID: SignedRequest.accessKeyID)
        #expect(verifier.refusal(of: request) == nil)
    }

    @Test("a sealed secret is opened once a day for each key, and again after the key is forgotten")
    func sealedSecret() {
        let counter = Counter()
        let record = AccessKeyRecord(
            id: SignedRequest.accessKeyID, principal: SignedRequest.principal, sealedSecret: [1, 2, 3]
        ) {
            counter.add()
            return SecretBytes(Array(SignedRequest.secret.utf8))
        }
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        for _ in 0..<3 { #expect(verifier.refusal(of: SignedRequest().request(), record: record) == nil) }
        #expect(counter.count == 1)
        verifier.forget(accessKeyID: "AKIAOTHER")
        #expect(verifier.refusal(of: SignedRequest().request(), record: record) == nil)
        #expect(counter.count == 1)
        verifier.forget(accessKeyID: SignedRequest.accessKeyID)
        #expect(verifier.refusal(of: SignedRequest().request(), record: record) == nil)
        #expect(counter.count == 2)
        let unreadable = AccessKeyRecord(
            id: SignedRequest.accessKeyID, principal: SignedRequest.principal, sealedSecret: [9]
        ) { nil }
        #expect(verifier.refusal(of: SignedRequest().request(), record: unreadable) == .secretUnavailable)
    }

    @Test("a session token must come, be signed and equal, and its time is judged after the signature")
    func sessionToken() {
        let verifier = SigV4Verifier(rules: SignedRequest.rules)
        var signed = SignedRequest()
        func record(expires: Timestamp) -> AccessKeyRecord {
            SignedRequest.record(session: .init(token: SecretBytes(Array("token".utf8)), expires: expires))
        }
        let later = Timestamp(milliseconds: SignedRequest.now.milliseconds + 1)
        #expect(verifier.refusal(of: signed.request(), record: record(expires: later)) == .token)
        signed["x-amz-security-token"] = "token"
        signed.signedHeaders = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
        #expect(verifier.refusal(of: signed.request(), record: record(expires: later)) == nil)
        #expect(verifier.refusal(of: signed.request(), record: record(expires: SignedRequest.now)) == .expiredToken)
        let wrong = signed.sign(secret: "wrong")
        var forged = signed
        forged.authorization = wrong
        #expect(verifier.refusal(of: forged.request(), record: record(expires: SignedRequest.now)) == .mismatch)
        signed["x-amz-security-token"] = "tokem"
        #expect(verifier.refusal(of: signed.request(), record: record(expires: later)) == .token)
    }

    @Test("64 signed headers are read and 65 are not; a key id of 128 letters is read")
    func limits() throws {
        func parse(_ text: String) throws(SigV4Refusal) -> SigV4Authorization {
            try Array(text.utf8).withUnsafeBufferPointer { bytes throws(SigV4Refusal) in
                try SigV4Authorization(parsing: bytes)
            }
        }
        func field(names: Int, id: Int) -> String {
            "AWS4-HMAC-SHA256 Credential=\(String(repeating: "A", count: id))/20261121/r/s/aws4_request,SignedHeaders="
                + (100..<(100 + names)).map { "a\($0)" }.joined(separator: ";") + ",Signature="
                + String(repeating: "0", count: 64)
        }
        #expect(throws: Never.self) { try parse(field(names: 64, id: 128)) }
        #expect(throws: SigV4Refusal.signedHeadersTooMany) { try parse(field(names: 65, id: 128)) }
        #expect(throws: SigV4Refusal.malformed(.accessKeyID)) { try parse(field(names: 1, id: 129)) }
    }

    @Test("no refusal's message shows the secret or the signature")
    func messages() {
        for row in Self.field + Self.headers + Self.scope {
            #expect(!row.refusal.description.contains(SignedRequest.secret))
            #expect(!row.refusal.description.isEmpty)
        }
        #expect("\(SignedRequest.record().secretForTests)" == "(secret)")
    }
}

extension AccessKeyRecord {
    fileprivate var secretForTests: SecretBytes { SecretBytes(Array(SignedRequest.secret.utf8)) }
}

/// Counts calls from closures that must be `Sendable`; tests call it from one thread.
final class Counter: @unchecked Sendable {
    private(set) var count = 0
    func add() { count += 1 }
}
