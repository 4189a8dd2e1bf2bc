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

    /// Conditions whose cost is in the length of what a client may write, a header field of 8 KiB.
    static let long: [(name: String, text: String, conditions: [String])] = {
        let plain = String(repeating: "a", count: 8_192)
        let foreign = String(repeating: "é", count: 4_096)
        func each(_ operators: [String], _ value: (Int) -> String) -> [String] {
            operators.map { name in
                let values = (0..<(100 / operators.count)).map { "\"\(value($0))\"" }.joined(separator: ",")
                return #""\#(name)":{"aws:UserAgent":[\#(values)]}"#
            }
        }
        let arn = "arn:aws:sqs:eu-central-1:111111111111:" + plain
        return [
            ("base64", plain, each(["BinaryEquals"]) { String(repeating: "b", count: 4 + 4 * ($0 % 7)) }),
            ("without case", plain, each(["StringEqualsIgnoreCase"]) { "\(plain.dropLast())\($0)" }),
            ("without case, not ASCII", foreign, each(["StringEqualsIgnoreCase"]) { "\(foreign.dropLast())\($0)" }),
            ("ARN", arn, each(["ArnLike", "ArnEquals", "ArnLikeIfExists"]) { "arn:aws:*:*:*:*a*\($0)b" }),
            ("wildcards", plain, each(["StringLike", "StringLikeIfExists"]) { "*a*a*\($0)b" }),
            ("number", String(repeating: "1", count: 64), each(["NumericEquals"]) { "\($0)" }),
            ("no colon", plain, each(["ArnLike", "ArnEquals"]) { "arn:aws:sqs:*:*:\($0)" }),
        ]
    }()

    static func longText(_ index: Int) throws -> (RequestContext, PolicyLayers) {
        let statements = long[index].conditions.map {
            #"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{\#($0)}}"#
        }
        let policy = try CompiledPolicy(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#, kind: .resource,
            limits: PolicyLimits(characters: PolicyLimits.largestDocument))
        let context = context("s")
        var connection = ContextFacts()
        connection.set(.userAgent, long[index].text)
        context.setConnection(connection)
        return (context, PolicyLayers(resource: policy))
    }

    @Test("what a long header costs is counted: no decision goes far past the budget", arguments: long.indices)
    func longHeader(index: Int) throws {
        let (context, layers) = try Self.longText(index)
        let decision = Authorizer.decide(context, layers)
        #expect(!decision.isAllowed)
        #expect(decision.steps <= PolicyLimits.stepsPerDecision + 16 * 4 * 8_192)
        let isLong = Self.long[index].text.utf8.count > 64
        #expect(decision.steps > (isLong ? 1_000 : 0), "\(Self.long[index].name) costs only \(decision.steps) steps")
    }

    @Test("texts without ASCII are equal without case, also where the lower case is longer or shorter")
    func folding() throws {
        for (wanted, asked, isEqual) in [
            ("STRASSE-É", "strasse-é", true), ("\u{212A}", "k", true), ("É", "e", false), ("É", "é-", false),
            ("É", String(repeating: "é", count: 4), false),
        ] {
            let policy = try AuthorizerTests.policy(
                #"""
                {"Effect":"Allow","Principal":"*","Action":"*","Resource":"*",
                 "Condition":{"StringEqualsIgnoreCase":{"events:source":"\#(wanted)"}}}
                """#)
            let isAllowed = Authorizer.decide(Self.context(asked), PolicyLayers(resource: policy)).isAllowed
            #expect(isAllowed == isEqual, "\(wanted) \(asked)")
        }
    }

    @Test("the explanation of an exhausted decision says so")
    func explained() throws {
        let policy = try Self.policy("*" + String(repeating: "a", count: 1_000) + "b")
        let explanation = Authorizer.explain(
            Self.context(String(repeating: "a", count: 5_000)), PolicyLayers(resource: policy))
        #expect(explanation.message?.contains("more steps than a decision may") == true)
    }
}
