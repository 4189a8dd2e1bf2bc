import AccessPolicy
import Domain
import Testing

@Suite("Replay of a changed policy")
struct PolicyReplayTests {
    static let seed: UInt64 = 0x1547_6D75_7300_0042
    static let rounds = 4_000

    private static func record(_ context: RequestContext, _ layers: PolicyLayers) -> DecisionRecord {
        let decision = Authorizer.decide(context, layers)
        return DecisionRecord(
            id: UniqueID(high: 1, low: 2), requestID: UniqueID(high: 3, low: 4), entry: nil,
            caller: DecisionRecordTests.caller, answer: nil,
            capture: DecisionCapture(
                context.question, layers, effect: decision.effect, side: decision.side, revision: 1,
                time: Timestamp(seconds: 1_795_240_800), resourceExists: true))
    }

    @Test("what a record says of a changed policy is what the evaluator says with that policy in place")
    func agreesWithTheEvaluator() throws {
        var universe = GeneratedUniverse(seed: Self.seed)
        var counts: [String: Int] = [:]
        for _ in 0..<Self.rounds {
            let naive = universe.layers()
            let request = universe.request()
            let hasOwnSide = request.caller == .user || request.caller == .session
            let layers = try SecondEvaluatorTests.layers(naive, hasOwnSide: hasOwnSide)
            let candidate = universe.policy(named: true)
            let compiled = try SecondEvaluatorTests.compile(candidate, .resource)
            let context = SecondEvaluatorTests.context(request)
            let stored = try DecisionRecord(parsing: Self.record(context, layers).bytes())
            var changed = layers
            changed.resource = compiled
            let before = Authorizer.decide(context, layers).isAllowed
            let after = Authorizer.decide(context, changed).isAllowed
            let expected: PolicyReplay.Outcome =
                before == after ? .unchanged : after ? .allowedNow : .deniedNow
            let replay = PolicyReplay(compiled, text: candidate.json, resource: request.resource)
            let outcome = replay.outcome(of: stored)
            #expect(outcome == expected, "seed \(Self.seed): \(request) under \(naive), then \(candidate.json)")
            counts["\(outcome)", default: 0] += 1
        }
        #expect((counts["allowedNow"] ?? 0) > 50 && (counts["deniedNow"] ?? 0) > 50, "\(counts)")
    }

    private static func candidate(_ source: String) throws -> PolicyReplay {
        let text = DecisionRecordTests.admitsOrders.replacing("com.acme.orders", with: source)
        return PolicyReplay(
            try DecisionRecordTests.policy(text), text: text, resource: DecisionRecordTests.bus)
    }

    @Test("a value that is not kept in full makes undecidable what a candidate that asks for it would do")
    func cutValue() throws {
        let question = DecisionRecordTests.question(source: String(repeating: "a", count: 2000))
        let layers = PolicyLayers(resource: try DecisionRecordTests.policy(DecisionRecordTests.admitsOrders))
        let record = DecisionRecordTests.record(question, layers)
        #expect(
            try Self.candidate("a*").outcome(of: record)
                == .undecidable("the candidate asks for `events:source`, of which the record has only a part"))
        let blind =
            #"{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"*","Resource":"*"}"#
        let replay = PolicyReplay(
            try DecisionRecordTests.policy(blind), text: blind, resource: DecisionRecordTests.bus)
        #expect(replay.outcome(of: record) == .allowedNow)
    }

    @Test("a refusal that no policy was asked about stays as it is, and one about a missing bus cannot be said")
    func withoutPolicies() throws {
        let question = DecisionRecordTests.question()
        let replay = try Self.candidate("com.acme.stock")
        let bound = DecisionRecordTests.record(question, nil, effect: .explicitDeny, side: .binding)
        #expect(replay.outcome(of: bound) == .unchanged)
        let missing = DecisionRecordTests.record(question, PolicyLayers(), exists: false)
        #expect(replay.outcome(of: missing) == .undecidable("the resource did not exist then"))
    }

    @Test("a candidate is about the one resource that it names")
    func namedResource() throws {
        func resource(_ patterns: String) throws -> String? {
            let statement = #"{"Effect":"Deny","Principal":"*","Action":"*","Resource":[\#(patterns)]}"#
            let text = #"{"Version":"2012-10-17","Statement":[\#(statement)]}"#
            return PolicyReplay.resource(of: try PolicyDocument(parsing: text, kind: .resource))
        }
        #expect(try resource(#""\#(DecisionRecordTests.bus)""#) == DecisionRecordTests.bus)
        #expect(try resource(#""*""#) == nil)
        let other = "arn:aws:events:eu-central-1:222222222222:event-bus/b"
        #expect(try resource(#""\#(DecisionRecordTests.bus)","\#(other)""#) == nil)
    }
}
