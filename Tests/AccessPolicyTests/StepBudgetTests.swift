import AccessPolicy
import Domain
import Testing

@Suite("Step budget")
struct StepBudgetTests {
    static func context(_ source: String, resource: String = AuthorizerTests.bus) -> RequestContext {
        var facts = ContextFacts()
        facts.set(.known(.eventsSource), [source])
        let context = RequestContext()
        context.setPrincipal(PrincipalFacts(kind: .user, arn: "arn:aws:iam::111111111111:user/a", account: nil))
        context.setResource(ResourceFacts(arn: resource))
        context.beginRequest(action: "events:PutEvents", facts)
        return context
    }

    static func policy(_ pattern: String, statements: Int = 1, effect: String = "Allow") throws -> CompiledPolicy {
        let statement = #"""
            {"Effect":"\#(effect)","Principal":"*","Action":"*","Resource":"*",
             "Condition":{"StringLike":{"events:source":"\#(pattern)"}}}
            """#
        let list = [String](repeating: statement, count: statements).joined(separator: ",")
        return try CompiledPolicy(
            parsing:
                #"{"Version":"2012-10-17","Statement":[\#(list)]}"#,
            kind: .resource, limits: PolicyLimits(characters: PolicyLimits.largestDocument))
    }

    @Test("a cascade of stars over a long text trips the budget, and the answer is a deny")
    func trips() throws {
        let stars = String(repeating: "a*", count: 2_000) + "b"
        let decision = Authorizer.decide(
            Self.context(String(repeating: "a", count: 200_000)), PolicyLayers(resource: try Self.policy(stars)))
        #expect(decision.isBudgetExceeded)
        #expect(decision.effect == .implicitDeny)
        #expect(decision.steps <= PolicyLimits.stepsPerDecision + 16_000)
    }

    @Test("a deny that costs too much denies", arguments: ["Allow", "Deny"])
    func tripsInDeny(effect: String) throws {
        let text = String(repeating: "a", count: 5_000)
        let expensive = try Self.policy("*" + String(repeating: "a", count: 1_000) + "b", effect: effect)
        let own = PrincipalPolicies(identity: [try AuthorizerTests.policy(AuthorizerTests.allowAll, .identity)])
        let decision = Authorizer.decide(Self.context(text), PolicyLayers(resource: expensive, principal: own))
        #expect(decision.isBudgetExceeded)
        #expect(!decision.isAllowed)
    }

    @Test("64 statements of adversarial wildcards stay within the budget's cost")
    func manyStatements() throws {
        let policy = try Self.policy("a*a*a*a*a*b", statements: 64)
        let context = Self.context(String(repeating: "a", count: 256))
        let decision = Authorizer.decide(context, PolicyLayers(resource: policy))
        #expect(!decision.isAllowed)
        let clock = ContinuousClock()
        let took = clock.measure {
            for _ in 0..<20 { _ = Authorizer.decide(context, PolicyLayers(resource: policy)) }
        }
        // A debug build takes some fifty times longer than a release one, which has the limit of 1 ms.
        #expect(took / 20 < .milliseconds(50))
    }

    @Test("an ARN of a million characters is refused without being walked to its end")
    func longARN() throws {
        let policy = try AuthorizerTests.policy(
            #"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:events:*:*:*b*c"}"#)
        let long = "arn:aws:events:eu-central-1:222222222222:" + String(repeating: "b", count: 1_000_000)
        let decision = Authorizer.decide(Self.context("s", resource: long), PolicyLayers(resource: policy))
        #expect(decision.isBudgetExceeded)
        #expect(!decision.isAllowed)
    }

    @Test("the explanation of an exhausted decision says so")
    func explained() throws {
        let policy = try Self.policy("*" + String(repeating: "a", count: 1_000) + "b")
        let explanation = Authorizer.explain(
            Self.context(String(repeating: "a", count: 5_000)), PolicyLayers(resource: policy))
        #expect(explanation.message?.contains("more steps than a decision may") == true)
    }
}
