import AccessPolicy
import Domain
import TestKit
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

    /// A statement about the publisher's account.
    private static func ours(_ conditions: String, effect: String = "Allow") -> String {
        DecisionCases.allow("111111111111", conditions, effect: effect)
    }

    /// Every case is one that allows.
    static func measure(_ name: String, _ layers: PolicyLayers) {
        let context = DecisionCases.context()
        var allowed = 0
        let batch = max(1, rounds / batches)
        let times = (0..<batches).map { _ in
            ContinuousClock().measure { allowed += DecisionCases.decide(layers, context, rounds: batch) }
        }
        #expect(allowed == batch * batches)
        let sorted = times.map { Double($0.components.attoseconds) / 1e9 / Double(batch) }.sorted()
        let (least, median) = (sorted[0].rounded(), sorted[sorted.count / 2].rounded())
        print("decision benchmark: \(name): \(median) ns a decision, the quietest batch \(least)")
    }

    @Test("ten statements", .enabled(if: isAsked))
    func tenStatements() throws {
        let own = PrincipalPolicies(identity: [try AuthorizerTests.policy(AuthorizerTests.allowAll, .identity)])
        let organization = #""StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#
        var statements = (0..<8).map { DecisionCases.allow("33333333333\($0)", organization) }
        statements.append(
            #"""
            {"Effect":"Deny","Principal":"*","Action":"events:PutEvents","Resource":"*",
             "Condition":{"Bool":{"aws:SecureTransport":"false"}}}
            """#
        )
        statements.append(Self.ours(organization))
        let policy = try AuthorizerTests.policy(statements.joined(separator: ","))
        Self.measure(
            "10 statements, allowed by the last, and an identity policy",
            PolicyLayers(resource: policy, principal: own))
        let same = (0..<9).map { _ in Self.ours(#""StringEquals":{"events:source":"com.acme.other"}"#) }
        let all = try AuthorizerTests.policy((same + [Self.ours(organization)]).joined(separator: ","))
        Self.measure(
            "10 statements that could apply, allowed by the last", PolicyLayers(resource: all, principal: own))
    }

    @Test("64 statements with ten conditions each", .enabled(if: isAsked))
    func sixtyFourStatements() throws {
        let failing = (0..<63).map { Self.ours(DecisionCases.ten($0, last: "aws-sdk")) }
        let last = Self.ours(DecisionCases.ten(63, last: "curl"))
        Self.measure(
            "64 statements × 10 conditions, 63 fail at the last condition",
            PolicyLayers(resource: try DecisionCases.policy(failing + [last])))
        let own = (0..<63).map { Self.ours(DecisionCases.ownTen($0, last: "aws-sdk")) }
        let ownLast = Self.ours(DecisionCases.ownTen(63, last: "curl"))
        Self.measure(
            "64 statements × 10 conditions of their own, 63 fail at the last",
            PolicyLayers(resource: try DecisionCases.policy(own + [ownLast])))
        let ownDenies = (0..<63).map { Self.ours(DecisionCases.ownTen($0, last: "aws-sdk"), effect: "Deny") }
        Self.measure(
            "64 statements × 10 conditions of their own, 63 denies fail at the last",
            PolicyLayers(resource: try DecisionCases.policy(ownDenies + [ownLast])))
        let denies = (0..<63).map {
            Self.ours(
                DecisionCases.ten($0, last: "aws-sdk").replacing("com.acme.orders", with: "com.acme.order\($0)"),
                effect: "Deny")
        }
        Self.measure(
            "64 statements × 10 conditions, 63 denies fail at the source",
            PolicyLayers(resource: try DecisionCases.policy(denies + [last])))
        Self.measure(
            "64 statements × 10 conditions, the first allows",
            PolicyLayers(resource: try DecisionCases.policy([last] + failing)))
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
