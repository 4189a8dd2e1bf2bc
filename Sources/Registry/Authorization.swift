package import AccessPolicy
package import Domain

/// Asks the policies: one object for each event loop, refilled for each request.
///
/// Call `begin` for a request, then ask once for each of its entries. Not `Sendable`: confined to its loop.
package final class Authorization {
    private let context = RequestContext()
    private var facts: CallerFacts?
    private var now = Timestamp(milliseconds: 0)

    package init() {}

    /// Begins the questions of one request.
    package func begin(_ facts: CallerFacts, action: StaticString, now: Timestamp) {
        prepare(facts, now)
        context.beginRequest(action: action)
        context.setTime(now)
    }

    /// Whether `entry` may stand on `bus`.
    package func decide(_ entry: Entry, on bus: EventBus) -> Decision {
        decide(bus.resource(at: now), layers(bus.policy, bus.placement), entry)
    }

    /// The same question about a resource of `account` that has no policy, or does not exist.
    package func decide(_ entry: Entry, onMissing arn: String, of account: AccountID) -> Decision {
        let placement = caller.organizations.placement(of: account)
        let resource = ResourceFacts(arn: arn, account: account, organization: placement.fact(at: now))
        return decide(resource, layers(nil, placement), entry)
    }

    private func decide(_ resource: ResourceFacts, _ layers: PolicyLayers, _ entry: Entry) -> Decision {
        context.setResource(resource)
        return entry.source.withUnsafeBufferPointer { source in
            entry.detailType.withUnsafeBufferPointer { detailType in
                context.set(.eventsSource, borrowing: source)
                context.set(.eventsDetailType, borrowing: detailType)
                defer {
                    context.clear(.eventsSource)
                    context.clear(.eventsDetailType)
                }
                return Authorizer.decide(context, layers)
            }
        }
    }

    /// Whether a call of the control plane is allowed. `policy` is that of the resource, when it exists and has one.
    package func decide(
        _ facts: CallerFacts, action: String, resource: ResourceFacts, policy: CompiledPolicy?, requestTags: [Tag],
        now: Timestamp
    ) -> Decision {
        prepare(facts, now)
        var keys = ContextFacts()
        for tag in requestTags { keys.set(ContextKeyName("aws:RequestTag/\(tag.key)"), [tag.value]) }
        if !requestTags.isEmpty { keys.set(.known(.tagKeys), requestTags.map(\.key)) }
        context.beginRequest(action: action, keys)
        context.setTime(now)
        context.setResource(resource)
        let placement = resource.account.map { facts.organizations.placement(of: $0) } ?? facts.placement
        return Authorizer.decide(context, layers(policy, placement))
    }

    private func prepare(_ facts: CallerFacts, _ now: Timestamp) {
        self.now = now
        // Another object once the manifest has expired, also on a connection that is kept open.
        context.setPrincipal(facts.principal(at: now))
        guard self.facts !== facts else { return }
        self.facts = facts
        context.setConnection(facts.connection)
    }

    private var caller: CallerFacts {
        guard let facts else { preconditionFailure("a decision needs a caller") }
        return facts
    }

    /// - Parameter placement: of the account that owns the resource.
    private func layers(_ policy: CompiledPolicy?, _ placement: OrganizationPlacement) -> PolicyLayers {
        let facts = caller
        return PolicyLayers(
            resource: policy, principal: facts.policies, endpoint: facts.endpoint,
            serviceControl: facts.placement.serviceControl, resourceControl: placement.resourceControl)
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
