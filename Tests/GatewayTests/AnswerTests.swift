import Bus
import Cryptography
import Domain
import Identity
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

@Suite("Answers and pages")
struct AnswerTests {
    private let id = UniqueID(high: 1, low: 2)

    @Test("a retry is answered with what its request had become, whatever would be decided now")
    func recalling() throws {
        var results = PublicationResults(capacity: 3)
        results.admit()
        results.fail(.accessDenied, "no")
        results.admit()
        #expect(results.mask == 0b101)
        let recalled = results.recalling(mask: 0b011)
        #expect(recalled.mask == 0b011)
        #expect(recalled.admittedCount == 2)
        let first = UniqueID(random: 5, 5)
        let second = UniqueID(random: 6, 6)
        var body: [UInt8] = []
        recalled.answer([UniqueID(random: 4, 4), first, second][1...], into: &body)
        #expect(
            String(decoding: body, as: UTF8.self)
                == #"{"FailedEntryCount":1,"Entries":[{"EventId":"\#(first)"},{"EventId":"\#(second)"},"#
                + #"{"ErrorCode":"AccessDeniedException","ErrorMessage":"the entry was refused when the request was first made"}]}"#
        )
    }

    @Test("a fault is one JSON object of type and message, its status that of the code")
    func faults() {
        let response = Fault(.validation, "a \"quoted\" `\u{7}`").response(id)
        #expect(response.status == 400)
        #expect(
            String(decoding: response.body, as: UTF8.self)
                == #"{"__type":"ValidationException","message":"a \"quoted\" `\u0007`"}"#)
        #expect(Fault(.serviceUnavailable, "", retryAfterSeconds: 5).response(id).status == 503)
        #expect(Fault(.serviceUnavailable, "", retryAfterSeconds: 5).response(id).retryAfterSeconds == 5)
        #expect(Fault(.internalFailure, "").response(id).status == 500)
        #expect(Fault(.unknownOperation, "", status: 404).response(id).status == 404)
        #expect(Fault(.unknownOperation, "", status: 404).response(id).allow == nil)
        let other = Fault.methodNotAllowed("", allow: .get).logged.response(id)
        #expect(other.status == 405 && other.allow == .get)
    }

    @Test("the form of an STS call names exactly one action")
    func forms() throws {
        func action(_ text: String) throws(Fault) -> SecurityTokenService.Action {
            try SecurityTokenService.action(try QueryForm(parsing: Array(text.utf8)))
        }
        #expect(try action("Action=GetCallerIdentity&Version=2011-06-15") == .getCallerIdentity)
        #expect(try action("Version=2011-06-15&Action=Assume%52ole") == .assumeRole)
        let wrong = [
            "", "&&", "Action=", "action=GetCallerIdentity", "Action=a&Action=b", "xAction=a", "Action=GetSessionToken",
            "Action=AssumeRole&Version=2010-05-08", "Action=AssumeRol%6", "Action=%FF",
        ]
        for text in wrong {
            #expect(throws: Fault.self, "\(text)") { try action(text) }
        }
        let start = "Action=GetCallerIdentity&x="
        let rest = QueryForm.maximumBytes - start.utf8.count
        #expect(throws: Never.self) { try action(start + String(repeating: "y", count: rest)) }
        #expect(throws: Fault.self) { try action(start + String(repeating: "y", count: rest + 1)) }
        let most = (1...QueryForm.maximumParameters).map { "n\($0)=" }.joined(separator: "&")
        #expect(throws: Never.self) { try QueryForm(parsing: Array(most.utf8)) }
        #expect(throws: Fault.self) { try QueryForm(parsing: Array((most + "&one=more").utf8)) }
    }

    @Test("GetCallerIdentity answers in XML, with nothing of the caller unescaped")
    func callerIdentity() {
        let principal = Principal(.role, path: "a<b>&\"c", account: Scene.sender)
        let userID = PrincipalID.text(of: principal)
        #expect(userID.hasPrefix("AROA") && userID.utf8.count == 21)
        let body = String(
            decoding: SecurityTokenService.callerIdentity(Callers.caller(principal), requestID: id).body, as: UTF8.self)
        #expect(
            body
                == #"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>"#
                + "<Arn>arn:aws:iam::111122223333:role/a&lt;b&gt;&amp;&quot;c</Arn><UserId>\(userID)</UserId>"
                + "<Account>111122223333</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>\(id)</RequestId>"
                + "</ResponseMetadata></GetCallerIdentityResponse>")
    }

    @Test("a refusal in the query protocol is 403, a broken form 400, a throttled call keeps its wait")
    func tokenServiceFaults() {
        func response(_ fault: Fault) -> Response { SecurityTokenService.response(fault, requestID: id) }
        let refused = response(Fault(.invalidSignature, "the <signature> does\u{1} not match"))
        #expect(refused.status == 403)
        #expect(refused.contentType == .xml)
        let body = String(decoding: refused.body, as: UTF8.self)
        #expect(body.contains("<Code>SignatureDoesNotMatch</Code>"))
        for (code, name, status) in [
            (ErrorCode.accessDenied, "AccessDenied", UInt16(403)), (.expiredToken, "ExpiredToken", 403),
            (.unrecognizedClient, "InvalidClientTokenId", 403), (.validation, "ValidationError", 400),
            (.malformedPolicyDocument, "MalformedPolicyDocument", 400), (.unknownOperation, "InvalidAction", 400),
            (.packedPolicyTooLarge, "PackedPolicyTooLarge", 400), (.throttling, "Throttling", 400),
            (.missingAuthenticationToken, "MissingAuthenticationToken", 403),
        ] {
            let answer = response(Fault(code, "", status: code == .unknownOperation ? 404 : nil))
            #expect(answer.status == status)
            #expect(String(decoding: answer.body, as: UTF8.self).contains("<Code>\(name)</Code>"))
        }
        #expect(body.contains("<Message>the &lt;signature&gt; does? not match</Message>"))
        #expect(response(Fault(.validation, "")).status == 400)
        #expect(response(Fault(.internalFailure, "")).status == 500)
        #expect(response(Fault(.throttling, "", retryAfterSeconds: 3)).retryAfterSeconds == 3)
    }

    @Test("the admin pages answer GET of three paths and nothing else")
    func pages() {
        let refreshed = SettableClock()
        let pages = AdminPages(metrics: Metrics()) { refreshed.advance(bySeconds: 1) }
        func answer(_ method: String, _ target: String) -> Response {
            let request = Request(
                version: .http11, method: method, target: target, authority: "localhost", fields: [], body: [])
            return pages.answer(request, requestID: id)
        }
        #expect(answer("GET", "/healthz").status == 200)
        #expect(answer("GET", "/readyz").status == 503)
        for (readiness, status) in [(AdminPages.Readiness.ready, UInt16(200)), (.draining, 503), (.failed, 503)] {
            pages.set(readiness)
            #expect(answer("GET", "/readyz").status == status)
            #expect(answer("GET", "/readyz").body == Array("\(readiness.rawValue)\n".utf8))
        }
        #expect(refreshed.now == SettableClock.start)
        let metrics = answer("GET", "/metrics")
        #expect(metrics.contentType == .openMetrics)
        #expect(metrics.body.suffix(6).elementsEqual("# EOF\n".utf8))
        #expect(refreshed.now > SettableClock.start)
        for method in ["POST", "HEAD", "get", "GET"] {
            for target in ["/", "/metrics?x", "/healthz/", ""] {
                let nowhere = answer(method, target)
                #expect(nowhere.status == 404 && nowhere.allow == nil)
            }
            for target in ["/healthz", "/readyz", "/metrics"] where method != "GET" {
                let other = answer(method, target)
                #expect(other.status == 405 && other.allow == .get)
            }
        }
        #expect(["/healthz", "/readyz", "/metrics"].allSatisfy { answer("GET", $0).allow == nil })
    }

    @Test("X-Amz-Target names an operation byte for byte")
    func targets() {
        func target(_ text: String) -> Operation.Target { Operation.target(Array(text.utf8)[...]) }
        for operation in Operation.allCases {
            #expect(target("AWSEvents.\(operation.rawValue)") == .operation(operation))
        }
        #expect(target("AWSEvents.CreateEndpoint") == .disabled("CreateEndpoint"))
        for text in [
            "", "AWSEvents.", "AWSEvents.putEvents", "awsevents.PutEvents", "PutEvents", "AWSEvents.PutEvents ",
            "AWSEvents.Nope",
        ] {
            #expect(target(text) == .unknown, "\(text)")
        }
    }
}

