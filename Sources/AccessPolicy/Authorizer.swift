/// Decides whether a request is allowed, as IAM does.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
package enum Authorizer {
    /// Decides on what `context` holds. The same question has the same answer; nothing is allocated, unless a text
    /// that is not ASCII is compared without case or a number has more than fifteen digits.
    ///
    /// - Cost: grows with the statements whose principal, action and resource match; bounded by
    ///   `PolicyLimits.stepsPerDecision`.
    package static func decide(_ context: RequestContext, _ layers: PolicyLayers) -> Decision {
        context.named.withUnsafeBufferPointer { named in
            var run = DecisionRun(
                evaluation: PolicyEvaluation(
                    context, named: named, hasBoundary: layers.principal?.boundaries.isEmpty == false))
            var decision = run.decide(layers)
            if run.evaluation.isExhausted {
                decision.effect = .implicitDeny
                decision.isBudgetExceeded = true
            }
            decision.steps = PolicyLimits.stepsPerDecision - run.evaluation.steps
            return decision
        }
    }
}

/// One decision under way, layer by layer.
private struct DecisionRun {
    var evaluation: PolicyEvaluation
    /// Where the last match was.
    var found = (level: 0, policy: -1, statement: -1)

    init(evaluation: PolicyEvaluation) { self.evaluation = evaluation }

    mutating func decide(_ layers: PolicyLayers) -> Decision {
        if let denied = explicitDeny(layers) { return denied }
        if let denied = missingControl(layers) { return denied }
        let kind = evaluation.principal.kind
        let resourceAccount = evaluation.resource.account
        if kind == .anonymous || kind == .service { return resourceAlone(layers) }
        if layers.isRoleTrust { return assumption(layers) }
        let isSameAccount = resourceAccount == .max || resourceAccount == evaluation.principal.account
        return isSameAccount ? sameAccount(layers) : crossAccount(layers)
    }

    /// A `Deny` anywhere wins.
    private mutating func explicitDeny(_ layers: PolicyLayers) -> Decision? {
        for (level, policies) in layers.resourceControl.enumerated() where denies(policies, level: level) {
            return matched(.explicitDeny, .resourceControl)
        }
        if isLimitedByServiceControl {
            for (level, policies) in layers.serviceControl.enumerated() where denies(policies, level: level) {
                return matched(.explicitDeny, .serviceControl)
            }
        }
        if denies(layers.endpoint) { return matched(.explicitDeny, .endpoint) }
        if let policy = layers.resource, search(policy, deny: true) {
            found = (0, 0, found.statement)
            return matched(.explicitDeny, .resource)
        }
        guard let own = layers.principal else { return nil }
        if denies(own.identity) { return matched(.explicitDeny, .identity) }
        if denies(own.boundaries) { return matched(.explicitDeny, .permissionsBoundary) }
        if denies(own.session) { return matched(.explicitDeny, .session) }
        return nil
    }

    /// Service control policies are for the principals of accounts. Source:
    /// docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html
    private var isLimitedByServiceControl: Bool {
        evaluation.principal.kind != .anonymous && evaluation.principal.kind != .service
    }

    /// Control and endpoint policies grant nothing, yet each level has to allow.
    private mutating func missingControl(_ layers: PolicyLayers) -> Decision? {
        for (level, policies) in layers.resourceControl.enumerated() where !allows(policies) {
            return missing(.resourceControl, level: level)
        }
        if isLimitedByServiceControl {
            for (level, policies) in layers.serviceControl.enumerated() where !allows(policies) {
                return missing(.serviceControl, level: level)
            }
        }
        if !layers.endpoint.isEmpty, !allows(layers.endpoint) { return missing(.endpoint) }
        return nil
    }

    private mutating func resourceAlone(_ layers: PolicyLayers) -> Decision {
        resourceAllows(layers) ? matched(.allow, .resource) : missing(.resource)
    }

