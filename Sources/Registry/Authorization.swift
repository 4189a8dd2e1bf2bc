package import AccessPolicy
package import Domain

/// Asks the policies: one object for each event loop, refilled for each request.
///
/// Call `begin` for a request, then ask once for each of its entries. Not `Sendable`: confined to its loop.
package final class Authorization {
    private let context = RequestContext()
    private var facts: CallerFacts?

    package init() {}

    /// Begins the questions of one request.
    package func begin(_ facts: CallerFacts, action: StaticString, now: Timestamp) {
        prepare(facts)
        context.beginRequest(action: action)
        context.setTime(now)
    }

    /// Whether `entry` may stand on `bus`.
    package func decide(_ entry: Entry, on bus: EventBus) -> Decision {
        decide(resource: bus.resource, policy: bus.policy, entry)
    }

    /// The same question about a resource that has no policy, or does not exist.
    package func decide(_ entry: Entry, on resource: ResourceFacts) -> Decision {
        decide(resource: resource, policy: nil, entry)
    }

    private func decide(resource: ResourceFacts, policy: CompiledPolicy?, _ entry: Entry) -> Decision {
        context.setResource(resource)
        return entry.source.withUnsafeBufferPointer { source in
            entry.detailType.withUnsafeBufferPointer { detailType in
                context.set(.eventsSource, borrowing: source)
                context.set(.eventsDetailType, borrowing: detailType)
                defer {
                    context.clear(.eventsSource)
                    context.clear(.eventsDetailType)
                }
                return Authorizer.decide(context, layers(policy))
            }
        }
    }

    /// Whether a call of the control plane is allowed. `policy` is that of the resource, when it exists and has one.
    package func decide(
        _ facts: CallerFacts, action: String, resource: ResourceFacts, policy: CompiledPolicy?, requestTags: [Tag],
        now: Timestamp
    ) -> Decision {
        prepare(facts)
        var keys = ContextFacts()
        for tag in requestTags { keys.set(ContextKeyName("aws:RequestTag/\(tag.key)"), [tag.value]) }
        if !requestTags.isEmpty { keys.set(.known(.tagKeys), requestTags.map(\.key)) }
        context.beginRequest(action: action, keys)
        context.setTime(now)
        context.setResource(resource)
        return Authorizer.decide(context, layers(policy))
    }

    private func prepare(_ facts: CallerFacts) {
        guard self.facts !== facts else { return }
        self.facts = facts
        context.setPrincipal(facts.principal)
        context.setConnection(facts.connection)
    }

    private func layers(_ policy: CompiledPolicy?) -> PolicyLayers {
        guard let facts else { preconditionFailure("a decision needs a caller") }
        return PolicyLayers(resource: policy, principal: facts.policies, endpoint: facts.endpoint)
    }
}

extension Decision {
    /// AWS's words for a denial, without a decision id.
    ///
    /// Source: docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    package func message(user: String, action: String, resource: String) -> String {
        let start = "User: \(user) is not authorized to perform: \(action) on resource: \(resource)"
        switch effect {
        case .allow: return start
        case .explicitDeny: return "\(start) with an explicit deny in \(layer.article) \(layer.policyName)"
        case .implicitDeny: return "\(start) because no \(layer.policyName) allows the \(action) action"
        }
    }
}

extension Decision.Layer {
    fileprivate var policyName: String {
        switch self {
        case .resourceControl: "resource control policy"
        case .serviceControl: "service control policy"
        case .endpoint: "VPC endpoint policy"
        case .resource: "resource-based policy"
        case .identity: "identity-based policy"
        case .permissionsBoundary: "permissions boundary"
        case .session: "session policy"
        }
    }

    fileprivate var article: String { self == .identity ? "an" : "a" }
}
