import Domain
import JSON
import Registry

/// `region report`: the ways out of this region, what the policies in force say of each, and what has crossed.
extension ControlVerbs {
    /// Events never leave the region: nothing carries them yet.
    private static let crossings = 0

    func reportRegion() -> [UInt8] {
        let snapshot = services.registry.snapshot
        let now = services.clock.now()
        return Self.line { writer in
            writer.member("region", snapshot.region)
            writer.member("crossings", Self.crossings)
            writer.member("carriesEvents", false)
            writer.key("routes")
            writer.array { writer in
                for route in snapshot.declaration.crossRegionRoutes {
                    writer.object { Self.write(route, snapshot.decide(route, at: now), to: &$0) }
                }
            }
        }
    }

    private static func write(
        _ route: CrossRegionRoute, _ verdict: CrossRegionRoute.Verdict, to writer: inout JSONWriter
    ) {
        writer.member("account", route.bus.account.description)
        writer.member("bus", route.bus.name.description)
        if let rule = route.rule { writer.member("rule", rule) }
        writer.member("to", route.region)
        writer.member("through", route.peer)
        writer.member("as", route.carrier.arn)
        writer.member("decision", verdict.name)
        if case .denied(let reason) = verdict { writer.member("reason", reason) }
        writer.member("crossings", crossings)
    }
}
