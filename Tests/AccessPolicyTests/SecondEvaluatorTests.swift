import AccessPolicy
import Domain
import Foundation
import Testing

@Suite("Second evaluator")
struct SecondEvaluatorTests {
    /// Decisions in one run, or as many as `ISTHMUS_DECISIONS` says; each set of layers is asked several questions.
    static let decisions = ProcessInfo.processInfo.environment["ISTHMUS_DECISIONS"].flatMap(Int.init) ?? 100_800
    static let questionsPerSet = 12
    static let seed: UInt64 = 0x1547_6D75_7300_0001

    static func compile(_ policy: NaivePolicy, _ kind: PolicyKind) throws -> CompiledPolicy {
        try CompiledPolicy(parsing: policy.json, kind: kind)
    }

    static func layers(_ naive: NaiveEvaluator.Layers, hasOwnSide: Bool) throws -> PolicyLayers {
        PolicyLayers(
            resource: try naive.resource.map { try compile($0, .resource) },
            principal: hasOwnSide
                ? PrincipalPolicies(
                    identity: try naive.identity.map { try compile($0, .identity) },
                    boundaries: try naive.boundaries.map { try compile($0, .permissionsBoundary) },
                    session: try naive.session.map { try compile($0, .session) }) : nil,
            endpoint: try naive.endpoint.map { try compile($0, .endpoint) },
            serviceControl: try naive.serviceControl.map { try $0.map { try compile($0, .serviceControl) } },
            resourceControl: try naive.resourceControl.map { try $0.map { try compile($0, .resourceControl) } })
    }

    static func context(_ request: NaiveRequest) -> RequestContext {
        var facts = ContextFacts()
        for key in request.context.keys.sorted() where key != "aws:principalaccount" {
            facts.set(ContextKeyName(key), request.context[key] ?? [])
        }
        let kind: PrincipalFacts.Kind =
            switch request.caller {
            case .anonymous: .anonymous
            case .user: .user
            case .session: .session
            case .service: .service
            }
        let context = RequestContext()
        context.setPrincipal(
            PrincipalFacts(
                kind: kind, arn: kind == .service ? "" : request.arn, account: AccountID(parsing: request.account),
                service: kind == .service ? request.arn : ""))
        context.setResource(ResourceFacts(arn: request.resource))
        context.beginRequest(action: request.action, facts)
        return context
    }

    @Test("a naive evaluator written from AWS's documents agrees on every generated decision")
    func agrees() throws {
        var universe = GeneratedUniverse(seed: Self.seed)
        var disagreements: [String] = []
        var counts: [String: Int] = [:]
        var made = 0
        while made < Self.decisions, disagreements.count < 3 {
            let naive = universe.layers()
            let local = try Self.layers(naive, hasOwnSide: true)
            let strange = try Self.layers(naive, hasOwnSide: false)
            for _ in 0..<Self.questionsPerSet {
                let request = universe.request()
                let hasOwnSide = request.caller == .user || request.caller == .session
                var asked = naive
                if !hasOwnSide { asked.boundaries = [] }
                let expected = NaiveEvaluator.decide(asked, request)
                let decision = Authorizer.decide(Self.context(request), hasOwnSide ? local : strange)
                counts[expected, default: 0] += 1
                made += 1
                if decision.effect.rawValue != expected {
                    let texts = [naive.resource].compactMap { $0?.json } + naive.identity.map(\.json)
                    disagreements.append("expected \(expected), got \(decision) for \(request) under \(texts)")
                }
            }
        }
        print("second evaluator: seed \(Self.seed), \(made) decisions \(counts), \(disagreements.count) disagreements")
        #expect(disagreements == [])
        #expect(made >= 100_000)
        #expect((counts["allow"] ?? 0) > 5_000)
    }

    /// The same document with white space wherever JSON lets it stand.
    static func spaced(_ json: String) -> String {
        var text = ""
        var isString = false
        for character in json {
            if character == "\"" { isString.toggle() }
            text += isString || !"{}[]:,".contains(character) ? String(character) : " \n\t\(character)\r "
        }
        return text
    }

    @Test("a deny never allows, losing an allow never allows, order, duplicates and white space do not matter")
    func metamorphic() throws {
        var universe = GeneratedUniverse(seed: Self.seed ^ 0xFF)
        var allowed = 0
        for _ in 0..<3_000 {
            let policy = universe.policy(named: true, 2...5)
            let request = universe.request()
            let context = Self.context(request)
            func decide(_ statements: [NaivePolicy.Statement]) throws -> Decision.Effect {
                let compiled = try Self.compile(NaivePolicy(statements: statements), .resource)
                return Authorizer.decide(context, PolicyLayers(resource: compiled)).effect
            }
            let before = try decide(policy.statements)
            if before == .allow { allowed += 1 }
            var deny = universe.statement(named: true)
            deny.effect = "Deny"
            if before != .allow { #expect(try decide(policy.statements + [deny]) != .allow) }
            let fewer =
                policy.statements.filter { $0.effect == "Deny" }
                + policy.statements.filter { $0.effect == "Allow" }.dropLast()
            if before != .allow, !fewer.isEmpty { #expect(try decide(fewer) != .allow) }
            #expect(try decide(policy.statements.reversed()) == before)
            #expect(try decide(policy.statements + policy.statements) == before)
            let spaced = try CompiledPolicy(
                parsing: Self.spaced(policy.json), kind: .resource,
                limits: PolicyLimits(characters: PolicyLimits.largestDocument))
            #expect(Authorizer.decide(context, PolicyLayers(resource: spaced)).effect == before)
        }
        #expect(allowed > 100)
    }
}
