/// What was decided, with the one place that decided it. Holds no text: `Authorizer.explain` gives the reasons.
package struct Decision: Equatable, Sendable {
    package enum Effect: String, Sendable {
        case allow
        /// A `Deny` statement matched.
        case explicitDeny
        /// Nothing allows it.
        case implicitDeny
    }

    /// The kinds of policy in the order they are reported. Source: POLICY 1.
    package enum Layer: UInt8, CaseIterable, Sendable {
        case resourceControl, serviceControl, endpoint, resource, identity, permissionsBoundary, session
    }

    /// Who has to act for the answer to change. Source: POLICY 4.
    package enum Side: String, CaseIterable, Sendable {
        case senderIdentity = "sender identity"
        case busPolicy = "bus policy"
        case controlPolicy = "control policy"
        case endpoint
        case region
        case binding
        case quota
        case contract
    }

    package var effect: Effect
    package var layer: Layer
    /// The level of a control policy's organization path, from the root; 0 otherwise.
    package var level = 0
    /// The policy within its layer and level that matched, or -1.
    package var policy = -1
    /// The statement of that policy that matched, from 0 as the document has it, or -1.
    package var statement = -1
    /// The principal's own side is another gateway's to decide.
    package var isOwnSideElsewhere = false
    /// Deciding cost more than `PolicyLimits.stepsPerDecision`; the answer is a deny and worth an alarm.
    package var isBudgetExceeded = false
    /// Comparisons and bytes looked at.
    package var steps = 0

    package var isAllowed: Bool { effect == .allow }

    package var side: Side {
        switch layer {
        case .resourceControl, .serviceControl: .controlPolicy
        case .endpoint: .endpoint
        case .resource: .busPolicy
        case .identity, .permissionsBoundary, .session: .senderIdentity
        }
    }
}

/// What a principal's own account says of it.
package final class PrincipalPolicies: Sendable {
    /// Attached to it and to its groups.
    package let identity: [CompiledPolicy]
    /// Any of these has to allow; empty when there is no boundary.
    package let boundaries: [CompiledPolicy]
    /// Any of these has to allow; empty when the session has none.
    package let session: [CompiledPolicy]

    package init(
        identity: [CompiledPolicy], boundaries: [CompiledPolicy] = [], session: [CompiledPolicy] = []
    ) {
        self.identity = identity
        self.boundaries = boundaries
        self.session = session
    }

    /// No policies: nothing is allowed by the principal's own side.
    package static let none = PrincipalPolicies(identity: [])
}

/// The policies one decision passes. Source: POLICY 1.
package struct PolicyLayers: Sendable {
    /// Of the resource's organization path: every level has to allow. Empty when none applies.
    package var resourceControl: [[CompiledPolicy]]
    /// Of the principal's organization path: every level has to allow. Empty when its organization is not on the
    /// manifest.
    package var serviceControl: [[CompiledPolicy]]
    /// Of the listener: any of these has to allow; empty when it has none.
    package var endpoint: [CompiledPolicy]
    /// Of the bus, archive, schema registry, key or queue.
    package var resource: CompiledPolicy?
    /// Whether `resource` is a role's trust policy: it has to allow within its account too, and where it only names the
    /// account, that hands the question on to the caller's identity policies.
    package var isRoleTrust = false
    /// `nil` when the principal's account is not local: its own side was or will be evaluated elsewhere.
    package var principal: PrincipalPolicies?

    package init(
        resource: CompiledPolicy? = nil, principal: PrincipalPolicies? = nil, endpoint: [CompiledPolicy] = [],
        serviceControl: [[CompiledPolicy]] = [], resourceControl: [[CompiledPolicy]] = []
    ) {
        self.resource = resource
        self.principal = principal
        self.endpoint = endpoint
        self.serviceControl = serviceControl
        self.resourceControl = resourceControl
    }
}
