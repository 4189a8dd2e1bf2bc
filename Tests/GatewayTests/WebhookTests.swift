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

private let sourceName = "aws.partner/acme.example/shop/orders"
private let path = "/webhooks/\(sourceName)"
/// A secret that nobody registered.
private let otherSecret = "whsec_" + String(repeating: "A", count: 43)

/// A webhook of `sourceName`.
private func webhook(
    _ scheme: WebhookBatch.Scheme = .standardWebhooks, _ described: WebhookScheme? = .standardWebhooks,
    mode: Webhook.Mode = .enforce, detailType: Webhook.Place = .value("Order"),
    id: Webhook.Place? = .header("webhook-id"), time: Webhook.Place? = nil
) throws -> Webhook {
    Webhook(
        source: try #require(PartnerEventSourceName(parsing: sourceName)), scheme: scheme, described: described,
        mode: mode, toleranceSeconds: 300, detailType: detailType, id: id, time: time)
}

/// A gateway where the foreign partner's source is active for the owner, unless `isActive` says otherwise.
private func withGateway(
    _ webhook: Webhook, isActive: Bool = true, _ body: (TestGateway, RawClient) async throws -> Void
) async throws {
    let base = try Scene.declaration()
    let declaration = Declaration(
        partition: base.partition, region: base.region, accounts: base.accounts, trustDomains: [], seeds: [],
        endpoints: base.endpoints, quotas: base.quotas,
        partners: [webhook.source.partner: Scene.foreign], webhooks: [sourceName: webhook])
    var snapshot = try Scene.snapshot(declaration)
    let now = SettableClock.start
    snapshot = try snapshot.addingPartnerEventSource(
        webhook.source, partnerAccount: Scene.foreign, account: Scene.owner, hasConsent: true, at: now
    ).snapshot
    if isActive {
        snapshot = try snapshot.addingEventBus(
            for: webhook.source, account: Scene.owner, properties: .init(createdAt: now, modifiedAt: now), at: now
        ).snapshot
    }
    let gateway = try await TestGateway.start(snapshot)
    do {
        try await body(gateway, try RawClient(port: gateway.port))
    } catch {
        await gateway.stop()
        throw error
    }
    await gateway.stop()
}

extension TestGateway {
    /// Carries out a verb of the control socket.
    fileprivate func verb(_ text: String) async throws -> JSONNode {
        let lines = Lines()
        await ControlVerbs(services: services, plane: plane).answer(Array(text.utf8)) { line in
            lines.append(line)
            return true
        }
        return try JSONNode(parsing: Array(lines.text.utf8))
    }

