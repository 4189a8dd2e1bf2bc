import Domain

/// Why a decision fell as it did: every statement looked at, with what it wanted and what it got.
///
/// Made only when asked for, by looking again at the same context with the same evaluator.
package struct Explanation: Sendable {
    /// What became of one statement.
    package enum Outcome: Equatable, Sendable {
        case matched
        /// The first element that did not match: `Principal`, `NotAction`, …; `got` is `nil` for a key that is absent.
        case failed(element: String, comparison: String?, key: String?, wanted: [String], got: [String]?)
        /// Deciding stopped here: the step budget was used up.
        case abandoned
    }

    package struct Look: Equatable, Sendable {
        package var layer: Decision.Layer
        package var level: Int
        package var policy: Int
        package var policyName: String
        /// From 0, as the document has it.
        package var statement: Int
        package var sid: String?
        package var effect: Effect
        package var outcome: Outcome
        /// How many elements and conditions matched before the first that did not.
        package var progress: Int
    }

    package var decision: Decision
    /// In the order of the layers, and within a policy of its statements.
    package var looks: [Look]
    /// The allow that came closest in the layer that refused, if the answer is an implicit deny.
    package var nearestMiss: Look?
    /// What AWS would answer; `nil` for an allow.
    package var message: String?
}

extension Authorizer {
    /// Decides again on what `context` holds and says why. Allocates.
    package static func explain(_ context: RequestContext, _ layers: PolicyLayers) -> Explanation {
        let decision = decide(context, layers)
        var looks: [Explanation.Look] = []
        func look(_ policies: [CompiledPolicy], _ layer: Decision.Layer, level: Int = 0) {
            for (index, policy) in policies.enumerated() {
                looks += self.looks(
                    context, policy, hasBoundary: layers.principal?.boundaries.isEmpty == false, layer, level, index)
            }
        }
        for (level, policies) in layers.resourceControl.enumerated() { look(policies, .resourceControl, level: level) }
        if context.principal.kind != .anonymous, context.principal.kind != .service {
            for (level, policies) in layers.serviceControl.enumerated() {
                look(policies, .serviceControl, level: level)
            }
        }
        look(layers.endpoint, .endpoint)
        look(layers.resource.map { [$0] } ?? [], .resource)
        look(layers.principal?.identity ?? [], .identity)
        look(layers.principal?.boundaries ?? [], .permissionsBoundary)
        look(layers.principal?.session ?? [], .session)
        let miss =
            decision.effect == .implicitDeny
            ? looks.filter { $0.effect == .allow && $0.outcome != .matched && isOfInterest($0, decision) }
                .max { $0.progress < $1.progress } : nil
        return Explanation(
            decision: decision, looks: looks, nearestMiss: miss, message: denialMessage(context, decision))
    }

    private static func isOfInterest(_ look: Explanation.Look, _ decision: Decision) -> Bool {
        look.layer == decision.layer || (decision.layer == .identity && look.layer == .resource)
    }

    private static func looks(
        _ context: RequestContext, _ policy: CompiledPolicy, hasBoundary: Bool, _ layer: Decision.Layer, _ level: Int,
        _ place: Int
    ) -> [Explanation.Look] {
        context.named.withUnsafeBufferPointer { named in
            policy.withView { view in
                var evaluation = PolicyEvaluation(context, named: named, hasBoundary: hasBoundary)
                var looks: [Explanation.Look] = []
                for index in view.statements.indices {
                    let compiled = view.statements[index]
                    let statement = policy.document.statements[Int(compiled.source)]
                    let outcome = evaluation.outcome(view, index)
                    let conditions = Int(outcome.condition) - Int(compiled.conditions.start)
                    looks.append(
                        Explanation.Look(
                            layer: layer, level: level, policy: place, policyName: policy.name,
                            statement: Int(compiled.source), sid: statement.sid, effect: statement.effect,
                            outcome: StatementText(statement: statement, compiled: compiled).outcome(
                                outcome, context, &evaluation, view),
                            progress: Int(outcome.element.rawValue) + (outcome.element == .condition ? conditions : 0)))
                    if evaluation.isExhausted { break }
                }
                return looks.sorted { $0.statement < $1.statement }
            }
        }
    }

