import Domain
import Registry

extension ConfigurationLoader {
    /// Routes of one file.
    static let maximumCrossRegionRoutes = 1000

    /// The ways out of the region that policies are asked about.
    func readCrossRegionRoutes(
        _ value: YAMLValue?, region: String?, accounts: [Configuration.Account]?
    ) -> [CrossRegionRoute] {
        guard let value, let elements = value.list() else { return [] }
        guard elements.count <= Self.maximumCrossRegionRoutes else {
            value.error(
                "`\(value.path)` has \(elements.count) routes", "write at most \(Self.maximumCrossRegionRoutes)")
            return []
        }
        var seen: Set<CrossRegionRoute> = []
        return elements.compactMap { element in
            guard let route = readRoute(element, region: region, accounts: accounts ?? []) else { return nil }
            if !seen.insert(route).inserted { element.error("`\(element.path)` stands twice", "remove one") }
            return route
        }
    }

    private func readRoute(
        _ value: YAMLValue, region: String?, accounts: [Configuration.Account]
    ) -> CrossRegionRoute? {
        guard let mapping = value.mapping(["from", "to", "through", "as"]),
            let from = mapping.required("from", "{account: \"444455556666\", bus: orders}")?
                .mapping(["account", "bus", "rule"])
        else { return nil }
        let account = from.required("account", "\"444455556666\"").flatMap { readAccountID($0) }
        let bus = from.required("bus", "orders").flatMap { readBusName($0) }
        let rule = from["rule"].map { readName($0, maximumBytes: 64) }
        let target = mapping.required("to", "eu-west-1").flatMap { readTarget($0, region: region) }
        let peer = mapping.required("through", "dublin").flatMap { readName($0, maximumBytes: 64) }
        guard let account, let bus, let target, let peer, rule != .some(nil), let place = from["account"] else {
            return nil
        }
        guard let owner = checkLocal(account, at: place, accounts: accounts),
            let carrier = mapping.required("as", "role/carrier").flatMap({ readCarrier($0, of: owner) })
        else { return nil }
        return CrossRegionRoute(
            bus: EventBusID(account: account, name: bus), rule: rule ?? nil, region: target, peer: peer,
            carrier: carrier)
    }

    private func readTarget(_ value: YAMLValue, region: String?) -> String? {
        guard let text = value.text() else { return nil }
        guard RegionName.isValid(text) else {
            value.error("`\(text)` is not a region", "write one such as `eu-west-1`: letters, digits and hyphens")
            return nil
        }
        guard text != region else {
            value.error("`\(value.path)` is this gateway's own region", "name another, or remove the route")
            return nil
        }
        return text
    }

    /// The name of a rule or a peer. Source: EventBridge, `RuleName`.
    private func readName(_ value: YAMLValue, maximumBytes: Int) -> String? {
        guard let text = value.text() else { return nil }
        let isValid =
            text.utf8.count <= maximumBytes
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
        if isValid { return text }
        value.error("`\(value.path)` is `\(text)`", "write 1 to \(maximumBytes) of letters, digits and `.-_`")
        return nil
    }

    /// A principal of the bus's account: whose policies must allow the crossing.
    private func readCarrier(_ value: YAMLValue, of account: Configuration.Account) -> Principal? {
        guard let text = value.text() else { return nil }
        let names = account.principals.map { String($0.principal.arn.split(separator: ":", maxSplits: 5).last ?? "") }
        if let index = names.firstIndex(of: text) { return account.principals[index].principal }
        let advice =
            Suggestion.nearest(to: text, among: names).map { "did you mean `\($0)`?" }
            ?? "name one that `\(account.file)` describes, such as `role/carrier`"
        value.error("`\(text)` is no principal of account \(account.id)", advice)
        return nil
    }
}