    fileprivate func addSecret(
        _ verb: String = "create", key: String? = nil
    ) async throws -> (id: String, text: String) {
        let member = key.map { #","key":"\#($0)""# } ?? ""
        let answer = try await self.verb(#"{"verb":"webhook.secret.\#(verb)","source":"\#(sourceName)"\#(member)}"#)
        return (try #require(answer["id"]?.string), answer["secret"]?.string ?? key ?? "")
    }
}

/// The fields of a Standard Webhooks message, and of the generic kind below.
private func standard(
    _ id: String, _ body: String, secret: String, at now: Timestamp
) throws -> [(name: String, value: String)] {
    let key = try #require(Base64Text.bytes(unpadded: Array(secret.dropFirst("whsec_".count).utf8)))
    let code = HMACSHA256.authenticate(Array("\(id).\(now.seconds).\(body)".utf8), key: key).bytes
    var text = Array("v1,".utf8)
    Base64Text.append(code, to: &text)
    return [
        ("host", TestGateway.authority), ("content-type", "application/json"), ("webhook-id", id),
        ("webhook-timestamp", "\(now.seconds)"), ("webhook-signature", String(decoding: text, as: UTF8.self)),
    ]
}

private func gitHub(_ body: String, secret: String, delivery: String) -> [(name: String, value: String)] {
    let code = HMACSHA256.authenticate(Array(body.utf8), key: Array(secret.utf8)).hexadecimal
    return [
        ("host", TestGateway.authority), ("x-hub-signature-256", "sha256=\(code)"), ("x-github-event", "push"),
        ("x-github-delivery", delivery),
    ]
}

extension RawClient {
    fileprivate func post(_ fields: [(name: String, value: String)], _ body: String) throws -> Answer {
        try send("POST", path, fields, Array(body.utf8))
        return try receive()
    }
}

@Suite("Webhooks through a real listener")
struct WebhookRequestTests {
    private let body = #"{"type":"order.placed","n":1}"#

    @Test("a signed message stands on the customer's bus under the source's name, by the partner's account")
    func stored() async throws {
        let type = Webhook.Place.pointer(try #require(JSONPointer(parsing: "/type")))
        try await withGateway(try webhook(detailType: type)) { gateway, client in
            let secret = try await gateway.addSecret()
            let fields = try standard("msg_1", body, secret: secret.text, at: gateway.clock.now)
            let answer = try client.post(fields, body)
            #expect(answer.status == 200)
            let bus = try #require(gateway.registry.snapshot.bus(Scene.bus(sourceName)))
            let event = try #require(gateway.log.events(of: bus.number).first)
            #expect(answer.body == #"{"EventId":"\#(gateway.services.eventIDs.id(of: event.position))"}"#)
            #expect(event.frame.source.text == sourceName)
            #expect(event.frame.detailType.text == "order.placed")
            #expect(event.frame.detail.text == body)
            #expect(event.frame.publisher.account == Scene.foreign)
            #expect(event.frame.publisher.accessKeyID == secret.id)
            guard case .once(_, _, nil, let content)? = gateway.log.guards.first else {
                Issue.record("the guards are \(gateway.log.guards)")
                return
            }
            #expect(content == SHA256.hash(Array(body.utf8)))
            #expect(!gateway.lines.text.contains(secret.text))
        }
    }

    @Test("a message is the same by its id; by its content where the id is not signed")
    func guards() async throws {
        try await withGateway(try webhook()) { gateway, client in
            let secret = try await gateway.addSecret()
            for (id, text) in [("a", body), ("a", body), ("a", "{}"), ("b", body)] {
                gateway.clock.advance(bySeconds: 1)
                let fields = try standard(id, text, secret: secret.text, at: gateway.clock.now)
                #expect(try client.post(fields, text).status == 200)
            }
            let ids = gateway.log.guards.compactMap { if case .once(let id, _, _, _) = $0 { id } else { nil } }
            #expect(ids[0] == ids[1])
            #expect(ids[0] == ids[2])
            #expect(ids[0] != ids[3])
        }
        let places = Webhook.Place.header("x-github-delivery")
        try await withGateway(try webhook(.gitHub, .gitHub, detailType: .header("x-github-event"), id: places)) {
            gateway, client in
            let secret = try await gateway.addSecret()
            for (delivery, text) in [("1", body), ("2", body), ("1", "{}")] {
                #expect(try client.post(gitHub(text, secret: secret.text, delivery: delivery), text).status == 200)
            }
            let ids = gateway.log.guards.compactMap { if case .once(let id, _, _, _) = $0 { id } else { nil } }
            #expect(ids[0] == ids[1], "a delivery id that is not signed does not make a second event")
            #expect(ids[0] != ids[2])
        }
    }

    @Test("what is not signed, not JSON, not found or not active is refused with its reason")
    func refusals() async throws {
        let type = Webhook.Place.pointer(try #require(JSONPointer(parsing: "/type")))
        try await withGateway(try webhook(detailType: type)) { gateway, client in
            let fields = try standard("m", body, secret: otherSecret, at: gateway.clock.now)
            #expect(try client.post(fields, body).body.contains("register one"), "no secret, no message")
            let secret = try await gateway.addSecret()
            func signed(_ text: String, _ offset: Int64 = 0) throws -> Answer {
                let now = gateway.clock.now.advanced(bySeconds: offset)
                return try client.post(try standard("m", text, secret: secret.text, at: now), text)
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
            for target in ["/webhooks/", "/webhooks/aws.partner/acme.example/shop", path + "?a=b", path + "x"] {
                try client.send("POST", target, fields, Array(body.utf8))
                #expect(try client.receive().status == 404, "\(target)")
            }
            try client.send("PUT", path, fields, Array(body.utf8))
            #expect(try client.receive().status == 405)
            #expect(!gateway.lines.text.contains(secret.text))
        }
        try await withGateway(try webhook(), isActive: false) { gateway, client in
            let secret = try await gateway.addSecret()
            let fields = try standard("m", body, secret: secret.text, at: gateway.clock.now)
            let pending = try client.post(fields, body)
            #expect(pending.status == 400)
            #expect(pending.body.contains("is PENDING: account \(Scene.owner) calls CreateEventBus"))
        }
    }

    @Test("two secrets are in force until one is removed; the list says which verified last, and never a secret")
    func rotation() async throws {
        try await withGateway(try webhook()) { gateway, client in
            let old = try await gateway.addSecret()
            let new = try await gateway.addSecret("rotate")
            #expect(old.text != new.text)
            func status(_ secret: String, _ id: String) throws -> Int {
                try client.post(try standard(id, body, secret: secret, at: gateway.clock.now), body).status
            }
            #expect(try status(old.text, "1") == 200)
            #expect(try status(new.text, "2") == 200)
            let third = try await gateway.verb(#"{"verb":"webhook.secret.rotate","source":"\#(sourceName)"}"#)
            #expect(third["error"]?["code"]?.string == "LimitExceededException")
            #expect(third["error"]?["message"]?.string?.contains(old.id) == true, "it says which one to remove")
            let removal = #"{"verb":"webhook.secret.remove","source":"\#(sourceName)","id":"\#(old.id)"}"#
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
        try await withGateway(try webhook()) { gateway, client in
            let secret = try await gateway.addSecret()
            let records = try gateway.store.load().filter { $0.kind == .webhookSecret }
            #expect(records.map(\.key) == [secret.id])
            let stored = String(decoding: records.flatMap(\.value), as: UTF8.self)
            #expect(!stored.contains(secret.text))
            #expect(!stored.contains(Hexadecimal.text(Array(secret.text.utf8))))
            let loaded = try Snapshot.loading(records, declaration: gateway.registry.snapshot.declaration)
            #expect(loaded.webhookSecrets(of: sourceName).map(\.id) == [secret.id])
            let ring = WebhookRing(gateway.services.accessKeys)
            let moved = try #require(loaded.webhookSecrets(of: sourceName).first)
            let other = try #require(PartnerEventSourceName(parsing: "aws.partner/acme.example/shop/other"))
            #expect(throws: CryptographyError.self) {
                try gateway.services.accessKeys.open(
                    box: moved.sealed,
                    authenticating: WebhookSecret.associatedData(other, moved.id))
            }
            let credential = ring.credential(of: Array(sourceName.utf8)[...], in: gateway.registry.snapshot)
            #expect(credential?.keyIDs == [secret.id])
        }
    }

    @Test("shadow mode lets a wrong signature through, says so, and keeps it apart from verified messages")
    func shadow() async throws {
        try await withGateway(try webhook(mode: .shadow)) { gateway, client in
            let secret = try await gateway.addSecret()
            let wrong = try standard("m", body, secret: otherSecret, at: gateway.clock.now)
            #expect(try client.post(wrong, body).status == 200)
            #expect(gateway.lines.text.contains("webhook-unverified"))
            #expect(gateway.lines.text.contains("webhook-mismatch"))
            let right = try standard("m", body, secret: secret.text, at: gateway.clock.now)
            #expect(try client.post(right, body).status == 200)
            #expect(Set(gateway.log.guards).count == 2, "an unverified message takes no id away from a verified one")
        }
    }

    @Test("a webhook that its head refuses is answered before its content, as the whole is; not so in shadow mode")
    func heads() async throws {
        let goOn = "HTTP/1.1 100 Continue\r\n\r\n"
        func ask(_ gateway: TestGateway, _ fields: [(name: String, value: String)]) throws -> RawClient {
            let client = try RawClient(port: gateway.port)
            let lines = fields.map { "\($0.name): \($0.value)\r\n" }.joined()
            let rest = "expect: 100-continue\r\ncontent-length: \(body.utf8.count)\r\n\r\n"
            client.send("POST \(path) HTTP/1.1\r\n\(lines)\(rest)")
            return client
        }
        try await withGateway(try webhook()) { gateway, client in
            let secret = try await gateway.addSecret()
            let late = gateway.clock.now.advanced(bySeconds: -301)
            let unsigned = [(name: "host", value: TestGateway.authority)]
            for fields in [unsigned, try standard("m", body, secret: secret.text, at: late)] {
                let whole = try client.post(fields, body)
                let head = try ask(gateway, fields).receive()
                #expect([400, 403].contains(head.status))
                #expect((head.status, head.body) == (whole.status, whole.body))
                #expect(head.head.contains("connection: close"))
            }
            let wrong = try ask(gateway, try standard("m", body, secret: otherSecret, at: gateway.clock.now))
            #expect(String(decoding: wrong.receiveSome(), as: UTF8.self) == goOn)
            wrong.send(body)
            #expect(try wrong.receive().body.contains("InvalidSignatureException"))
            #expect(gateway.services.metrics.value(of: .authenticationFailures) == 5)
        }
        try await withGateway(try webhook(mode: .shadow)) { gateway, _ in
            let client = try ask(gateway, try standard("m", body, secret: otherSecret, at: gateway.clock.now))
            #expect(String(decoding: client.receiveSome(), as: UTF8.self) == goOn)
            client.send(body)
            #expect(try client.receive().status == 200)
        }
    }

    @Test("a vendor's own secret is taken, what is no key of the scheme is refused without being repeated")
    func givenKeys() async throws {
        try await withGateway(try webhook(.gitHub, .gitHub, detailType: .value("push"), id: nil)) { gateway, client in
            let secret = try await gateway.addSecret(key: "It's a Secret to Everybody")
            #expect(try client.post(gitHub(body, secret: secret.text, delivery: "1"), body).status == 200)
        }
        try await withGateway(try webhook()) { gateway, _ in
            let refused = try await gateway.verb(
                #"{"verb":"webhook.secret.create","source":"\#(sourceName)","key":"whsec_tooshort"}"#)
            #expect(refused["error"]?["code"]?.string == "InvalidKey")
            #expect(!String(decoding: refused.bytes(), as: UTF8.self).contains("tooshort"))
            let unknown = try await gateway.verb(
                #"{"verb":"webhook.secret.create","source":"aws.partner/acme.example/shop/none"}"#)
            #expect(unknown["error"]?["code"]?.string == "ResourceNotFoundException")
            let early = try await gateway.verb(#"{"verb":"webhook.secret.rotate","source":"\#(sourceName)"}"#)
            #expect(early["error"]?["message"]?.string?.contains("webhook secret create") == true)
        }
    }

    @Test("an HTTP message signature is held to the webhook profile, its nonce to one use, its source to the path")
    func messageSignatures() async throws {
        try await withGateway(try webhook(.messageSignature, nil, id: nil)) { gateway, client in
            let secret = try await gateway.addSecret()
            func fields(
                nonce: String, source: String = sourceName, covered: [String] = profile
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
        "@method": "POST", "@authority": TestGateway.authority, "@path": path, "@query": "?",
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
