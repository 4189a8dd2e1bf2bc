import AccessPolicy
package import Domain

/// A way by which events of a bus may be let into another region, as the configuration names it.
///
/// Nothing crosses yet: this gateway only says which ways its policies would allow.
/// Source: FEDERATION 5.
package struct CrossRegionRoute: Hashable, Sendable {
    /// What policies must allow on the bus. `aws:RequestedRegion` is the region that the route leads to.
    package static let action = "isthmus:CrossRegion"

    /// The bus that events come from, of a local account.
    package let bus: EventBusID
    /// The rule that picks them; nil is every event of the bus.
    package let rule: String?
    /// Where they would go: not this gateway's region.
    package let region: String
    /// The gateway there, by the name of the peer.
    package let peer: String
    /// Who would carry them: a principal of the bus's account.
    package let carrier: Principal

    package init(bus: EventBusID, rule: String?, region: String, peer: String, carrier: Principal) {
        self.bus = bus
        self.rule = rule
        self.region = region
        self.peer = peer
        self.carrier = carrier
    }

    /// What the policies of the bus's account say of a route.
    package enum Verdict: Equatable, Sendable {
        case allowed
        /// With AWS's words for it.
        case denied(String)
        /// There is no such bus.
        case noBus

        /// One word or two for reports.
        package var name: String {
            switch self {
            case .allowed: "allowed"
            case .denied: "denied"
            case .noBus: "no such bus"
            }
        }
    }
}

extension Snapshot {
    /// Whether the policies in force let the route's carrier take events of its bus to the route's region: within an
    /// account the bus's policy or the carrier's own must allow, and a denial of either, or of a control policy, wins.
    package func decide(_ route: CrossRegionRoute, at now: Timestamp) -> CrossRegionRoute.Verdict {
        guard let bus = bus(route.bus) else { return .noBus }
        let placement = organizations.placement(of: route.bus.account)
        var connection = ContextFacts()
        connection.set(.requestedRegion, route.region)
        connection.set(.secureTransport, "true")
        let context = RequestContext()
        let member = members[route.carrier.arn]
        let tags = (member?.tags ?? []).map { (key: $0.key, value: $0.value) }
        context.setPrincipal(
            PrincipalFacts(route.carrier, organization: placement.fact(at: now), tags: tags))
        context.setConnection(connection)
        context.beginRequest(action: CrossRegionRoute.action)
        context.setTime(now)
        context.setResource(bus.resource(at: now))
        let decision = Authorizer.decide(
            context,
            PolicyLayers(
                resource: bus.policy, principal: member?.policies ?? PrincipalPolicies.none,
                serviceControl: placement.serviceControl, resourceControl: placement.resourceControl))
        guard !decision.isAllowed else { return .allowed }
        return .denied(
            decision.message(user: route.carrier.arn, action: CrossRegionRoute.action, resource: bus.arn))
    }
}
