import Cryptography
import Domain
import Identity
import Testing

/// The vendors' own examples, and what none of them would send.
@Suite struct WebhookTests {
    struct Vector: CustomTestStringConvertible, Sendable {
        let name: String
        let scheme: WebhookScheme
        let key: String
        var fields: [(String, String)]
        var body: String
        let seconds: Int64

        var testDescription: String { name }

        func request() -> Request {
            Request(
                version: .http11, method: "POST", target: "/", authority: "a", fields: fields, body: Array(body.utf8))
        }
    }

    static let vectors: [Vector] = [
        // https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/go/webhook_test.go
        Vector(
            name: "Standard Webhooks v1", scheme: .standardWebhooks, key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            fields: [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"),
                ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
            ], body: #"{"test": 2432232314}"#, seconds: 1_614_265_330),
        // …/libraries/go/webhook_asymmetric_test.go, whose seed is the text TESTSIGNINGKEYEDDONOTUSETHISFORANY.
        Vector(
            name: "Standard Webhooks v1a", scheme: .standardWebhooks, key: publicKey,
            fields: [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"), ("webhook-timestamp", "1614265330"),
                (
                    "webhook-signature",
                    "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
                ),
            ], body: #"{"test": 2432232314}"#, seconds: 1_614_265_330),
        // https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
        Vector(
            name: "GitHub", scheme: .gitHub, key: "It's a Secret to Everybody",
            fields: [
                (
                    "x-hub-signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
                )
            ], body: "Hello, World!", seconds: 0),
        // https://docs.slack.dev/authentication/verifying-requests-from-slack
        Vector(
            name: "Slack", scheme: .slack, key: "8f742231b10e8888abcd99yyyzzz85a5",
            fields: [
                ("x-slack-request-timestamp", "1531420618"),
                ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
            ],
            body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
                + "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
                + "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F39770088555"
                + "4%2F96rGlfmibIGlgcZRskXaIFfN"
                + "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c", seconds: 1_531_420_618),
        // The form of https://docs.stripe.com/webhooks#verify-manually, which publishes no secret. The value is
        // computed by
        // `printf '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test_secret`.
        Vector(
            name: "Stripe", scheme: .stripe, key: "whsec_test_secret",
            fields: [
                (
                    "stripe-signature",
                    "t=1492774577,v1=799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f"
                        + ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"
                )
            ], body: #"{"id":"evt_1"}"#, seconds: 1_492_774_577),
        // The form of https://shopify.dev/docs/apps/build/webhooks/subscribe/https: base64 of the HMAC of the
        // body. The value is
        // computed by `printf {} | openssl dgst -sha256 -hmac secret -binary | base64`.
        Vector(
            name: "Shopify", scheme: .shopify, key: "secret",
            fields: [("x-shopify-hmac-sha256", "dzJZAsrKgS3CWXM6rNBGtzgXNyx3e42VtAJkdHRRbhM=")],
            body: "{}", seconds: 0),
    ]

    /// The public half of the standard's example seed, as a vendor shows it.
    static let publicKey: String = {
        do throws(CryptographyError) {
            let seed = RFC9421.bytes(base64: "VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=")
            return "whpk_" + Base64Text.text(Array(try PrivateKey(ed25519: seed).publicKey().der.suffix(32)))
        } catch {
            preconditionFailure("\(error)")
        }
    }()

    private func verdict(
        _ vector: Vector, keys: [String]? = nil, now: Timestamp? = nil
    ) throws -> (proof: WebhookProof?, refusal: WebhookRefusal?) {
        let keys = try (keys ?? [vector.key]).map { try WebhookKey(parsing: $0, for: vector.scheme) }
        let verifier = WebhookVerifier(scheme: vector.scheme, keys: keys)
        do throws(WebhookRefusal) {
            return (try verifier.verify(vector.request(), now: now ?? Timestamp(seconds: vector.seconds)), nil)
        } catch {
            return (nil, error)
        }
    }

    @Test("the vendors' examples verify", arguments: vectors)
    func verifies(_ vector: Vector) throws {
        let outcome = try verdict(vector)
        #expect(outcome.refusal == nil)
        #expect(outcome.proof?.isReplayable == ["GitHub", "Shopify"].contains(vector.name))
        #expect(outcome.proof?.id == (vector.scheme == .standardWebhooks ? "msg_p5jXN8AQM9LWM0D4loKWxJek" : nil))
    }

    @Test("no bit of the content or of a field can change", arguments: vectors)
    func refusesFlippedBits(_ vector: Vector) throws {
        var changed = vector
        for (_, body) in flips(vector.body) {
            changed.body = body
            #expect(try verdict(changed).refusal != nil)
        }
        changed = vector
        for index in vector.fields.indices {
            // Stripe's test scheme `v0` is passed over.
            let text = vector.fields[index].1.split(separator: ",v0=", maxSplits: 1).first.map(String.init) ?? ""
            for (bit, value) in flips(text) {
                changed.fields[index].1 = value
                #expect(try verdict(changed).refusal != nil, "\(vector.fields[index].0) bit \(bit)")
            }
            changed.fields[index].1 = vector.fields[index].1
        }
    }

    @Test("each field is needed, stands once and is not too long", arguments: vectors)
    func needsFields(_ vector: Vector) throws {
        for (index, field) in vector.fields.enumerated() {
            var changed = vector
            changed.fields.remove(at: index)
            #expect(try verdict(changed).refusal == .missing(field: field.0))
            changed.fields = vector.fields + [field]
            #expect(try verdict(changed).refusal == .repeated(field: field.0))
            changed.fields = vector.fields
            changed.fields[index].1 = ""
            #expect(try verdict(changed).refusal == .missing(field: field.0))
            changed.fields[index].1 = String(repeating: "0", count: 4097)
            #expect(try verdict(changed).refusal == .tooLong(field: field.0))
        }
    }

    @Test("two secrets: either is taken and named, an old one is not when it is gone", arguments: vectors)
    func rotates(_ vector: Vector) throws {
        let secret = "whsec_" + Base64Text.text([UInt8](repeating: 9, count: 24))
        let other = vector.scheme == .standardWebhooks ? secret : "other"
        #expect(try verdict(vector, keys: [other, vector.key]).proof?.keyIndex == 1)
        #expect(try verdict(vector, keys: [vector.key, other]).proof?.keyIndex == 0)
        let alone = try verdict(vector, keys: [other]).refusal
        #expect(alone == (vector.name == "Standard Webhooks v1a" ? .noKey : .mismatch))
        #expect(try verdict(vector, keys: []).refusal == .noKey)
    }

    @Test(
        "a webhook is taken from 300 s after its signing to 60 s before, to the millisecond",
        arguments: vectors.filter { $0.seconds > 0 })
    func keepsTolerance(_ vector: Vector) throws {
        let signed = vector.seconds * 1000
        for (now, refusal) in [
            (signed + 300_000, nil), (signed + 300_001, WebhookRefusal.stale), (signed - 60_000, nil),
            (signed - 60_001, .notYetValid),
        ] {
            #expect(try verdict(vector, now: Timestamp(milliseconds: now)).refusal == refusal)
        }
    }

    @Test("JSON that is serialized again does not verify", arguments: vectors.filter { $0.body.hasPrefix("{") })
    func refusesSerializedAgain(_ vector: Vector) throws {
        var changed = vector
        changed.body = vector.body.replacing(":", with: " : ") + "\n"
        #expect(try verdict(changed).refusal == .mismatch)
    }

    @Test(
        "an id or timestamp that could be read as something else is refused",
        arguments: [
            ("webhook-id", "a.b", WebhookRefusal.malformedID), ("webhook-id", "a b", .malformedID),
            ("webhook-id", "ü", .malformedID), ("webhook-id", String(repeating: "a", count: 257), .malformedID),
            ("webhook-timestamp", "1614265330.0", .malformedTimestamp),
            ("webhook-timestamp", "+1614265330", .malformedTimestamp), ("webhook-timestamp", "-1", .malformedTimestamp),
            ("webhook-timestamp", "01614265330", .malformedTimestamp),
            ("webhook-timestamp", "1e9", .malformedTimestamp),
            ("webhook-timestamp", "161426533000", .malformedTimestamp),
            ("webhook-timestamp", "now", .malformedTimestamp),
            ("webhook-signature", "v2,AAAA", .noKnownVersion),
            ("webhook-signature", "v1", .malformed(field: "webhook-signature")),
            ("webhook-signature", "v1,A", .malformed(field: "webhook-signature")),
            ("webhook-signature", "v1,", .mismatch),
            ("webhook-signature", "v1,AAAA  v1,AAAA", .mismatch),
            ("webhook-signature", Array(repeating: "v1,AAAA", count: 17).joined(separator: " "), .tooManySignatures),
        ])
    func refusesMalformed(_ field: String, _ value: String, _ refusal: WebhookRefusal) throws {
        var changed = Self.vectors[0]
        for index in changed.fields.indices where changed.fields[index].0 == field { changed.fields[index].1 = value }
        #expect(try verdict(changed).refusal == refusal)
    }

    @Test("the right signature is found among sixteen")
    func findsAmongMany() throws {
        var vector = Self.vectors[0]
        let others = ["v1,AAAA", "v2,x"] + Array(repeating: "v1a,AAAA", count: 13)
        vector.fields[2].1 = others.joined(separator: " ") + " " + vector.fields[2].1
        #expect(try verdict(vector).proof != nil)
    }

    @Test("four signatures by public keys are tried, a fifth is refused; what is none does not count", arguments: 3...5)
    func boundsAsymmetric(_ count: Int) throws {
        var vector = try #require(Self.vectors.first { $0.name == "Standard Webhooks v1a" })
        let other = "v1a,\(Base64Text.text([UInt8](repeating: 1, count: 64)))"
        let others = ["v1a,AAAA", "v1a,AAAA"] + Array(repeating: other, count: count - 1)
        vector.fields[2].1 = others.joined(separator: " ") + " " + vector.fields[2].1
        #expect(try verdict(vector).refusal == (count > 4 ? .tooManySignatures : nil))
    }

    /// As the vendors' own libraries do: test_header_contains_valid_signature of
    /// https://github.com/stripe/stripe-python/blob/master/tests/test_webhook.py
    @Test("a signature that cannot be read leaves the others of its list as they are")
    func passesOverUnreadable() throws {
        var standard = Self.vectors[0]
        standard.fields[2].1 = "v1,not~base64 v1 " + standard.fields[2].1
        #expect(try verdict(standard).proof != nil)
        var stripe = Self.vectors[4]
        stripe.fields[0].1 += ",v1=bad_signature"
        #expect(try verdict(stripe).proof != nil)
    }

    @Test(
        "a Stripe field that is not one time and signatures is refused",
        arguments: [
            ("v1=00", WebhookRefusal.malformedTimestamp), ("t=1492774577", .noKnownVersion),
            ("t=1492774577,v0=00", .noKnownVersion), ("t=1492774577,t=1492774577,v1=00", .malformedTimestamp),
            ("t=,v1=00", .malformedTimestamp), ("t=1492774577,v1=AB", .malformed(field: "stripe-signature")),
            ("t=1492774577,v1=0", .malformed(field: "stripe-signature")), ("t=1492774577,v1=00", .mismatch),
            ("t=1492774577,v1", .malformed(field: "stripe-signature")), ("t=1492774577, v1=00", .noKnownVersion),
            ("t=1492774577" + String(repeating: ",v1=00", count: 17), .tooManySignatures),
        ])
    func refusesStripe(_ field: String, _ refusal: WebhookRefusal) throws {
        var vector = Self.vectors[4]
        vector.fields[0].1 = field
        #expect(try verdict(vector).refusal == refusal)
    }

    @Test("GitHub's hash is SHA-256 in small letters and nothing else")
    func refusesGitHubSpellings() throws {
        let digits = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        for value in [
            digits, "sha1=" + digits, "SHA256=" + digits, "sha256=" + digits.uppercased(), "sha256=x" + digits,
        ] {
            var vector = Self.vectors[2]
            vector.fields[0].1 = value
            #expect(try verdict(vector).refusal == .malformed(field: "x-hub-signature-256"))
        }
    }

    @Test("a key is a key of its scheme, and a fault never repeats it")
    func refusesKeys() {
        for (text, fault) in [
            ("whsec_" + Base64Text.text([UInt8](repeating: 1, count: 23)), WebhookKey.Fault.length(24...64)),
            ("whsec_" + Base64Text.text([UInt8](repeating: 1, count: 65)), .length(24...64)),
            ("whsec_", .length(24...64)),
            ("whsec_not base64", .malformed), ("whpk_AAAA", .malformed), ("whsk_AAAA", .wrongKind),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", .malformed),
        ] {
            #expect(throws: fault) { try WebhookKey(parsing: text, for: .standardWebhooks) }
            #expect(!fault.description.contains(text))
        }
        for count in [24, 64] {
            #expect(throws: Never.self) {
                try WebhookKey(parsing: Base64Text.text([UInt8](repeating: 1, count: count)), for: .standardWebhooks)
            }
        }
        #expect(throws: WebhookKey.Fault.length(1...1024)) { try WebhookKey(parsing: "", for: .gitHub) }
        #expect(throws: WebhookKey.Fault.wrongKind) { try WebhookKey(pem: [], for: .slack) }
    }
}
