import Cryptography
import Domain
import Identity
import Testing

/// RFC 9421's own messages, keys and signatures.
///
/// Source: https://www.rfc-editor.org/rfc/rfc9421.html, section numbers beside each.
@Suite struct MessageSignatureVectorTests {
    struct Vector: CustomTestStringConvertible, Sendable {
        let section: String
        let message: SignedMessage
        let keys: [MessageSignatureKey]
        let base: String?

        var testDescription: String { section }
    }

    static let now = Timestamp(seconds: 1_618_884_480)

    static let vectors: [Vector] = [
        Vector(
            section: "B.2.1",
            message: request([
                (
                    "signature-input",
                    #"sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#
                ),
                (
                    "signature",
                    "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtR"
                        + "xf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR"
                        + "72rgFWhzx2VjBqJz"
                        + "sPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP"
                        + "5TmcAnLH1g+s++v6"
                        + "d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:"
                ),
            ]), keys: [RFC9421.rsaPSS],
            base: #""@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#
        ),
        Vector(
            section: "B.2.2",
            message: request([
                (
                    "signature-input",
                    #"sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;"#
                        + #"keyid="test-key-rsa-pss";tag="header-example""#
                ),
                (
                    "signature",
                    "sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE"
                        + "5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rL"
                        + "EuEfY17SARYhpTla"
                        + "qwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY"
                        + "3I5rSV2DSBVkSFsU"
                        + "RIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:"
                ),
            ]), keys: [RFC9421.rsaPSS],
            base: """
                "@authority": example.com
                "content-digest": \(RFC9421.requestDigest)
                "@query-param";name="Pet": dog
                "@signature-params": ("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;\
                keyid="test-key-rsa-pss";tag="header-example"
                """),
        Vector(
            section: "B.2.3",
            message: request([
                (
                    "signature-input",
                    #"sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "#
                        + #""content-length");created=1618884473;keyid="test-key-rsa-pss""#
                ),
                (
                    "signature",
                    "sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRp"
                        + "RRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsL"
                        + "NmvKiLJH1pFkh/aY"
                        + "A2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui"
                        + "9eH8LZH896+QIF61"
                        + "ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:"
                ),
            ]), keys: [RFC9421.rsaPSS],
            base: """
                "date": Tue, 20 Apr 2021 02:07:55 GMT
                "@method": POST
                "@path": /foo
                "@query": ?param=Value&Pet=dog
                "@authority": example.com
                "content-type": application/json
                "content-digest": \(RFC9421.requestDigest)
                "content-length": 18
                "@signature-params": ("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" \
                "content-length");created=1618884473;keyid="test-key-rsa-pss"
                """),
        Vector(
            section: "B.2.4", message: RFC9421.signedResponse, keys: [RFC9421.p256],
            base: """
                "@status": 200
                "content-type": application/json
                "content-digest": \(RFC9421.responseDigest)
                "content-length": 23
                "@signature-params": ("@status" "content-type" "content-digest" "content-length");created=1618884473;\
                keyid="test-key-ecc-p256"
                """),
        Vector(
            section: "B.2.5",
            message: request([
                (
                    "signature-input",
                    #"sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#
                ), ("signature", "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"),
            ]), keys: [RFC9421.secret],
            base: """
                "date": Tue, 20 Apr 2021 02:07:55 GMT
                "@authority": example.com
                "content-type": application/json
                "@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"
                """),
        Vector(section: "B.2.6", message: RFC9421.signedByEd25519, keys: [RFC9421.ed25519], base: nil),
        Vector(
            section: "2.5 and 3.2",
            message: request([
                (
                    "signature-input",
                    #"sig1=("@method" "@authority" "@path" "content-digest" "content-length" "content-type");"#
                        + #"created=1618884473;keyid="test-key-rsa-pss""#
                ),
                (
                    "signature",
                    "sig1=:HIbjHC5rS0BYaa9v4QfD4193TORw7u9edguPh0AW3dMq9WImrlFrCGUDih47vAxi4L2YRZ3XMJc1uOKk/J0ZmZ+wcta4"
                        + "nKIgBkKq0rM9hs3CQyxXGxHLMCy8uqK488o+9jrptQ+xFPHK7a9sRL1IXNaagCNN3ZxJsYapFj+JXbma"
                        + "I5rtAdSfSvzPuBCh"
                        + "+ARHBmWuNo1UzVVdHXrl8ePL4cccqlazIJdC4QEjrF+Sn4IxBQzTZsL9y9TP5FsZYzHvDqbInkTNigBc"
                        + "E9cKOYNFCn4D/WM7"
                        + "F6TNuZO9EgtzepLWcjTymlHzK7aXq6Am6sfOrpIC49yXjj3ae6HRalVc/g==:"
                ),
            ]), keys: [RFC9421.rsaPSS], base: nil),
        Vector(section: "4.3, of two the proxy's", message: RFC9421.proxied, keys: [RFC9421.rsa], base: nil),
        Vector(
            section: "B.3", message: RFC9421.terminated, keys: [RFC9421.p256],
            base: """
                "@path": /foo
                "@query": ?param=Value&Pet=dog
                "@method": POST
                "@authority": service.internal.example
                "client-cert": \(RFC9421.clientCertificate)
                "@signature-params": ("@path" "@query" "@method" "@authority" "client-cert");created=1618884473;\
                keyid="test-key-ecc-p256"
                """),
        Vector(
            section: "B.4, as signed",
            message: RFC9421.transformed(fields: [("accept", "application/json"), ("accept", "*/*")]),
            keys: [RFC9421.ed25519],
            base: """
                "@method": GET
                "@path": /demo
                "@authority": example.org
                "accept": application/json, */*
                "@signature-params": ("@method" "@path" "@authority" "accept");created=1618884473;\
                keyid="test-key-ed25519"
                """),
        Vector(
            section: "B.4, a parameter and a field added",
            message: RFC9421.transformed(
                target: "/demo?name1=Value1&Name2=value2&param=added",
                fields: [
                    ("accept", "application/json"), ("accept", "*/*"), ("accept-language", "en-US,en;q=0.5"),
                ]), keys: [RFC9421.ed25519], base: nil),
        Vector(
            section: "B.4, lines combined", message: RFC9421.transformed(fields: [("accept", "application/json, */*")]),
            keys: [RFC9421.ed25519], base: nil),
    ]