@Suite("Secrets of access keys")
struct AccessKeyRingTests {
    private let ring: AccessKeyRing
    private let snapshot: Snapshot

    private static func key(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 32) }

    init() throws {
        ring = try AccessKeyRing(key: Self.key(9), sessionKey: Self.key(1))
        snapshot = try Scene.snapshot(try Scene.declaration())
    }

    private func key(_ id: String, box: [UInt8]) -> AccessKey {
        AccessKey(
            id: id, principal: Scene.publisher, isEnabled: true, createdAt: SettableClock.start, sealedSecret: box)
    }

    @Test("a box opens for its own key alone")
    func boxes() throws {
        let box = try ring.seal(Array("secret".utf8), for: "AKIAONE", random: .seeded(1))
        let with = try snapshot.adding(key("AKIAONE", box: box)).snapshot.adding(key("AKIATWO", box: box)).snapshot
        #expect(ring.record(id: "AKIAONE", in: with)?.principal == Scene.publisher)
        #expect(ring.record(id: "AKIATWO", in: with) == nil, "a box copied to another key opened")
        #expect(ring.record(id: "AKIATHREE", in: with) == nil)
        let other = try AccessKeyRing(key: Self.key(8), sessionKey: Self.key(1))
        #expect(other.record(id: "AKIAONE", in: with) == nil, "another master key opened the box")
        for length in [0, 1, box.count - 1] {
            let cut = try snapshot.adding(key("AKIAONE", box: Array(box.prefix(length)))).snapshot
            #expect(try AccessKeyRing(key: Self.key(9), sessionKey: Self.key(1)).record(id: "AKIAONE", in: cut) == nil)
        }
    }

    @Test("a disabled key is gone at once, also for a reader that was late")
    func disabled() throws {
        let box = try ring.seal(Array("secret".utf8), for: "AKIAONE", random: .seeded(1))
        let with = try snapshot.adding(key("AKIAONE", box: box)).snapshot
        #expect(ring.record(id: "AKIAONE", in: with) != nil)
        let without = try with.disablingAccessKey("AKIAONE").snapshot
        #expect(ring.record(id: "AKIAONE", in: without) == nil)
        _ = ring.record(id: "AKIAONE", in: with)
        #expect(ring.record(id: "AKIAONE", in: without) == nil)
        #expect(ring.openSecrets == 0, "a late reader left a secret in memory")
    }
}
