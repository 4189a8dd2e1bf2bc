import AccessPolicy
import Domain
import Testing

/// Statements that have a condition in common: one look at it serves all, and each decides as if it had its own.
@Suite("Shared conditions")
struct SharedConditionTests {
    /// Pairs of statements; each pair has three conditions of its own: more than a decision keeps verdicts for.
    static let many = 32

    static func statement(_ number: Int, _ source: String, _ type: String, effect: String = "Allow") -> String {
        #"""
        {"Sid":"S\#(number)","Effect":"\#(effect)","Principal":"*","Action":"events:PutEvents","Resource":"*",
         "Condition":{"StringEquals":{"aws:SourceVpce":"\#(source)"},"StringLike":{"aws:UserAgent":"\#(type)"},
          "StringNotEquals":{"aws:UserAgent":"\#(source)"},"StringNotLike":{"aws:SourceVpce":"not-\#(source)*"}}}
        """#
    }

    static func decide(_ policy: CompiledPolicy, from endpoint: String, agent: String?) -> Decision {
        let context = AuthorizerTests.context()
        var connection = ContextFacts()
        connection.set(.sourceVpce, endpoint)
        if let agent { connection.set(.userAgent, agent) }
        context.setConnection(connection)
        return Authorizer.decide(context, PolicyLayers(resource: policy))
    }

    @Test("each of many pairs is decided by its own conditions, whichever of the pair stands first")
    func pairs() throws {
        let limits = PolicyLimits(characters: PolicyLimits.largestDocument, conditions: 1_000)
        var statements: [String] = []
        for index in 0..<Self.many { statements.append(Self.statement(index, "vpce-\(index)", "good*")) }
        for index in 0..<Self.many {
            statements.append(Self.statement(Self.many + index, "vpce-\(index)", "bad*", effect: "Deny"))
        }
        let policy = try CompiledPolicy(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#,
            kind: .resource, limits: limits)
        for index in 0..<Self.many {
            let allowed = Self.decide(policy, from: "vpce-\(index)", agent: "good/1")
            #expect(allowed.isAllowed && allowed.statement == index)
            let denied = Self.decide(policy, from: "vpce-\(index)", agent: "bad/1")
            #expect(denied.effect == .explicitDeny && denied.statement == Self.many + index)
            #expect(Self.decide(policy, from: "vpce-\(index)", agent: "other").effect == .implicitDeny)
        }
        #expect(Self.decide(policy, from: "vpce-none", agent: "good/1").effect == .implicitDeny)
    }

    @Test("what cannot be decided denies in a deny and does not allow in an allow, though looked at once")
    func undecided() throws {
        func statement(_ effect: String) -> String {
            #"""
            {"Effect":"\#(effect)","Principal":"*","Action":"*","Resource":"*",
             "Condition":{"NumericLessThan":{"aws:UserAgent":"7"}}}
            """#
        }
        let allows = try AuthorizerTests.policy("\(statement("Allow")),\(statement("Allow"))")
        #expect(Self.decide(allows, from: "v", agent: "3").isAllowed)
        #expect(Self.decide(allows, from: "v", agent: "no number").effect == .implicitDeny)
        let mixed = try AuthorizerTests.policy(
            "\(AuthorizerTests.allowEverybody),\(statement("Allow")),\(statement("Deny"))")
        #expect(Self.decide(mixed, from: "v", agent: "9").isAllowed)
        #expect(Self.decide(mixed, from: "v", agent: "3").effect == .explicitDeny)
        #expect(Self.decide(mixed, from: "v", agent: "no number").effect == .explicitDeny)
        #expect(Self.decide(mixed, from: "v", agent: nil).isAllowed)
    }

    @Test("a decision looks anew at what the one before had found")
    func again() throws {
        let policy = try AuthorizerTests.policy(
            [Self.statement(0, "vpce-1", "a*"), Self.statement(1, "vpce-1", "b*")].joined(separator: ","))
        let context = AuthorizerTests.context()
        for (endpoint, isAllowed) in [("vpce-1", true), ("vpce-2", false), ("vpce-1", true)] {
            var connection = ContextFacts()
            connection.set(.sourceVpce, endpoint)
            connection.set(.userAgent, "b/2")
            context.setConnection(connection)
            #expect(Authorizer.decide(context, PolicyLayers(resource: policy)).isAllowed == isAllowed)
        }
    }
}