    @Test("the RFC's signatures verify, over the RFC's signature bases", arguments: vectors)
    func verifies(_ vector: Vector) throws {
        let verifier = MessageSignatureVerifier(keys: vector.keys, policy: MessageSignaturePolicy())
        let proof = try verifier.verify(vector.message, now: Self.now)
        if let base = vector.base {
            #expect(String(decoding: try proof.input.base(of: vector.message), as: UTF8.self) == base)
        }
        #expect(proof.keyIndex == 0)
        #expect((proof.algorithm == .hmacSHA256) == (vector.section == "B.2.5"))
    }

    @Test("no RFC signature verifies under another key of the RFC", arguments: vectors)
    func refusesOtherKeys(_ vector: Vector) {
        let known = vector.keys.compactMap(\.id)
        let others = [RFC9421.rsaPSS, RFC9421.rsa, RFC9421.p256, RFC9421.ed25519, RFC9421.secret].filter {
            !known.contains($0.id ?? "")
        }
        let verifier = MessageSignatureVerifier(keys: others, policy: MessageSignaturePolicy())
        #expect(throws: MessageSignatureRefusal.self) { try verifier.verify(vector.message, now: Self.now) }
    }

    @Test("B.4: another method and authority, or the accept lines in another order, do not verify")
    func refusesTransformations() {
        let verifier = MessageSignatureVerifier(keys: [RFC9421.ed25519], policy: MessageSignaturePolicy())
        let accept = [("accept", "application/json"), ("accept", "*/*")]
        for message in [
            RFC9421.transformed(method: "POST", fields: accept),
            RFC9421.transformed(authority: "example.com", fields: accept),
            RFC9421.transformed(fields: accept.reversed()),
        ] {
            #expect(throws: MessageSignatureRefusal.mismatch) { try verifier.verify(message, now: Self.now) }
        }
    }

    @Test("2.4: a response's signature covers the request it answers, and is refused without it")
    func verifiesResponseToRequest() throws {
        var fields = HeaderFields()
        for (name, value) in [
            (
                "content-digest",
                "sha-512=:0Y6iCBzGg5rZtoXS95Ijz03mslf6KAMCloESHObfwnHJDbkkWWQz6PhhU9kxsTbARtY2PTBOzq24uJFpHsMuAg==:"
            ), ("content-type", "application/json"),
            (
                "signature-input",
                #"reqres=("@status" "content-digest" "content-type" "@authority";req "@method";req "@path";req "#
                    + #""content-digest";req);created=1618884479;keyid="test-key-ecc-p256""#
            ),
            (
                "signature",
                "reqres=:dMT/A/76ehrdBTD/2Xx8QuKV6FoyzEP/I9hdzKN8LQJLNgzU4W767HK05rx1i8meNQQgQPgQp8wq2ive3tV5Ag==:"
            ),
        ] { fields.append(name: name, value: value) }
        let body = Array(#"{"busy": true, "message": "Your call is very important to us"}"#.utf8)
        let verifier = MessageSignatureVerifier(keys: [RFC9421.p256], policy: MessageSignaturePolicy())
        let request = SignedMessage.RequestHead(RFC9421.plainRequest([]), scheme: "https")
        let answer = SignedMessage(status: 503, fields: fields, body: body, to: request)
        #expect(try verifier.verify(answer, now: Self.now).input.label == "reqres")
        let alone = SignedMessage(status: 503, fields: fields, body: body, to: nil)
        #expect(throws: MessageSignatureRefusal.componentAbsent(name: "@authority")) {
            try verifier.verify(alone, now: Self.now)
        }
        let another = SignedMessage(status: 200, fields: fields, body: body, to: request)
        #expect(throws: MessageSignatureRefusal.mismatch) { try verifier.verify(another, now: Self.now) }
    }

    static func request(_ signature: [(String, String)]) -> SignedMessage {
        SignedMessage(RFC9421.plainRequest(signature))
    }
}
