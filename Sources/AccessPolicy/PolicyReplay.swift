import Domain

/// Asks recorded decisions again, with another policy on the resource.
///
/// Everything but the resource policy is taken as it was: the caller, the context, and what the other layers said.
/// Source: POLICY 6
package struct PolicyReplay: Sendable {
    package enum Outcome: Equatable, Sendable {
        /// Denied then, allowed by the candidate.
        case allowedNow
        /// Allowed then, denied by the candidate.
        case deniedNow
        case unchanged
        /// Why it cannot be said.
        case undecidable(String)
    }

    private let candidate: CompiledPolicy
    /// The candidate's text in lower case, for the names of keys in conditions and variables.
    private let text: String
    package let resource: String

    /// - Parameters:
    ///   - candidate: the policy that would replace the one of `resource`.
    ///   - text: what `candidate` was read from.
    package init(_ candidate: CompiledPolicy, text: String, resource: String) {
        self.candidate = candidate
        self.text = lowercased(text)
        self.resource = resource
    }

    /// What would have become of a recorded decision. The same evaluator as the gateway's decides.
    package func outcome(of record: DecisionRecord) -> Outcome {
        guard record.question.resource == resource else { return .undecidable("it is about another resource") }
        // Region, binding, quota and contract come before every policy, and none overrides them.
        guard let reasons = record.reasons else { return .unchanged }
        let sources = record.question.keys.first { $0.name == ContextKey.eventsSource.name }?.values ?? []
        if sources.contains(where: { $0.hasPrefix("aws.partner/") }) {
            return .undecidable("a partner's entry stands on its binding; the policy of the bus can only deny it")
        }
        guard record.resourceExists else { return .undecidable("the resource did not exist then") }
        guard !reasons.isBudgetExceeded else {
            return .undecidable("deciding cost more than the step budget, so what each layer said is not known")
        }
        if let key = record.cutKeys.first(where: { text.contains(lowercased($0)) }) {
            return .undecidable("the candidate asks for `\(key)`, of which the record has only a part")
        }
        let context = RequestContext(record.question)
        let decision = Authorizer.decide(context, reasons.verdicts.layers(around: candidate))
        if decision.isBudgetExceeded { return .undecidable("the candidate takes more than the step budget") }
        switch (record.effect == .allow, decision.isAllowed) {
        case (true, true), (false, false): return .unchanged
        case (false, true): return .allowedNow
        case (true, false): return .deniedNow
        }
    }

    /// The one resource that the statements of a policy name without a wildcard; `nil` when they name none or several.
    package static func resource(of document: PolicyDocument) -> String? {
        let named = Set(document.statements.flatMap { $0.resource?.patterns ?? [] })
        guard named.count == 1, let only = named.first, !only.contains("*"), !only.contains("?"), !only.contains("$")
        else { return nil }
        return only
    }
}
