import AccessPolicy
import Domain
import JSON
import Testing

@Suite("Decision records")
struct DecisionRecordTests {
    static let bus = "arn:aws:events:eu-central-1:222222222222:event-bus/orders"
    static let sender = "arn:aws:iam::111111111111:role/pub"
    static let caller = DecisionRecord.Caller(
        principal: sender, account: "111111111111", organizationPath: nil, trustDomain: "acme.example",
        accessKeyID: "AKIAIOSFODNN7EXAMPLE", endpoint: "vpce-test", sourceAddress: "192.0.2.1")

    static func policy(_ statements: String, _ kind: PolicyKind = .resource) throws -> CompiledPolicy {
        try CompiledPolicy(parsing: #"{"Version":"2012-10-17","Statement":[\#(statements)]}"#, kind: kind)
    }

    static let admitsOrders =
        #"{"Sid":"Orders","Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"events:PutEvents","#
        + #""Resource":"\#(bus)","Condition":{"StringEquals":{"events:source":"com.acme.orders"}}}"#

    private static func denies(sid: String) -> String {
        #"{"Sid":"\#(sid)","Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#
    }

    static func question(
        source: String = "com.acme.stock", resourceTags: [(key: String, value: String)] = []
    ) -> DecisionQuestion {
        let context = RequestContext()
        context.setPrincipal(
            PrincipalFacts(
                kind: .role, arn: sender, account: AccountID(parsing: "111111111111"), tags: [("Team", "a")]))
        context.setResource(ResourceFacts(arn: bus, tags: resourceTags))
        var facts = ContextFacts()
        facts.set(.eventsSource, source)
        facts.setUnknown(.principalOrgID)
        context.beginRequest(action: "events:PutEvents", facts)
        return context.question
    }

    static func record(
        _ question: DecisionQuestion, _ layers: PolicyLayers?, effect: Decision.Effect = .implicitDeny,
        side: Decision.Side = .busPolicy, detail: String? = nil, exists: Bool = true
    ) -> DecisionRecord {
        DecisionRecord(
            id: UniqueID(high: 1, low: 2), requestID: UniqueID(high: 3, low: 4), entry: 0, caller: caller,
            answer: effect == .allow
                ? nil : .init(code: "AccessDeniedException", message: "User: x is not authorized", detail: detail),
            capture: DecisionCapture(
                question, layers, effect: effect, side: side, revision: 7,
                time: Timestamp(milliseconds: 1_795_240_800_123), resourceExists: exists))
    }

    @Test("a record reads back as it was written")
    func roundTrip() throws {
        let layers = PolicyLayers(resource: try Self.policy(Self.admitsOrders))
        for record in [
            Self.record(Self.question(), layers, detail: "more"), Self.record(Self.question(), nil, side: .binding),
            Self.record(Self.question(source: ""), layers, effect: .allow),
        ] {
            #expect(try DecisionRecord(parsing: record.bytes()) == record)
        }
    }

    @Test("every altered member of a record is refused or reads back as something else, and never traps")
    func alteredMembers() throws {
        let bytes = Self.record(Self.question(), PolicyLayers(resource: try Self.policy(Self.admitsOrders))).bytes()
        let original = try DecisionRecord(parsing: bytes)
        var refused = 0
        for index in bytes.indices {
            var altered = bytes
            altered[index] ^= 1
            do throws(DecisionRecordError) {
                if try DecisionRecord(parsing: altered) == original { continue }
            } catch {
                refused += 1
            }
        }
        #expect(refused > bytes.count / 10)
    }

    @Test("the nearest miss says which element, operator and key, what was wanted and what was there")
    func firstFailingElement() throws {
        let record = Self.record(Self.question(), PolicyLayers(resource: try Self.policy(Self.admitsOrders)))
        let miss = try #require(record.reasons?.nearestMiss)
        #expect(
            miss.outcome
                == .failed(
                    element: "Condition", comparison: "StringEquals", key: "events:source", wanted: ["com.acme.orders"],
                    got: ["com.acme.stock"]))
        let text = record.explanation(for: .owner).joined(separator: "\n")
        #expect(text.contains("statement 0 `Orders` of the resource policy (Allow) missed:"))
        #expect(
            text.contains(
                "StringEquals on `events:source` wants `com.acme.orders`; the request has `com.acme.stock`"))
        #expect(text.contains("add `com.acme.stock` to the condition StringEquals on `events:source`"))
    }

    @Test("an absent key is said to be absent, with where it would come from")
    func absentKey() throws {
        let statement = Self.admitsOrders.replacing("events:source", with: "aws:PrincipalTag/cost-center")
        let record = Self.record(Self.question(), PolicyLayers(resource: try Self.policy(statement)))
        let text = record.explanation(for: .owner).joined(separator: "\n")
        #expect(text.contains("the request does not have this key"))
        #expect(text.contains("it is a tag of the principal or its session"))
    }

    @Test("what is the owner's alone never stands in what the sender reads")
    func senderSeesItsOwnSideAlone() throws {
        let secret = "SECRET"
        let resource = try Self.policy(
            Self.admitsOrders.replacing("\"Orders\"", with: "\"\(secret)\"").replacing("com.acme.orders", with: secret))
        // The sender's own policy asks about the resource: it must not learn the answer.
        let probing = #"{"Sid":"Probe","Effect":"Allow","Action":"*","Resource":"*","Condition":"#
            + #"{"StringEquals":{"aws:ResourceTag/team":"guess"}}}"#
        let identity = PrincipalPolicies(identity: [try Self.policy(probing, .identity)])
        let endpoint = try Self.policy(
            #"{"Sid":"\#(secret)","Effect":"Allow","Principal":"*","Action":"events:\#(secret)","Resource":"*"}"#,
            .endpoint)
        let question = Self.question(resourceTags: [("team", secret)])
        let layers = PolicyLayers(
            resource: resource, principal: identity, endpoint: [endpoint],
            resourceControl: [[try Self.policy(Self.denies(sid: secret), .resourceControl)]])
        for (effect, side) in [
            (Decision.Effect.implicitDeny, Decision.Side.busPolicy), (.explicitDeny, .controlPolicy),
            (.allow, .busPolicy),
        ] {
            let record = Self.record(question, layers, effect: effect, side: side, detail: secret)
            #expect(String(decoding: record.answer(for: .owner), as: UTF8.self).contains(secret))
            let text = String(decoding: record.answer(for: .sender), as: UTF8.self)
            #expect(!text.contains(secret), "the sender reads \(text)")
            #expect(text.contains("Probe"))
            #expect(!text.contains("snapshotRevision") && !text.contains("resourceExists"))
        }
    }

    @Test("the sender reads the same of a bus that does not exist as of one whose policy is silent")
    func missingBus() throws {
        let there = Self.record(Self.question(), PolicyLayers(resource: try Self.policy(Self.admitsOrders)))
        let missing = Self.record(Self.question(), PolicyLayers(), detail: "the bus does not exist", exists: false)
        #expect(there.answer(for: .sender) == missing.answer(for: .sender))
        #expect(there.answer(for: .owner) != missing.answer(for: .owner))
    }

    @Test("a record stays small whatever a sender puts into its request")
    func bounded() throws {
        let question = Self.question(source: String(repeating: "ä", count: 1 << 20))
        let record = Self.record(question, PolicyLayers(resource: try Self.policy(Self.admitsOrders)))
        #expect(record.bytes().count < 16_384)
        #expect(record.cutKeys == ["events:source"])
        #expect(try DecisionRecord(parsing: record.bytes()) == record)
        let kept = record.question.keys.first { $0.name == "events:source" }?.values.first ?? ""
        #expect(kept.utf8.count == DecisionRecord.valueBytesLimit && kept.allSatisfy { $0 == "ä" })
    }

    @Test("a value is kept whole at the limit and cut just over it", arguments: [1023, 1024, 1025])
    func valueLimit(bytes: Int) throws {
        let question = Self.question(source: String(repeating: "a", count: bytes))
        let record = Self.record(question, PolicyLayers(resource: try Self.policy(Self.admitsOrders)))
        #expect(record.cutKeys.isEmpty == (bytes <= DecisionRecord.valueBytesLimit))
    }
}
