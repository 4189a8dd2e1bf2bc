import Domain
import Identity
import Testing

/// This gateway's own fields decide what a request does, and those of a CloudEvent in binary mode are the event, so a
/// signature must cover them (DURABILITY §1, THREATS G3).
@Suite struct SigV4OwnFieldsTests {
    static let all = "amz-sdk-invocation-id;content-type;host;isthmus-idempotency-key;x-amz-date;x-amz-target"

    func refusal(_ change: (inout SignedRequest) -> Void) -> SigV4Refusal? {
        var request = SignedRequest()
        change(&request)
        return SigV4Verifier(rules: SignedRequest.rules).refusal(of: request.request())
    }

    @Test("a signed idempotency key is accepted")
    func signed() {
        let found = refusal {
            $0["isthmus-idempotency-key"] = "order-7"
            $0.signedHeaders = Self.all
        }
        #expect(found == nil)
    }

    @Test(
        "an unsigned field of this gateway's own is refused, whatever its name's case and whatever else is signed",
        arguments: [
            "isthmus-idempotency-key", "Isthmus-Idempotency-Key", "isthmus-", "isthmus-anything", "ISTHMUS-X",
        ])
    func unsigned(name: String) {
        #expect(refusal { $0[name] = "order-7" } == .unsigned(name: name))
        let second = refusal {
            $0["isthmus-a"] = "1"
            $0[name] = "order-7"
            $0.signedHeaders = "content-type;host;isthmus-a;x-amz-date;x-amz-target"
        }
        #expect(second == .unsigned(name: name))
    }

    @Test("the refusal is the one for every unsigned field")
    func wire() throws {
        let found = try #require(refusal { $0["isthmus-idempotency-key"] = "order-7" })
        #expect(found.code == .invalidSignature)
        #expect(found.description.contains("'isthmus-idempotency-key'"))
    }

    @Test("a changed, added or doubled key breaks the signature")
    func changed() {
        func sent(_ fields: [(name: String, value: String)]) -> SigV4Refusal? {
            refusal {
                $0["isthmus-idempotency-key"] = "order-7"
                $0.signedHeaders = Self.all
                $0.authorization = $0.sign()
                $0["isthmus-idempotency-key"] = nil
                $0.fields += fields
            }
        }
        #expect(sent([("isthmus-idempotency-key", "order-7")]) == nil)
        #expect(sent([("isthmus-idempotency-key", "order-8")]) == .mismatch)
        #expect(sent([("isthmus-idempotency-key", "order-7"), ("isthmus-idempotency-key", "x")]) == .mismatch)
        #expect(sent([]) == .signedHeaderAbsent(name: "isthmus-idempotency-key"))
    }

    @Test(
        "an unsigned field that is an attribute of a CloudEvent is refused, whatever its name's case",
        arguments: ["ce-id", "ce-source", "ce-type", "ce-traceparent", "Ce-Source", "CE-TIME", "ce-"])
    func cloudEventUnsigned(name: String) {
        #expect(refusal { $0[name] = "com.acme.orders" } == .unsigned(name: name))
        let second = refusal {
            $0["ce-specversion"] = "1.0"
            $0[name] = "com.acme.orders"
            $0.signedHeaders = "ce-specversion;content-type;host;x-amz-date;x-amz-target"
        }
        #expect(second == .unsigned(name: name))
    }

    @Test("a CloudEvent whose attributes are signed is accepted, and none of them can be changed, added or doubled")
    func cloudEventSigned() {
        func sent(_ fields: [(name: String, value: String)]) -> SigV4Refusal? {
            refusal {
                $0["ce-id"] = "1"
                $0["ce-source"] = "com.acme.orders"
                $0.signedHeaders = "ce-id;ce-source;content-type;host;x-amz-date;x-amz-target"
                $0.authorization = $0.sign()
                $0["ce-source"] = nil
                $0.fields += fields
            }
        }
        #expect(sent([("ce-source", "com.acme.orders")]) == nil)
        #expect(sent([("ce-source", "com.acme.stock")]) == .mismatch)
        #expect(sent([("ce-source", "com.acme.orders"), ("ce-source", "x")]) == .mismatch)
        #expect(sent([("ce-source", "com.acme.orders"), ("ce-type", "x")]) == .unsigned(name: "ce-type"))
        #expect(sent([]) == .signedHeaderAbsent(name: "ce-source"))
    }

    @Test(
        "a field whose name only resembles one that must be signed need not be",
        arguments: ["isthmus", "x-isthmus-a", "ce", "cel-id", "x-ce-id"])
    func others(name: String) {
        #expect(refusal { $0[name] = "1" } == nil)
    }
}
