import Bus
import Cryptography
import Domain
import Identity
import JSON
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

@Suite("Webhooks through a real listener")
struct WebhookRequestTests {
    private let body = #"{"type":"order.placed","n":1}"#

    @Test("a signed message stands on the customer's bus under the source's name, by the partner's account")
    func stored() async throws {
        let type = Webhook.Place.pointer(try #require(JSONPointer(parsing: "/type")))
        try await WebhookStage.with(try WebhookStage.webhook(detailType: type)) { gateway, client in
            let secret = try await gateway.addSecret()
            let answer = try gateway.send("msg_1", body, secret: secret.text, by: client)
            #expect(answer.status == 200)
            let bus = try #require(gateway.registry.snapshot.bus(Scene.bus(WebhookStage.source)))
            let event = try #require(gateway.log.events(of: bus.number).first)
            #expect(answer.body == #"{"EventId":"\#(gateway.services.eventIDs.id(of: event.position))"}"#)
            #expect(event.frame.source.text == WebhookStage.source)
            #expect(event.frame.detailType.text == "order.placed")
            #expect(event.frame.detail.text == body)
            #expect(event.frame.publisher.account == Scene.foreign)
            #expect(event.frame.publisher.accessKeyID == secret.id)
            let source = WebhookSource(WebhookStage.source)
            #expect(gateway.log.guards == [.webhook(source: source, kind: "id", id: Array("msg_1".utf8)[...])])
            #expect(!gateway.lines.text.contains(secret.text))
        }
    }

    @Test("a message is the same by its id; by its content where the id is not signed")
    func guards() async throws {
        try await WebhookStage.with(try WebhookStage.webhook()) { gateway, client in
            let secret = try await gateway.addSecret()
            for (id, text) in [("a", body), ("a", body), ("a", "{}"), ("b", body)] {
                gateway.clock.advance(bySeconds: 1)
                #expect(try gateway.send(id, text, secret: secret.text, by: client).status == 200)
            }
            let ids = gateway.log.guards.compactMap { if case .once(let id, _, _, _) = $0 { id } else { nil } }
            #expect(ids[0] == ids[1])
            #expect(ids[0] == ids[2])
            #expect(ids[0] != ids[3])
        }
        let places = Webhook.Place.header("x-github-delivery")
        let gitHub = try WebhookStage.webhook(.gitHub, .gitHub, detailType: .header("x-github-event"), id: places)
        try await WebhookStage.with(gitHub) { gateway, client in
            let secret = try await gateway.addSecret()
            for (delivery, text) in [("1", body), ("2", body), ("1", "{}")] {
                let fields = WebhookStage.gitHub(text, secret: secret.text, delivery: delivery)
                #expect(try client.post(fields, text).status == 200)
            }
            let ids = gateway.log.guards.compactMap { if case .once(let id, _, _, _) = $0 { id } else { nil } }
            #expect(ids[0] == ids[1], "a delivery id that is not signed does not make a second event")
            #expect(ids[0] != ids[2])
        }
    }

    @Test("what is not signed, not JSON, not found or not active is refused with its reason")
    func refusals() async throws {
        let type = Webhook.Place.pointer(try #require(JSONPointer(parsing: "/type")))
        try await WebhookStage.with(try WebhookStage.webhook(detailType: type)) { gateway, client in
            let fields = try WebhookStage.standard("m", body, secret: WebhookStage.otherSecret, at: gateway.clock.now)
            #expect(try client.post(fields, body).body.contains("register one"), "no secret, no message")
            let secret = try await gateway.addSecret()
            func signed(_ text: String, _ offset: Int64 = 0) throws -> Answer {
                try gateway.send("m", text, secret: secret.text, offset: offset, by: client)
            }
            #expect(try client.post(fields, body).body.contains("InvalidSignatureException"))
            #expect(try signed(body, -300).status == 200)
            #expect(try signed(body, -301).body.contains("InvalidSignatureException"))
            #expect(try signed(body, 60).status == 200)
            #expect(try signed(body, 61).body.contains("InvalidSignatureException"))
            #expect(try signed("{").body.contains("MalformedDetail"))
            #expect(try signed("[]").body.contains("MalformedDetail"))
            #expect(try signed("{}").body.contains("Parameter DetailType is not valid"))
            let unsigned = try client.post([("host", TestGateway.authority)], body)
            #expect(unsigned.body.contains("MissingAuthenticationTokenException"))
            let path = WebhookStage.path
            for target in ["/webhooks/", "/webhooks/aws.partner/acme.example/shop", path + "?a=b", path + "x"] {
                try client.send("POST", target, fields, Array(body.utf8))
                #expect(try client.receive().status == 404, "\(target)")
            }
            try client.send("PUT", WebhookStage.path, fields, Array(body.utf8))
            #expect(try client.receive().status == 405)
            #expect(!gateway.lines.text.contains(secret.text))
        }
        try await WebhookStage.with(try WebhookStage.webhook(), isActive: false) { gateway, client in
            let secret = try await gateway.addSecret()
            let pending = try gateway.send("m", body, secret: secret.text, by: client)
            #expect(pending.status == 400)
            #expect(pending.body.contains("is PENDING: account \(Scene.owner) calls CreateEventBus"))
        }
    }

    @Test("two secrets are in force until one is removed; the list says which verified last, and never a secret")
    func rotation() async throws {
        try await WebhookStage.with(try WebhookStage.webhook()) { gateway, client in
            let old = try await gateway.addSecret()
            let new = try await gateway.addSecret("rotate")
            #expect(old.text != new.text)
            func status(_ secret: String, _ id: String) throws -> Int {
                try gateway.send(id, body, secret: secret, by: client).status
            }
            #expect(try status(old.text, "1") == 200)
            #expect(try status(new.text, "2") == 200)
            let third = try await gateway.verb(#"{"verb":"webhook.secret.rotate","source":"\#(WebhookStage.source)"}"#)
            #expect(third["error"]?["code"]?.string == "LimitExceededException")
            #expect(third["error"]?["message"]?.string?.contains(old.id) == true, "it says which one to remove")
            let removal = #"{"verb":"webhook.secret.remove","source":"\#(WebhookStage.source)","id":"\#(old.id)"}"#
            #expect(try await gateway.verb(removal)["id"]?.string == old.id)
            #expect(try status(old.text, "3") == 400)
            #expect(try status(new.text, "4") == 200)
            let list = try await gateway.verb(#"{"verb":"webhook.secret.list"}"#)
            let shown = String(decoding: list.bytes(), as: UTF8.self)
            #expect(shown.contains(#""id":"\#(new.id)""#))
            #expect(shown.contains(#""lastVerifiedAt":"\#(gateway.clock.now.iso8601)""#))
            #expect(shown.contains(#""replayable":false"#))
            #expect(!shown.contains(new.text))
            #expect(!shown.contains(old.id))
            #expect(!gateway.lines.text.contains(new.text))
        }
    }

    @Test("secrets survive a restart, sealed; a box of another source does not open")
    func sealed() async throws {
        try await WebhookStage.with(try WebhookStage.webhook()) { gateway, client in
            let secret = try await gateway.addSecret()
            let records = try gateway.store.load().filter { $0.kind == .webhookSecret }
            #expect(records.map(\.key) == [secret.id])
            let stored = String(decoding: records.flatMap(\.value), as: UTF8.self)
            #expect(!stored.contains(secret.text))
            #expect(!stored.contains(Hexadecimal.text(Array(secret.text.utf8))))
            let loaded = try Snapshot.loading(records, declaration: gateway.registry.snapshot.declaration)
            #expect(loaded.webhookSecrets(of: WebhookStage.source).map(\.id) == [secret.id])
            let ring = WebhookRing(gateway.services.accessKeys)
            let moved = try #require(loaded.webhookSecrets(of: WebhookStage.source).first)
            let other = try #require(PartnerEventSourceName(parsing: "aws.partner/acme.example/shop/other"))
            #expect(throws: CryptographyError.self) {
                try gateway.services.accessKeys.open(
                    box: moved.sealed,
                    authenticating: WebhookSecret.associatedData(other, moved.id))
            }
            let endpoint = ring.endpoint(of: Array(WebhookStage.source.utf8)[...], in: gateway.registry.snapshot)
            #expect(endpoint?.credential.keyIDs == [secret.id])
        }
    }

    @Test("shadow mode lets a wrong signature through, says so, and keeps it apart from verified messages")
    func shadow() async throws {
        try await WebhookStage.with(try WebhookStage.webhook(mode: .shadow)) { gateway, client in
            let secret = try await gateway.addSecret()
            #expect(try gateway.send("m", body, secret: WebhookStage.otherSecret, by: client).status == 200)
            #expect(gateway.lines.text.contains("webhook-unverified"))
            #expect(gateway.lines.text.contains("webhook-mismatch"))
            #expect(try gateway.send("m", body, secret: secret.text, by: client).status == 200)
            #expect(Set(gateway.log.guards).count == 2, "an unverified message takes no id away from a verified one")
        }
    }

    @Test("a webhook that its head refuses is answered before its content, as the whole is; not so in shadow mode")
    func heads() async throws {
        let goOn = "HTTP/1.1 100 Continue\r\n\r\n"
        func forged(_ gateway: TestGateway) throws -> [(name: String, value: String)] {
            try WebhookStage.standard("m", body, secret: WebhookStage.otherSecret, at: gateway.clock.now)
        }
        func ask(_ gateway: TestGateway, _ fields: [(name: String, value: String)]) throws -> RawClient {
            let client = try RawClient(port: gateway.port)
            let lines = fields.map { "\($0.name): \($0.value)\r\n" }.joined()
            let rest = "expect: 100-continue\r\ncontent-length: \(body.utf8.count)\r\n\r\n"
            client.send("POST \(WebhookStage.path) HTTP/1.1\r\n\(lines)\(rest)")
            return client
        }
        try await WebhookStage.with(try WebhookStage.webhook()) { gateway, client in
            let secret = try await gateway.addSecret()
            let late = gateway.clock.now.advanced(bySeconds: -301)
            let unsigned = [(name: "host", value: TestGateway.authority)]
            for fields in [unsigned, try WebhookStage.standard("m", body, secret: secret.text, at: late)] {
                let whole = try client.post(fields, body)
                let head = try ask(gateway, fields).receive()
                #expect([400, 403].contains(head.status))
                #expect((head.status, head.body) == (whole.status, whole.body))
                #expect(head.head.contains("connection: close"))
            }
            let wrong = try ask(gateway, try forged(gateway))
            #expect(String(decoding: wrong.receiveSome(), as: UTF8.self) == goOn)
            wrong.send(body)
            #expect(try wrong.receive().body.contains("InvalidSignatureException"))
            #expect(gateway.services.metrics.value(of: .authenticationFailures) == 5)
        }
        try await WebhookStage.with(try WebhookStage.webhook(mode: .shadow)) { gateway, _ in
            let client = try ask(gateway, try forged(gateway))
            #expect(String(decoding: client.receiveSome(), as: UTF8.self) == goOn)
            client.send(body)
            #expect(try client.receive().status == 200)
        }
    }

    @Test("a vendor's own secret is taken, what is no key of the scheme is refused without being repeated")
    func givenKeys() async throws {
        let gitHub = try WebhookStage.webhook(.gitHub, .gitHub, detailType: .value("push"), id: nil)
        try await WebhookStage.with(gitHub) { gateway, client in
            let secret = try await gateway.addSecret(key: "It's a Secret to Everybody")
            #expect(try client.post(WebhookStage.gitHub(body, secret: secret.text, delivery: "1"), body).status == 200)
        }
        try await WebhookStage.with(try WebhookStage.webhook()) { gateway, _ in
            let refused = try await gateway.verb(
                #"{"verb":"webhook.secret.create","source":"\#(WebhookStage.source)","key":"whsec_tooshort"}"#)
            #expect(refused["error"]?["code"]?.string == "InvalidKey")
            #expect(!String(decoding: refused.bytes(), as: UTF8.self).contains("tooshort"))
            let unknown = try await gateway.verb(
                #"{"verb":"webhook.secret.create","source":"aws.partner/acme.example/shop/none"}"#)
            #expect(unknown["error"]?["code"]?.string == "ResourceNotFoundException")
            let early = try await gateway.verb(#"{"verb":"webhook.secret.rotate","source":"\#(WebhookStage.source)"}"#)
            #expect(early["error"]?["message"]?.string?.contains("webhook secret create") == true)
        }
    }

    @Test("an HTTP message signature is held to the webhook profile, its nonce to one use, its source to the path")
    func messageSignatures() async throws {
        try await WebhookStage.with(try WebhookStage.webhook(.messageSignature, nil, id: nil)) { gateway, client in
            let secret = try await gateway.addSecret()
            func fields(
                nonce: String, source: String = WebhookStage.source, covered: [String] = profile
            ) -> [(name: String, value: String)] {
                messageSignature(
                    body, secret: secret.text, nonce: nonce, source: source, covered: covered, at: gateway.clock.now)
            }
            let nonce = "0123456789abcdef0123456789abcdef"
            #expect(try client.post(fields(nonce: nonce), body).status == 200)
            guard case .once(_, _, .some, _)? = gateway.log.guards.first else {
                Issue.record("the guards are \(gateway.log.guards)")
                return
            }
            gateway.log.answerNext(.keyMismatch)
            let reused = try client.post(fields(nonce: nonce), body)
            #expect(reused.status == 400)
            #expect(reused.body.contains("nonce"))
            for name in profile {
                let missing = try client.post(fields(nonce: nonce, covered: profile.filter { $0 != name }), body)
                #expect(missing.body.contains("InvalidSignatureException"), "\(name)")
            }
            let other = fields(nonce: nonce, source: "aws.partner/acme.example/shop/other")
            #expect(try client.post(other, body).body.contains("isthmus-event-source"))
            #expect(try client.post(fields(nonce: "short"), body).body.contains("InvalidSignatureException"))
            #expect(gateway.log.guards.count == 2)
        }
    }
}

/// Source: THREATS 3.4.
private let profile = [
    "@method", "@authority", "@path", "@query", "content-digest", "content-type", "isthmus-event-source",
]

/// A message signed by `hmac-sha256` as RFC 9421 section 3.1 says.
private func messageSignature(
    _ body: String, secret: String, nonce: String, source: String, covered: [String], at now: Timestamp
) -> [(name: String, value: String)] {
    func base64(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        Base64Text.append(bytes, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
    let digest = "sha-256=:\(base64(SHA256.hash(Array(body.utf8)).bytes)):"
    let values = [
        "@method": "POST", "@authority": TestGateway.authority, "@path": WebhookStage.path, "@query": "?",
        "content-digest": digest, "content-type": "application/json", "isthmus-event-source": source,
    ]
    let list = covered.map { "\"\($0)\"" }.joined(separator: " ")
    let parameters =
        "(\(list));created=\(now.seconds);expires=\(now.seconds + 300);nonce=\"\(nonce)\";keyid=\"k\";"
        + "tag=\"isthmus-webhook\""
    let base =
        covered.map { "\"\($0)\": \(values[$0] ?? "")\n" }.joined() + "\"@signature-params\": \(parameters)"
    let code = HMACSHA256.authenticate(Array(base.utf8), key: Array(secret.utf8)).bytes
    return [
        ("host", TestGateway.authority), ("content-type", "application/json"), ("content-digest", digest),
        ("isthmus-event-source", source), ("signature-input", "s=\(parameters)"), ("signature", "s=:\(base64(code)):"),
    ]
}
