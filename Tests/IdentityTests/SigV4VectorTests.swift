import Cryptography
import Domain
import Identity
import JSON
import Testing

/// Signatures that AWS publishes.
@Suite struct SigV4VectorTests {
    struct Vector: CustomTestStringConvertible, Sendable {
        var name: String
        var method = "GET"
        var target = "/"
        var host = "example.amazonaws.com"
        var fields: [(String, String)] = []
        var body = ""
        var signedHeaders = "host;x-amz-date"
        var signature: String
        var normalizesPath = true
        var token: String?

        var testDescription: String { name }
    }

    @Test("AWS's signing test suite verifies through the batch format", arguments: suite)
    func verifiesSuite(_ vector: Vector) throws {
        let answer = SigV4Batch(normalizesPath: vector.normalizesPath).verify(
            line: line(vector, date: "20150830T123600Z", region: "us-east-1", service: "service").bytes())
        #expect(answer.isVerified, "\(String(decoding: answer.line, as: UTF8.self))")
        let node = try JSONNode(parsing: answer.line)
        #expect(node["id"]?.string == vector.name)
        #expect(node["verified"]?.bool == true)
        #expect(node["stringToSign"]?.string?.hasPrefix("AWS4-HMAC-SHA256\n20150830T123600Z\n") == true)
    }

    @Test("a vector with one digit of its signature changed does not verify", arguments: suite)
    func refusesChanged(_ vector: Vector) {
        var changed = vector
        changed.signature = (vector.signature.hasPrefix("0") ? "1" : "0") + vector.signature.dropFirst()
        let answer = SigV4Batch(normalizesPath: vector.normalizesPath).verify(
            line: line(changed, date: "20150830T123600Z", region: "us-east-1", service: "service").bytes())
        #expect(!answer.isVerified)
    }

    @Test("a session token that is sent and not signed is refused (post-sts-header-after)")
    func refusesUnsignedToken() throws {
        let signed = line(Self.unsignedToken, date: "20150830T123600Z", region: "us-east-1", service: "service").bytes()
        let answer = SigV4Batch().verify(line: signed)
        #expect(!answer.isVerified)
        #expect(
            try JSONNode(parsing: answer.line)["reason"]?.string
                == SigV4Refusal.unsigned(name: "x-amz-security-token").description)
    }

    @Test("a body or token that is no string is refused by its name, and not taken for an absent one")
    func wrongTypes() throws {
        let vector = try #require(Self.suite.first { $0.token == nil && $0.body.isEmpty })
        let bytes = line(vector, date: "20150830T123600Z", region: "us-east-1", service: "service").bytes()
        let text = String(decoding: bytes, as: UTF8.self)
        for (name, from, into) in [
            ("bodyBase64", #""bodyBase64":"""#, #""bodyBase64":5"#),
            ("sessionToken", #""secretAccessKey":"#, #""sessionToken":5,"secretAccessKey":"#),
        ] {
            #expect(text.contains(from))
            let answer = SigV4Batch(normalizesPath: vector.normalizesPath).verify(
                line: Array(text.replacing(from, with: into).utf8))
            #expect(!answer.isVerified)
            #expect(try JSONNode(parsing: answer.line)["reason"]?.string == "`\(name)` is no string")
        }
    }

    @Test("the suite is whole: 38 cases, each once")
    func isWhole() {
        let names = Self.suite.map(\.name) + [Self.unsignedToken.name]
        #expect(names.count == 38 && Set(names).count == 38)
    }

    /// Source: https://docs.aws.amazon.com/general/latest/gr/sigv4-create-canonical-request.html (ListUsers)
    @Test("the ListUsers example has the canonical request and signature that AWS prints")
    func listUsers() throws {
        let vector = Vector(
            name: "ListUsers", target: "/?Action=ListUsers&Version=2010-05-08", host: "iam.amazonaws.com",
            fields: [("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
            signedHeaders: "content-type;host;x-amz-date",
            signature: "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
        let answer = SigV4Batch().verify(
            line: line(vector, date: "20150830T123600Z", region: "us-east-1", service: "iam").bytes())
        #expect(answer.isVerified)
        let node = try JSONNode(parsing: answer.line)
        #expect(
            SHA256.hash(Array((node["canonicalRequest"]?.string ?? "").utf8)).hexadecimal
                == "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59")
        #expect(
            node["stringToSign"]?.string == """
                AWS4-HMAC-SHA256
                20150830T123600Z
                20150830/us-east-1/iam/aws4_request
                f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59
                """)
    }

    static let emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    /// Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    static let storage: [Vector] = [
        Vector(
            name: "GET Object", target: "/test.txt", host: "examplebucket.s3.amazonaws.com",
            fields: [("Range", "bytes=0-9"), ("x-amz-content-sha256", emptyHash)],
            signedHeaders: "host;range;x-amz-content-sha256;x-amz-date",
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Vector(
            name: "PUT Object", method: "PUT", target: "/test%24file.text", host: "examplebucket.s3.amazonaws.com",
            fields: [
                ("Date", "Fri, 24 May 2013 00:00:00 GMT"),
                (
                    "x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
                ),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            body: "Welcome to Amazon S3.",
            signedHeaders: "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Vector(
            name: "GET Bucket Lifecycle", target: "/?lifecycle", host: "examplebucket.s3.amazonaws.com",
            fields: [("x-amz-content-sha256", emptyHash)], signedHeaders: "host;x-amz-content-sha256;x-amz-date",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Vector(
            name: "GET Bucket (List Objects)", target: "/?max-keys=2&prefix=J", host: "examplebucket.s3.amazonaws.com",
            fields: [("x-amz-content-sha256", emptyHash)], signedHeaders: "host;x-amz-content-sha256;x-amz-date",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    @Test("S3's examples verify with S3's path rules", arguments: storage)
    func verifiesStorage(_ vector: Vector) {
        let batch = SigV4Batch(normalizesPath: false, encodesPathAgain: false)
        let answer = batch.verify(
            line: line(
                vector, date: "20130524T000000Z", region: "us-east-1", service: "s3", id: "AKIAIOSFODNN7EXAMPLE",
                secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
            ).bytes())
        #expect(answer.isVerified, "\(String(decoding: answer.line, as: UTF8.self))")
    }

    func line(
        _ vector: Vector, date: String, region: String, service: String, id: String = "AKIDEXAMPLE",
        secret: String = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    ) -> JSONNode {
        let authorization =
            "AWS4-HMAC-SHA256 Credential=\(id)/\(date.prefix(8))/\(region)/\(service)/aws4_request, "
            + "SignedHeaders=\(vector.signedHeaders), Signature=\(vector.signature)"
        let fields = [("Host", vector.host)] + vector.fields + [("Authorization", authorization), ("X-Amz-Date", date)]
        var credentials: [JSONNode.Member] = [
            .init(key: "accessKeyId", value: .string(id)), .init(key: "secretAccessKey", value: .string(secret)),
        ]
        if let token = vector.token { credentials.append(.init(key: "sessionToken", value: .string(token))) }
        return [
            "id": .string(vector.name),
            "request": [
                "method": .string(vector.method), "target": .string(vector.target),
                "headers": .array(fields.map { .array([.string($0.0), .string($0.1)]) }),
                "bodyBase64": .string(Base64Text.text(Array(vector.body.utf8))),
            ],
            "credentials": .object(credentials), "region": .string(region), "service": .string(service),
            "now": .string(date),
        ]
    }
}
