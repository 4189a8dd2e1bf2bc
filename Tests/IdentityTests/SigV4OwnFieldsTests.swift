import Domain
import Identity
import Testing

/// This gateway's own fields decide what a request does, so a signature must cover them (DURABILITY §1).
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

    @Test("a field whose name only resembles this gateway's need not be signed", arguments: ["isthmus", "x-isthmus-a"])
    func others(name: String) {
        #expect(refusal { $0[name] = "1" } == nil)
    }
}