    /// The refusal in AWS's words, or `nil` for an allow.
    private static func denialMessage(_ context: RequestContext, _ decision: Decision) -> String? {
        if decision.isAllowed { return nil }
        func text(_ text: ContextText) -> String { String(decoding: text.buffer, as: UTF8.self) }
        let principal = context.principal
        let who =
            switch principal.kind {
            case .anonymous: "anonymous"
            case .service: text(principal.service)
            default: text(principal.arn)
            }
        return decision.message(
            user: who, action: text(context.action), resource: text(context.resource.arn))
    }
}

/// Turns numbers of a compiled statement back into what was written.
private struct StatementText {
    let statement: Statement
    let compiled: CompiledStatement

    func outcome(
        _ outcome: StatementOutcome, _ context: RequestContext, _ evaluation: inout PolicyEvaluation, _ view: PolicyView
    ) -> Explanation.Outcome {
        func text(_ text: ContextText) -> String { String(decoding: text.buffer, as: UTF8.self) }
        switch outcome.element {
        case .matched: return .matched
        case .budget: return .abandoned
        case .principal:
            let principal = context.principal
            let got = principal.kind == .service ? principal.service : principal.arn
            return .failed(
                element: name("Principal", statement.principal?.isNegated), comparison: nil, key: nil,
                wanted: statement.principal?.patterns.map(\.description) ?? [],
                got: [principal.kind == .anonymous ? "anonymous" : text(got)])
        case .action:
            return .failed(
                element: name("Action", statement.action.isNegated), comparison: nil, key: nil,
                wanted: statement.action.patterns, got: [text(context.action)])
        case .resource:
            return .failed(
                element: name("Resource", statement.resource?.isNegated), comparison: nil, key: nil,
                wanted: statement.resource?.patterns ?? [], got: [text(context.resource.arn)])
        case .condition:
            let index = Int(outcome.condition) - Int(compiled.conditions.start)
            let condition = PolicyCompiler.cheapestFirst(statement.conditions)[index]
            let slot = evaluation.slot(view, view.conditions[Int(outcome.condition)].key)
            let got: [String]? =
                switch slot.state {
                case .absent: nil
                case .unknown: ["not known now"]
                case .present: (0..<slot.count).map { text(slot[$0]) }
                }
            return .failed(
                element: "Condition", comparison: condition.comparison.description, key: condition.key,
                wanted: condition.values, got: got)
        }
    }

    private func name(_ element: String, _ isNegated: Bool?) -> String {
        isNegated == true ? "Not" + element : element
    }
}

extension PrincipalElement.Pattern: CustomStringConvertible {
    package var description: String {
        switch self {
        case .anyone: "*"
        case .account(let account): account.description
        case .arn(let text), .service(let text), .federated(let text), .canonicalUser(let text): text
        }
    }
}

extension Explanation.Look {
    /// One line: `bus policy statement 2 (Sid) Deny: matched`.
    package var description: String {
        let place = policyName.isEmpty ? "\(layer.text) \(policy)" : "\(layer.text) `\(policyName)`"
        let name = "\(place) statement \(statement)" + (sid.map { " (\($0))" } ?? "") + " \(effect.rawValue)"
        switch outcome {
        case .matched: return name + ": matched"
        case .abandoned: return name + ": abandoned, the step budget is used up"
        case .failed(let element, let comparison, let key, let wanted, let got):
            let what = [element, comparison, key].compactMap { $0 }.joined(separator: " ")
            let values = wanted.prefix(8).map { "`\($0)`" }.joined(separator: ", ") + (wanted.count > 8 ? ", …" : "")
            let found = got.map { $0.map { "`\($0)`" }.joined(separator: ", ") } ?? "absent"
            return name + ": \(what) wanted \(values), got \(found)"
        }
    }
}

extension Decision.Layer {
    /// The layer's name in reasons.
    package var text: String {
        switch self {
        case .resourceControl: "resource control policy"
        case .serviceControl: "service control policy"
        case .endpoint: "endpoint policy"
        case .resource: "resource policy"
        case .identity: "identity policy"
        case .permissionsBoundary: "permissions boundary"
        case .session: "session policy"
        }
    }
}
