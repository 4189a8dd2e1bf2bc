import Domain
import Registry
import Testing

@testable import isthmus

@Suite struct EdgeReadingTests {
    private static let route =
        "\ncrossRegionRoutes:\n  - from: {account: \"444455556666\", bus: orders, rule: to-dublin}\n    to: eu-west-1\n"
        + "    through: dublin\n    as: role/publisher"

    private func fixture(_ text: String = "", replacing old: String = "", with new: String = "") throws
        -> ConfigurationFixture
    {
        var fixture = try ConfigurationFixture()
        fixture["etc/isthmus.yaml"] += text
        if !old.isEmpty { fixture.replace(old, new) }
        return fixture
    }

    @Test("a listener's load balancers and its word on replays are read, printed and read back alike")
    func listener() throws {
        let plain = try fixture().load().configuration.listeners[0]
        #expect(plain.proxies == nil && plain.replay == .serve)
        var fixture = try fixture(
            replacing: "networks: [127.0.0.0/8]",
            with: "networks: [127.0.0.0/8]\n    proxyProtocol: {from: [10.0.9.0/24, \"fd00::/8\"]}\n    replay: refuse")
        let listener = try fixture.load().configuration.listeners[0]
        #expect(listener.proxies?.map(\.description) == ["10.0.9.0/24", "fd00::/8"])
        #expect(listener.replay == .refuse)
        let text = try fixture.load().configuration.effective
        #expect(text.contains("    proxyProtocol:\n      from: [\"10.0.9.0/24\", \"fd00::/8\"]\n    replay: \"refuse\""))
        fixture["etc/isthmus.yaml"] = text.replacing("\"etc/", with: "\"") + "\naccounts: accounts/*.yaml\n"
        #expect(try fixture.load().configuration.effective == text)
    }

    @Test("a listener's mistakes are said with what to write", arguments: [
        (
            "proxyProtocol: {from: [0.0.0.0/0]}",
            "11: `listeners[0].proxyProtocol.from` is every address: anyone could say to be anyone: name the load "
                + "balancers' own networks"
        ),
        (
            "proxyProtocol: {from: [10.0.9.1/24]}",
            "11: `10.0.9.1/24` is not a network: write one such as `10.0.0.0/8`, with zeros behind the prefix"
        ),
        (
            "proxyProtocol: {from: []}",
            "11: `listeners[0].proxyProtocol.from` is empty: nobody could connect: name a network or remove the key"
        ),
        ("proxyProtocol: {}", "11: `from` is missing in `listeners[0].proxyProtocol`: write `from: [10.0.0.0/24]`"),
        (
            "proxyProtocol: true",
            "11: `listeners[0].proxyProtocol` must be a mapping, found the boolean `true`: write keys such as `from`"
        ),
        ("replay: never", "11: `listeners[0].replay` cannot be `never`: write `serve` or `refuse`"),
    ])
    func listenerMistake(text: String, complaint: String) throws {
        let fixture = try fixture(replacing: "networks: [127.0.0.0/8]", with: text)
        #expect(fixture.complaints() == ["etc/isthmus.yaml:" + complaint])
    }

    @Test("a way to another region is read, printed and read back alike, and check says what policies make of it")
    func routes() throws {
        var fixture = try fixture(Self.route)
        let configuration = try fixture.load().configuration
        let account = try #require(AccountID(parsing: "444455556666"))
        let bus = EventBusID(account: account, name: try #require(EventBusName(parsing: Array("orders".utf8))))
        let publisher = Principal(.role, path: "publisher", account: account)
        #expect(
            configuration.crossRegionRoutes == [
                CrossRegionRoute(bus: bus, rule: "to-dublin", region: "eu-west-1", peer: "dublin", carrier: publisher)
            ])
        let lines = try Check.routes(configuration)
        #expect(lines.count == 2)
        #expect(lines[0].hasPrefix("crossRegionRoutes: 444455556666 orders to eu-west-1: denied: User: \(publisher.arn)"))
        #expect(lines[1] == "events do not cross regions yet: what a route allows is not carried out")
        let text = configuration.effective
        fixture["etc/isthmus.yaml"] = text.replacing("\"etc/", with: "\"") + "\naccounts: accounts/*.yaml\n"
        #expect(try fixture.load().configuration.effective == text)
        #expect(try Check.routes(try self.fixture().load().configuration) == [])
    }

    @Test("a route's mistakes are said with what to write", arguments: [
        ("to: eu-west-1", "to: eu-central-1", "24: `crossRegionRoutes[0].to` is this gateway's own region: name another, or remove the route"),
        ("to: eu-west-1", "to: Dublin", "24: `Dublin` is not a region: write one such as `eu-west-1`: letters, digits and hyphens"),
        ("through: dublin", "through: \"a b\"", "25: `crossRegionRoutes[0].through` is `a b`: write 1 to 64 of letters, digits and `.-_`"),
        ("as: role/publisher", "as: role/publsher", "26: `role/publsher` is no principal of account 444455556666: did you mean `role/publisher`?"),
        ("bus: orders, rule", "bus: \"a b\", rule", "23: `crossRegionRoutes[0].from.bus` is `a b`: write 1 to 256 of letters, digits and `/._-`, not beginning with `aws.`"),
        ("{account: \"444455556666\", bus", "{account: \"999999999999\", bus", "23: account 999999999999 is not described: add a file for it to the accounts"),
        ("    through: dublin\n", "", "23: `through` is missing in `crossRegionRoutes[0]`: write `through: dublin`"),
    ])
    func routeMistake(old: String, new: String, complaint: String) throws {
        let fixture = try fixture(Self.route.replacing(old, with: new))
        #expect(fixture.complaints() == ["etc/isthmus.yaml:" + complaint])
    }

    @Test("a route that stands twice is refused")
    func twice() throws {
        let again = Self.route.split(separator: "\n").dropFirst().joined(separator: "\n")
        let complaints = try fixture(Self.route + "\n" + again).complaints()
        #expect(complaints == ["etc/isthmus.yaml:27: `crossRegionRoutes[1]` stands twice: remove one"])
    }
}