    /// Either side suffices, within boundary and session policy.
    ///
    /// A resource policy that names the user or the session itself is not limited by what boundary and session policy
    /// leave out; one that names the role, the account or everyone is. Source:
    /// docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
    private mutating func sameAccount(_ layers: PolicyLayers) -> Decision {
        guard let own = layers.principal else {
            guard resourceAllows(layers) else { return missing(.resource, isElsewhere: true) }
            return matched(.allow, .resource, isElsewhere: true)
        }
        var granting: Decision.Layer?
        var place = found
        if resourceAllows(layers) {
            granting = .resource
            place = found
        } else if identityAllows(own) {
            granting = .identity
            place = found
        }
        guard let granting else { return missing(.identity) }
        guard let limit = missingLimit(own) else {
            found = place
            return matched(.allow, granting)
        }
        if granting == .resource, resourceAllows(layers, naming: .caller) { return matched(.allow, .resource) }
        return limit
    }

    /// Both sides have to allow.
    private mutating func crossAccount(_ layers: PolicyLayers) -> Decision {
        guard resourceAllows(layers) else { return missing(.resource, isElsewhere: layers.principal == nil) }
        let place = found
        guard let own = layers.principal else { return matched(.allow, .resource, isElsewhere: true) }
        guard identityAllows(own) else { return missing(.identity) }
        if let limit = missingLimit(own) { return limit }
        found = place
        return matched(.allow, .resource)
    }

    /// A role is assumed when its trust policy allows, and the caller's own side does.
    ///
    /// Within the account a trust policy that names the caller, its role or everyone answers for the identity policies
    /// too. Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html and
    /// docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    private mutating func assumption(_ layers: PolicyLayers) -> Decision {
        guard resourceAllows(layers) else { return missing(.resource, isElsewhere: layers.principal == nil) }
        let place = found
        guard let own = layers.principal else { return matched(.allow, .resource, isElsewhere: true) }
        let isSameAccount = evaluation.resource.account == evaluation.principal.account
        if !identityAllows(own) {
            guard isSameAccount, resourceAllows(layers, naming: .callerOrRole) else { return missing(.identity) }
        }
        if let limit = missingLimit(own) {
            guard isSameAccount, resourceAllows(layers, naming: .caller) else { return limit }
        }
        found = place
        return matched(.allow, .resource)
    }

    private mutating func missingLimit(_ own: PrincipalPolicies) -> Decision? {
        if !own.boundaries.isEmpty, !allows(own.boundaries) { return missing(.permissionsBoundary) }
        if !own.session.isEmpty, !allows(own.session) { return missing(.session) }
        return nil
    }

    private mutating func identityAllows(_ own: PrincipalPolicies) -> Bool {
        if evaluation.principal.kind == .root {
            found = (0, -1, -1)
            return true
        }
        return allows(own.identity)
    }

    private mutating func resourceAllows(
        _ layers: PolicyLayers, naming: PolicyEvaluation.Naming = .anyone
    ) -> Bool {
        guard let policy = layers.resource, search(policy, deny: false, naming: naming) else { return false }
        found = (0, 0, found.statement)
        return true
    }

    private mutating func denies(_ policies: [CompiledPolicy], level: Int = 0) -> Bool {
        for index in policies.indices where search(policies[index], deny: true) {
            found = (level, index, found.statement)
            return true
        }
        return false
    }

    private mutating func allows(_ policies: [CompiledPolicy]) -> Bool {
        for index in policies.indices where search(policies[index], deny: false) {
            found = (0, index, found.statement)
            return true
        }
        return false
    }

    private mutating func search(
        _ policy: CompiledPolicy, deny: Bool, naming: PolicyEvaluation.Naming = .anyone
    ) -> Bool {
        if deny ? policy.firstAllow == 0 : policy.firstAllow == policy.statements.count { return false }
        let index = policy.withView {
            evaluation.firstMatch($0, deny: deny, firstAllow: policy.firstAllow, naming: naming)
        }
        guard index >= 0 else { return false }
        found.statement = Int(policy.statements[index].source)
        return true
    }

    private func matched(_ effect: Decision.Effect, _ layer: Decision.Layer, isElsewhere: Bool = false) -> Decision {
        Decision(
            effect: effect, layer: layer, level: found.level, policy: found.policy, statement: found.statement,
            isOwnSideElsewhere: isElsewhere)
    }

    private func missing(_ layer: Decision.Layer, level: Int = 0, isElsewhere: Bool = false) -> Decision {
        Decision(effect: .implicitDeny, layer: layer, level: level, isOwnSideElsewhere: isElsewhere)
    }
}
