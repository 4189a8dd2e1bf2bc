import ArgumentParser
import Domain
import JSON
import Registry

/// `isthmus region`: what may leave the gateway's region.
struct Region: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what may leave the gateway's region.", subcommands: [Report.self])

    /// `isthmus region report`.
    struct Report: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the ways out of the region, what policies say of each, and how many events have crossed.",
            discussion: """
                A way is allowed when the policies in force let its carrier do `isthmus:CrossRegion` on the bus, with \
                `aws:RequestedRegion` the region it leads to. Events do not cross yet, whatever is allowed.
                """)

        @OptionGroup var gateway: ControlOption
        @Flag(help: "Print the answer as JSON.") var json = false

        func run() throws {
            let answer = try gateway.ask(ControlRequests.regionReport()).answer()
            if json { return Output.line(answer.bytes) }
            let routes = answer.node["routes"]?.array ?? []
            let region = Printable.line(try answer.text("region"))
            Output.line("region \(region): \(answer.node["crossings"]?.uint64 ?? 0) events have left it")
            if routes.isEmpty { Output.line("no way out of it is configured (`crossRegionRoutes`)") }
            for route in routes { Output.line(Printable.line(Self.describe(route))) }
            if !routes.isEmpty { Output.line(CrossRegionRoute.nothingCrosses) }
        }

        private static func describe(_ route: JSONNode) -> String {
            func text(_ key: String) -> String { route[key]?.string ?? "" }
            let rule = route["rule"]?.string.map { " rule \($0)" } ?? ""
            let reason = route["reason"]?.string.map { ": \($0)" } ?? ""
            return "\(text("account")) \(text("bus"))\(rule) to \(text("to")) through \(text("through")) as "
                + "\(text("as")): \(route["crossings"]?.uint64 ?? 0) events, \(text("decision"))\(reason)"
        }
    }
}

extension CrossRegionRoute {
    /// What whoever reads about routes must know.
    static let nothingCrosses = "events do not cross regions yet: what a route allows is not carried out"
}
