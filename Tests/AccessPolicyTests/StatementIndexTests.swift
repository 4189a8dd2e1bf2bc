import AccessPolicy
import Domain
import Testing

/// Deciding looks at a policy by groups and columns of statements, explaining at one statement after the other: both
/// must see the same.
@Suite("Statements by groups and columns")
struct StatementIndexTests {
    static let seed: UInt64 = 0x1547_6D75_7300_0002
    static let wide = PolicyLimits(characters: PolicyLimits.largestDocument, statements: 1_000, conditions: 10_000)

    static func compile(_ policy: NaivePolicy) throws -> CompiledPolicy {
        try CompiledPolicy(parsing: policy.json, kind: .resource, limits: wide)
    }

    @Test("policies of many statements, also more than one block of them, decide as the naive evaluator says")
    func manyStatements() throws {
        var universe = GeneratedUniverse(seed: Self.seed)
        var counts: [String: Int] = [:]
        for round in 0..<150 {
            let size = round.isMultiple(of: 3) ? 63...66 : 20...140
            // Of mostly denies nothing is allowed.
            var policy = universe.policy(named: true, size)
            for index in policy.statements.indices where !index.isMultiple(of: 9) {
                policy.statements[index].effect = "Allow"
            }
            let strange = PolicyLayers(resource: try Self.compile(policy))
            var local = strange
            local.principal = PrincipalPolicies(identity: [])
            for _ in 0..<12 {
                let request = universe.request()
                let layers = request.caller == .user || request.caller == .session ? local : strange
                let expected = NaiveEvaluator.decide(.init(resource: policy), request)
                let decision = Authorizer.decide(SecondEvaluatorTests.context(request), layers)
                counts[expected, default: 0] += 1
                #expect(decision.effect.rawValue == expected, "seed \(Self.seed) round \(round): \(request)")
            }
        }
        print("many statements: seed \(Self.seed), \(counts)")
        #expect(counts.count == 3 && counts.values.allSatisfy { $0 > 50 })
    }

    @Test("what explains a decision names the statement that made it, and no other that would have")
    func explained() throws {
        var universe = GeneratedUniverse(seed: Self.seed ^ 0xFF)
        var counts: [Decision.Effect: Int] = [:]
        for _ in 0..<400 {
            let layers = PolicyLayers(resource: try Self.compile(universe.policy(named: true, 1...20)))
            for _ in 0..<5 {
                let context = SecondEvaluatorTests.context(universe.request())
                let decision = Authorizer.decide(context, layers)
                let matched = Authorizer.explain(context, layers).looks.filter { $0.outcome == .matched }
                counts[decision.effect, default: 0] += 1
                switch decision.effect {
                case .explicitDeny: #expect(matched.first { $0.effect == .deny }?.statement == decision.statement)
                case .allow:
                    #expect(matched.first?.statement == decision.statement)
                    #expect(matched.allSatisfy { $0.effect == .allow })
                case .implicitDeny: #expect(matched == [])
                }
            }
        }
        #expect(counts.count == 3 && counts.values.allSatisfy { $0 > 50 }, "\(counts)")
    }

