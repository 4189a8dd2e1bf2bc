package import AccessPolicy
package import Domain

/// Asks the policies: one object for each event loop, refilled for each request.
///
/// Call `begin` for a request, then ask once for each of its entries. Not `Sendable`: confined to its loop.
package final class Authorization {
    let context = RequestContext()
    private var facts: CallerFacts?
    private(set) var now = Timestamp(milliseconds: 0)

    package init() {}

    /// Begins the questions of one request. `userAgent` is its `User-Agent` field.
    package func begin(_ facts: CallerFacts, action: StaticString, now: Timestamp, userAgent: Bytes? = nil) {
        prepare(facts, now)
        context.beginRequest(action: action)
        context.setTime(now)
        context.setUserAgent(userAgent)
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

    func decide(_ resource: ResourceFacts, _ layers: PolicyLayers, _ entry: Entry) -> Decision {
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
        _ facts: CallerFacts, action: String, resource: ResourceFacts, policy: CompiledPolicy?, tags: TagFacts,
        now: Timestamp, userAgent: Bytes? = nil
    ) -> Decision {
        prepare(facts, now)
        context.beginRequest(action: action, tags.keys)
        context.setTime(now)
        context.setUserAgent(userAgent)
        context.setResource(resource)
        let placement = resource.account.map { facts.organizations.placement(of: $0) } ?? facts.placement
        return Authorizer.decide(context, layers(policy, placement))
    }

    /// Whether the caller may assume a role, or set a part of its session: `sts:AssumeRole`, `sts:TagSession` or
    /// `sts:SetSourceIdentity`. A role that nobody may assume is answered as one that does not exist.
    ///
    /// - Parameter keys: what the call states, such as `sts:ExternalId`.
    package func decide(
        _ facts: CallerFacts, action: String, assuming role: Principal, in snapshot: Snapshot, keys: ContextFacts,
        now: Timestamp, userAgent: Bytes?
    ) -> Decision {
        prepare(facts, now)
        context.beginRequest(action: action, keys)
        context.setTime(now)
        context.setUserAgent(userAgent)
        context.setResource(
            ResourceFacts(
                arn: role.arn, account: role.account,
                organization: facts.organizations.placement(of: role.account).fact(at: now),
                tags: (snapshot.members[role.arn]?.tags ?? []).map { (key: $0.key, value: $0.value) }))
        return Authorizer.decide(context, layers(assuming: role, in: snapshot))
    }

    func layers(assuming role: Principal, in snapshot: Snapshot) -> PolicyLayers {
        var layers = layers(
            snapshot.assumableRole(role.arn)?.trust, snapshot.organizations.placement(of: role.account))
        layers.isRoleTrust = true
        return layers
    }

    func prepare(_ facts: CallerFacts, _ now: Timestamp) {
        self.now = now
        // Another object once the manifest has expired, also on a connection that is kept open.
        context.setPrincipal(facts.principal(at: now))
        guard self.facts !== facts else { return }
        self.facts = facts
        context.setConnection(facts.connection)
    }

    var caller: CallerFacts {
        guard let facts else { preconditionFailure("a decision needs a caller") }
        return facts
    }

    /// - Parameter placement: of the account that owns the resource.
    func layers(_ policy: CompiledPolicy?, _ placement: OrganizationPlacement) -> PolicyLayers {
        let facts = caller
        return PolicyLayers(
            resource: policy, principal: facts.policies, endpoint: facts.endpoint,
            serviceControl: facts.placement.serviceControl, resourceControl: placement.resourceControl)
    }
}
