import AccessPolicy
import Domain
import JSON

// Feeds text that should be a policy, as one of every kind, and as a line of `policy simulate --batch`.
//
// Oracles: what is refused has a place and a reason; a document and its canonical form decide alike; a decision and its
// explanation agree; a decision ends within its steps, and past them denies; a deny of everything beside it
// always wins; every line has an answer that is JSON.

private let judge = Judge()

/// What is asked of every policy. libFuzzer calls from one thread.
private final class Judge: @unchecked Sendable {
    static let bus = "arn:aws:events:eu-central-1:444455556666:event-bus/orders"

    let contexts: [RequestContext]
    let everything: CompiledPolicy
    let nothing: CompiledPolicy

    init() {
        everything = Self.endpoint("Allow")
        nothing = Self.endpoint("Deny")
        let owner = AccountID(parsing: "444455556666")
        let peer = AccountID(parsing: "111122223333")
        contexts = [
            Self.context(PrincipalFacts(kind: .user, arn: "arn:aws:iam::444455556666:user/ann", account: owner)),
            Self.context(
                PrincipalFacts(
                    kind: .session, arn: "arn:aws:sts::111122223333:assumed-role/publisher/one", account: peer,
                    organization: .member(id: "o-exampleorgid", paths: ["o-exampleorgid/r-ab12/ou-ab12-11111111/"]),
                    tags: [(key: "team", value: "or*ers")])),
            Self.context(PrincipalFacts(kind: .service, arn: "", account: nil, service: "events.amazonaws.com")),
        ]
    }

    private static func endpoint(_ effect: String) -> CompiledPolicy {
        let statement = #"{"Effect":"\#(effect)","Principal":"*","Action":"*","Resource":"*"}"#
        do throws(PolicyError) {
            let text = #"{"Version":"2012-10-17","Statement":["# + statement + "]}"
            return CompiledPolicy(try PolicyDocument(parsing: text, kind: .endpoint))
        } catch {
            preconditionFailure("\(error)")
        }
    }

    private static func context(_ principal: PrincipalFacts) -> RequestContext {
        let context = RequestContext()
        context.setPrincipal(principal)
        context.setResource(ResourceFacts(arn: bus))
        var facts = ContextFacts()
        facts.set(.eventsSource, "com.acme.orders")
        facts.set(.currentTime, "2026-11-21T06:00:00Z")
        facts.set(.sourceIp, "2001:db8::1")
        facts.set(.vpcSourceIp, "10.0.0.1")
        facts.set(.secureTransport, "true")
        facts.set(.isthmusHops, "3")
        facts.set(.sourceArn, "arn:aws:events:eu-central-1:111122223333:rule/a/b:c")
        facts.set(.known(.tagKeys), ["team", "environment"])
        facts.set(.isthmusCertificateFingerprint, "QUJD")
        facts.set(.userAgent, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
        context.setConnection(facts)
        context.beginRequest(action: "events:PutEvents")
        return context
    }

    func layers(_ policy: CompiledPolicy, _ kind: PolicyKind, endpoint: CompiledPolicy) -> PolicyLayers {
        let own = PrincipalPolicies(
            identity: kind == .identity ? [policy] : [], boundaries: kind == .permissionsBoundary ? [policy] : [],
            session: kind == .session ? [policy] : [])
        return PolicyLayers(
            resource: kind == .resource || kind == .trust ? policy : nil, principal: own,
            endpoint: kind == .endpoint ? [policy, endpoint] : [endpoint],
            serviceControl: kind == .serviceControl ? [[policy]] : [],
            resourceControl: kind == .resourceControl ? [[policy]] : [])
    }

    /// What the policy does to everybody who asks; `nil` where it took too many steps, which depend on its order.
    func ask(_ document: PolicyDocument, _ kind: PolicyKind) -> [Decision.Effect?] {
        let policy = CompiledPolicy(document)
        return contexts.map { context in
            let asked = layers(policy, kind, endpoint: everything)
            let decision = Authorizer.decide(context, asked)
            precondition(decision == Authorizer.decide(context, asked))
            precondition(!decision.isBudgetExceeded || !decision.isAllowed)
            let explanation = Authorizer.explain(context, asked)
            precondition(explanation.decision.effect == decision.effect)
            precondition((explanation.message == nil) == decision.isAllowed)
            precondition(!Authorizer.decide(context, layers(policy, kind, endpoint: nothing)).isAllowed)
            return decision.isBudgetExceeded ? nil : decision.effect
        }
    }
}

private func document(_ text: [UInt8], _ kind: PolicyKind) -> PolicyDocument? {
    do throws(PolicyError) { return try PolicyDocument(parsing: text, kind: kind) } catch {
        precondition(!error.description.isEmpty && (error.place.isEmpty || error.place.hasPrefix("/")))
        return nil
    }
}

private func canonical(_ text: [UInt8]) -> [UInt8]? {
    do throws(JSONError) { return try CanonicalJSON.bytes(of: JSONNode(parsing: text)) } catch { return nil }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPolicyText(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    let text = Array(UnsafeBufferPointer(start: start, count: count))
    for kind in PolicyKind.allCases {
        guard let found = document(text, kind) else { continue }
        for finding in PolicyReview(found).refusals + PolicyReview(found).warnings {
            precondition(!finding.description.isEmpty)
        }
        let effects = judge.ask(found, kind)
        guard let canonical = canonical(text) else { continue }
        // The canonical form may be a character longer than what is allowed, where the text was not.
        guard let same = document(canonical, kind) else { precondition(canonical.count > text.count); continue }
        for case (let one?, let other?) in zip(judge.ask(same, kind), effects) { precondition(one == other) }
    }
    do throws(JSONError) {
        let answer = try JSONNode(parsing: Simulation(compatibility: .aws).answer(text), maximumBytes: 64 << 20)
        precondition((answer["decision"] == nil) != (answer["error"] == nil))
    } catch {
        preconditionFailure("the answer is not JSON: \(error)")
    }
    return 0
}