    /// A policy whose statements 0 … `count` − 1 each ask for a source, a type, a moment and a network of their own.
    static func own(_ count: Int) throws -> CompiledPolicy {
        let statements = (0..<count).map {
            #"""
            {"Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"*","Condition":{
              "StringEquals":{"events:source":["com.acme.long.name.\#($0)","\#($0)"]},
              "StringNotEquals":{"aws:SourceVpce":"vpce-\#($0)"},
              "StringLike":{"events:detail-type":["Order\#($0)*","?\#($0)"]},
              "NumericLessThanEquals":{"isthmus:Hops":"\#($0)"},
              "DateGreaterThan":{"aws:CurrentTime":"\#(1_000_000 + $0)"},
              "IpAddress":{"aws:SourceIp":"10.0.\#($0).0/24"}}}
            """#
        }
        return try CompiledPolicy(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#, kind: .resource,
            limits: wide)
    }

    static func ask(
        _ policy: CompiledPolicy, source: String, type: String, hops: Int, time: Int, network: Int, endpoint: String?
    ) -> Decision {
        var facts = ContextFacts()
        facts.set(.eventsSource, source)
        facts.set(.eventsDetailType, type)
        facts.set(.isthmusHops, "\(hops)")
        facts.set(.currentTime, "\(time)")
        facts.set(.sourceIp, "10.0.\(network).7")
        if let endpoint { facts.set(.sourceVpce, endpoint) }
        let context = RequestContext()
        context.setPrincipal(PrincipalFacts(kind: .user, arn: "arn:aws:iam::111111111111:user/a", account: nil))
        context.setResource(ResourceFacts(arn: AuthorizerTests.bus))
        context.beginRequest(action: "events:PutEvents", facts)
        return Authorizer.decide(context, PolicyLayers(resource: policy))
    }

    @Test("a policy of nearly 1 MiB, whose two statements list 35,000 values each, finds the last as the first")
    func manyValues() throws {
        let count = 35_000
        let statements = (0..<2).map { half in
            let values = (0..<count).map { "\"\(100_000 + half * count + $0)\"" }.joined(separator: ",")
            return #"""
                {"Effect":"Allow","Principal":"*","Action":"*","Resource":"*",
                 "Condition":{"StringEquals":{"events:source":[\#(values)]}}}
                """#
        }
        let policy = try CompiledPolicy(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#, kind: .resource,
            limits: Self.wide)
        for (value, statement) in [(0, 0), (count - 1, 0), (count, 1), (65_535, 1), (65_536, 1), (2 * count - 1, 1)] {
            let decision = Authorizer.decide(
                StepBudgetTests.context("\(100_000 + value)"), PolicyLayers(resource: policy))
            #expect(decision.isAllowed && decision.statement == statement, "\(value)")
        }
        let none = Authorizer.decide(StepBudgetTests.context("\(100_000 + 2 * count)"), PolicyLayers(resource: policy))
        #expect(none.effect == .implicitDeny)
    }

    @Test("values written to fall into one bucket do not make a look at them long")
    func values() throws {
        // One beginning, one end, one length.
        let all = (0..<4_000).map { "com.acme.\(100_000 + $0).orders.v1" }
        let statements = [all[..<2_000], all[2_000...]].map { half in
            let values = half.map { "\"\($0)\"" }.joined(separator: ",")
            return #"""
                {"Effect":"Allow","Principal":"*","Action":"*","Resource":"*",
                 "Condition":{"StringEquals":{"events:source":[\#(values)]}}}
                """#
        }
        let policy = try CompiledPolicy(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#, kind: .resource,
            limits: Self.wide)
        let decisions = all.map {
            Authorizer.decide(StepBudgetTests.context($0), PolicyLayers(resource: policy))
        }
        #expect(decisions.map(\.statement) == (0..<4_000).map { $0 / 2_000 })
        #expect(decisions.allSatisfy { $0.isAllowed && $0.steps < 100 }, "\(decisions.map(\.steps).max() ?? 0)")
    }

    @Test(
        "each of many statements is found by its own values, at the edges of a block too",
        arguments: [2, 63, 64, 65, 200])
    func ownValues(count: Int) throws {
        let policy = try Self.own(count)
        for index in Set([0, 1, count / 2, 62, 63, 64, 65, count - 1]) where index < count {
            func ask(
                source: String? = nil, type: String? = nil, hops: Int? = nil, time: Int? = nil, network: Int? = nil,
                endpoint: String? = "vpce-none"
            ) -> Decision {
                Self.ask(
                    policy, source: source ?? "com.acme.long.name.\(index)", type: type ?? "Order\(index)Placed",
                    hops: hops ?? index, time: time ?? 1_000_001 + index, network: network ?? index,
                    endpoint: endpoint)
            }
            #expect(ask().isAllowed && ask().statement == index)
            #expect(ask(source: "\(index)", type: "é\(index)", endpoint: nil).statement == index)
            #expect(!ask(source: "com.acme.long.name.\(count)").isAllowed)
            #expect(!ask(source: "com.acme.lonG.name.\(index)").isAllowed)
            #expect(!ask(type: "order\(index)").isAllowed)
            #expect(!ask(hops: index + 1).isAllowed)
            #expect(!ask(time: 1_000_000 + index).isAllowed)
            #expect(!ask(network: 255).isAllowed)
            #expect(!ask(endpoint: "vpce-\(index)").isAllowed)
        }
    }
}
