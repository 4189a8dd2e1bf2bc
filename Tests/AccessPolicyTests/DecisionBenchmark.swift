import AccessPolicy
import Domain
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// `ISTHMUS_BENCHMARK=1 swift test -c release --filter DecisionBenchmark`
@Suite("Decision benchmark", .serialized)
struct DecisionBenchmark {
    static var isAsked: Bool { getenv("ISTHMUS_BENCHMARK") != nil }
    static var rounds: Int { getenv("ISTHMUS_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 200_000 }

    /// Times are taken of so many batches: the quietest is the one that others on the machine disturbed least.
    static let batches = 20

    static func allow(_ account: String, _ conditions: String, effect: String = "Allow") -> String {
        #"""
        {"Effect":"\#(effect)","Principal":{"AWS":"\#(account)"},"Action":"events:PutEvents",
         "Resource":"\#(AuthorizerTests.bus)","Condition":{\#(conditions)}}
        """#
    }

    /// Ten conditions that all could hold; the last one, on a tag that is not there, fails.
    static func ten(_ index: Int, last: String) -> String {
        #"""
        "StringEquals":{"events:source":"com.acme.orders","aws:PrincipalOrgID":"o-exampleorgid",
          "aws:PrincipalAccount":"111111111111","aws:SourceVpce":"vpce-partners","isthmus:TrustDomain":"acme.example",
          "isthmus:SignatureScheme":"certificate"},
        "StringLike":{"events:detail-type":"Order*"},
        "Bool":{"aws:SecureTransport":"true"},
        "Null":{"aws:SourceIp":"false"},
        "StringNotEquals":{"aws:UserAgent":"\#(last)"}
        """#
    }

    /// Ten conditions whose values no other statement has: each must be looked at for itself. All but the last hold.
    static func ownTen(_ index: Int, last: String) -> String {
        #"""
        "StringEquals":{"events:source":["com.own.s\#(index)","com.acme.orders"],
          "aws:PrincipalOrgID":["o-own0000\#(index)","o-exampleorgid"],
          "aws:PrincipalAccount":["\#(200_000_000_000 + index)","111111111111"],
          "aws:SourceVpce":["vpce-own\#(index)","vpce-partners"],
          "isthmus:TrustDomain":["own\#(index).example","acme.example"],
          "isthmus:SignatureScheme":["own\#(index)","certificate"]},
        "StringLike":{"events:detail-type":["Own\#(index)*","Order*"]},
        "NumericLessThan":{"isthmus:Hops":"\#(index + 5)"},
        "IpAddress":{"aws:SourceIp":["192.0.\#(index).0/24","10.20.0.0/16"]},
        "StringNotLike":{"aws:UserAgent":["own\#(index)*","\#(last)*"]}
        """#
    }

    static func context() -> RequestContext {
        let context = RequestContext()
        context.setPrincipal(
            PrincipalFacts(
                kind: .role, arn: "arn:aws:iam::111111111111:role/publisher",
                account: AccountID(parsing: "111111111111"),
                organization: .member(id: "o-exampleorgid", paths: ["o-exampleorgid/r-ab12/ou-ab12-11111111/"])))
        context.setResource(ResourceFacts(arn: AuthorizerTests.bus))
        var connection = ContextFacts()
        connection.set(.sourceVpce, "vpce-partners")
        connection.set(.sourceIp, "10.20.1.1")
        connection.set(.secureTransport, "true")
        connection.set(.isthmusTrustDomain, "acme.example")
        connection.set(.isthmusSignatureScheme, "certificate")
        connection.set(.userAgent, "aws-sdk")
        connection.set(.isthmusHops, "1")
        context.setConnection(connection)
        context.beginRequest(action: "events:PutEvents")
        return context
    }

    static func measure(
        _ name: String, _ layers: PolicyLayers, _ context: RequestContext, expected: Decision.Effect,
        rounds: Int = rounds
    ) {
        let source: StaticString = "com.acme.orders"
        let type: StaticString = "OrderPlaced"
        var effects = 0
        let batch = max(1, rounds / batches)
        let times = (0..<batches).map { _ in
            ContinuousClock().measure {
                for _ in 0..<batch {
                    context.set(
                        .eventsSource,
                        borrowing: UnsafeBufferPointer(start: source.utf8Start, count: source.utf8CodeUnitCount))
                    context.set(
                        .eventsDetailType,
                        borrowing: UnsafeBufferPointer(start: type.utf8Start, count: type.utf8CodeUnitCount))
                    if Authorizer.decide(context, layers).effect == expected { effects += 1 }
                }
            }
        }
        #expect(effects == batch * batches)
        let sorted = times.map { Double($0.components.attoseconds) / 1e9 / Double(batch) }.sorted()
        let (least, median) = (sorted[0].rounded(), sorted[sorted.count / 2].rounded())
        print("decision benchmark: \(name): \(median) ns a decision, the quietest batch \(least)")
    }

    @Test("ten statements", .enabled(if: isAsked))
    func tenStatements() throws {
        let own = PrincipalPolicies(identity: [try AuthorizerTests.policy(AuthorizerTests.allowAll, .identity)])
        let organization = #""StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#
        var statements = (0..<8).map { Self.allow("33333333333\($0)", organization) }
        statements.append(
            #"""
            {"Effect":"Deny","Principal":"*","Action":"events:PutEvents","Resource":"*",
             "Condition":{"Bool":{"aws:SecureTransport":"false"}}}
            """#
        )
        statements.append(Self.allow("111111111111", organization))
        let policy = try AuthorizerTests.policy(statements.joined(separator: ","))
        Self.measure(
            "10 statements, allowed by the last, and an identity policy",
            PolicyLayers(resource: policy, principal: own), Self.context(), expected: .allow)
        let same = (0..<9).map { _ in Self.allow("111111111111", #""StringEquals":{"events:source":"com.acme.other"}"#)
        }
        let all = try AuthorizerTests.policy((same + [Self.allow("111111111111", organization)]).joined(separator: ","))
        Self.measure(
            "10 statements that could apply, allowed by the last", PolicyLayers(resource: all, principal: own),
            Self.context(), expected: .allow)
    }

    @Test("64 statements with ten conditions each", .enabled(if: isAsked))
    func sixtyFourStatements() throws {
        let limits = PolicyLimits(characters: PolicyLimits.largestDocument, conditions: 1_000)
        func policy(_ statements: [String]) throws -> CompiledPolicy {
            try CompiledPolicy(
                parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#,
                kind: .resource,
                limits: limits)
        }
        let failing = (0..<63).map { Self.allow("111111111111", Self.ten($0, last: "aws-sdk")) }
        let last = Self.allow("111111111111", Self.ten(63, last: "curl"))
        Self.measure(
            "64 statements × 10 conditions, 63 fail at the last condition",
            PolicyLayers(resource: try policy(failing + [last])), Self.context(), expected: .allow)
        let own = (0..<63).map { Self.allow("111111111111", Self.ownTen($0, last: "aws-sdk")) }
        let ownLast = Self.allow("111111111111", Self.ownTen(63, last: "curl"))
        Self.measure(
            "64 statements × 10 conditions of their own, 63 fail at the last",
            PolicyLayers(resource: try policy(own + [ownLast])), Self.context(), expected: .allow)
        let ownDenies = (0..<63).map { Self.allow("111111111111", Self.ownTen($0, last: "aws-sdk"), effect: "Deny") }
        Self.measure(
            "64 statements × 10 conditions of their own, 63 denies fail at the last",
            PolicyLayers(resource: try policy(ownDenies + [ownLast])), Self.context(), expected: .allow)
        let denies = (0..<63).map {
            Self.allow(
                "111111111111", Self.ten($0, last: "aws-sdk").replacing("com.acme.orders", with: "com.acme.order\($0)"),
                effect: "Deny")
        }
        Self.measure(
            "64 statements × 10 conditions, 63 denies fail at the source",
            PolicyLayers(resource: try policy(denies + [last])), Self.context(), expected: .allow)
        Self.measure(
            "64 statements × 10 conditions, the first allows", PolicyLayers(resource: try policy([last] + failing)),
            Self.context(), expected: .allow)
    }

    /// Others on the machine make single decisions late: the median is what is held to the limit.
    static func worst(_ name: String, _ layers: PolicyLayers, _ context: RequestContext) {
        var decision: Decision?
        let times = (0..<200).map { _ in
            ContinuousClock().measure { decision = Authorizer.decide(context, layers) }
        }.sorted()
        #expect(decision?.isAllowed == false)
        #expect(times[100] <= .milliseconds(1), "\(name)")
        print(
            "decision benchmark: \(name): median \(times[100]), worst \(times[199]), "
                + "budget exceeded: \(decision?.isBudgetExceeded == true)")
    }

    @Test("adversarial wildcards", .enabled(if: isAsked))
    func adversarial() throws {
        let stars = try StepBudgetTests.policy(String(repeating: "a*", count: 2_000) + "b")
        let context = StepBudgetTests.context(String(repeating: "a", count: 200_000))
        func worst(_ name: String, _ policy: CompiledPolicy, _ context: RequestContext) {
            Self.worst(name, PolicyLayers(resource: policy), context)
        }
        for index in StepBudgetTests.long.indices {
            let (context, layers) = try StepBudgetTests.longText(index)
            Self.worst("8 KiB of a header: \(StepBudgetTests.long[index].name)", layers, context)
        }
        worst("a*a*…b over 200,000 characters", stars, context)
        worst(
            "64 statements a*a*a*a*a*b over 256 characters", try StepBudgetTests.policy("a*a*a*a*a*b", statements: 64),
            StepBudgetTests.context(String(repeating: "a", count: 256)))
        let wide = (0..<64).map {
            #"""
            {"Effect":"Allow","Principal":"*","Action":"events:Put*s","Resource":"*",
            "Condition":{"StringLike":{"events:source":"*aaaaaaaaaaaaaaaaaaaa\#($0)*b"}}}
            """#
        }
        worst(
            "64 statements of a 10,240-character document", try AuthorizerTests.policy(wide.joined(separator: ",")),
            StepBudgetTests.context(String(repeating: "a", count: 4_096)))
    }
}
