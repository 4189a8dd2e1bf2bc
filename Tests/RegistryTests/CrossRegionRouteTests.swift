import AccessPolicy
import Domain
import JSON
import Registry
import TestKit
import Testing

private let allow =
    #"{"Effect":"Allow","Action":"isthmus:CrossRegion","Resource":"*","#
    + #""Condition":{"StringEquals":{"aws:RequestedRegion":"eu-west-1"}}}"#

/// The owner's bus `orders` with a policy of these statements, and its carrier with policies of its own.
private func snapshot(bus: [String], carrier: [String]) throws -> Snapshot {
    var declaration = try Scene.declaration(
        seeds: [
            .init(
                id: Scene.bus("orders"), description: nil, policy: bus.isEmpty ? nil : try document(bus), tags: [])
        ])
    let members = [
        Declaration.Member(
            principal: carrierRole,
            policies: PrincipalPolicies(identity: carrier.isEmpty ? [] : [try Scene.policy(carrier, .identity)]))
    ]
    declaration = Declaration(
        partition: declaration.partition, region: declaration.region,
        accounts: [.init(id: Scene.owner, isLocal: true, principals: members)], trustDomains: [],
        seeds: declaration.seeds, endpoints: [:], quotas: .init())
    return try Scene.snapshot(declaration)
}

private let carrierRole = Principal(.role, path: "carrier", account: Scene.owner)

private func document(_ statements: [String]) throws -> JSONNode {
    try JSONNode(parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#)
}

private func route(to region: String = "eu-west-1", bus: String = "orders") -> CrossRegionRoute {
    CrossRegionRoute(bus: Scene.bus(bus), rule: nil, region: region, peer: "dublin", carrier: carrierRole)
}

private func busStatement(_ effect: String) -> String {
    #"{"Sid":"s","Effect":"\#(effect)","Principal":{"AWS":"\#(carrierRole.arn)"},"Action":"isthmus:CrossRegion","#
        + #""Resource":"\#(Scene.arn("orders"))"}"#
}

@Suite struct CrossRegionRouteTests {
    @Test("a way is allowed by the carrier's policy or the bus's, for the region they name")
    func allowed() throws {
        let byCarrier = try snapshot(bus: [], carrier: [allow])
        #expect(byCarrier.decide(route(), at: SettableClock.start) == .allowed)
        let start = "User: \(carrierRole.arn) is not authorized to perform: isthmus:CrossRegion on resource: "
        #expect(
            byCarrier.decide(route(to: "eu-west-2"), at: SettableClock.start)
                == .denied(
                    "\(start)\(Scene.arn("orders")) because no identity-based policy allows the "
                        + "isthmus:CrossRegion action"))
        let byBus = try snapshot(bus: [busStatement("Allow")], carrier: [])
        #expect(byBus.decide(route(to: "eu-west-2"), at: SettableClock.start) == .allowed)
    }

    @Test("without a policy a way is closed, and a denial closes it whatever allows it")
    func denied() throws {
        let denied = [busStatement("Deny")]
        for (bus, carrier) in [([], []), (denied, [allow]), (denied, [Scene.everything])]
            as [([String], [String])]
        {
            let verdict = try snapshot(bus: bus, carrier: carrier).decide(route(), at: SettableClock.start)
            #expect(verdict.name == "denied")
        }
        let forbidden =
            #"{"Effect":"Deny","Action":"*","Resource":"*","#
            + #""Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-central-1"}}}"#
        let verdict = try snapshot(bus: [], carrier: [allow, forbidden]).decide(route(), at: SettableClock.start)
        guard case .denied(let reason) = verdict else { return #expect(Bool(false)) }
        #expect(reason.hasSuffix("with an explicit deny in an identity-based policy"))
    }

    @Test("who may publish to a bus may not therefore carry from it")
    func publishing() throws {
        let publishes = #"{"Effect":"Allow","Action":"events:*","Resource":"*"}"#
        #expect(try snapshot(bus: [], carrier: [publishes]).decide(route(), at: SettableClock.start).name == "denied")
    }

    @Test("a bus that does not exist is said to be missing")
    func missing() throws {
        #expect(try snapshot(bus: [], carrier: [allow]).decide(route(bus: "nope"), at: SettableClock.start) == .noBus)
    }
}
