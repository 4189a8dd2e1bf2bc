import Domain
import Testing

@testable import AccessPolicy

@Suite("Grants of one side alone")
struct GrantSidesTests {
    static let bus = "arn:aws:events:eu-central-1:222222222222:event-bus/orders"
    static let role = "arn:aws:iam::111111111111:role/publisher"

    static func document(_ statement: String, _ kind: PolicyKind) throws -> PolicyDocument {
        try PolicyDocument(parsing: #"{"Version":"2012-10-17","Statement":[\#(statement)]}"#, kind: kind)
    }

    static func admitting(
        _ principal: String, _ action: String = "events:PutEvents", effect: String = "Allow"
    ) -> String {
        #"{"Effect":"\#(effect)","Principal":{"AWS":"\#(principal)"},"Action":"\#(action)","Resource":"\#(bus)"}"#
    }

    static func own(_ action: String, _ resource: String, effect: String = "Allow") -> String {
        #"{"Effect":"\#(effect)","Action":"\#(action)","Resource":"\#(resource)"}"#
    }

    /// What is said of a bus of account 222222222222 with that policy, and of a role of another account with that one.
    static func said(_ resource: String, _ identity: String?) throws -> [String] {
        let bus = GrantSides.Resource(
            arn: bus, account: AccountID(unchecked: 222_222_222_222), policy: try document(resource, .resource))
        let account = AccountID(unchecked: 111_111_111_111)
        let holder = GrantSides.Holder(
            arn: role, account: account, identity: try identity.map { [try document($0, .identity)] } ?? [])
        var sides = GrantSides(resources: [bus], holders: [holder], accounts: [account])
        return (sides.findings(of: bus) + sides.findings(of: holder)).map(\.description)
    }

    /// Policies of bus and role, and how many warnings they are worth.
    static let cases: [(resource: String, identity: String?, count: Int)] = [
        (admitting(role), own("events:PutEvents", bus), 0), (admitting(role), own("events:Put*", "*"), 0),
        (admitting(role), own("EVENTS:*", "arn:aws:events:*:222222222222:event-bus/*"), 0),
        (admitting("111111111111"), own("*", "*"), 0), (admitting(role, "events:Put*"), own("events:*Events", "*"), 0),
        (admitting(role), own("events:P?tEvents", "arn:aws:events:*:222222222222:event-bus/${aws:username}"), 0),
        // Only the bus says yes.
        (admitting(role), nil, 1), (admitting(role), own("events:DescribeRule", "*"), 1),
        (admitting(role), own("events:PutEvents", bus + "s"), 1),
        (admitting(role), own("events:PutEvents", bus, effect: "Deny"), 1),
        (admitting("111111111111"), own("sqs:*", "*"), 1), (admitting(role, "events:Put*"), own("events:Get*", "*"), 1),
        (admitting("arn:aws:iam::111111111111:role/other"), own("*", "*"), 1),
        // Only the role says yes, of a bus it names; what it says of everything is about nobody's bus.
        (admitting("333333333333"), own("events:PutEvents", bus), 1),
        (admitting(role, "events:DescribeEventBus"), own("events:PutEvents", bus), 2),
        (admitting("333333333333"), own("events:PutEvents", "*"), 0),
        (admitting("333333333333"), own("events:PutEvents", "arn:aws:events:*:*:event-bus/*"), 0),
        (admitting(role, effect: "Deny"), own("events:PutEvents", bus), 1),
        // The own side of an account that is not among these is decided elsewhere, and within an account one suffices.
        (admitting("333333333333"), nil, 0), (admitting("arn:aws:iam::333333333333:role/x"), nil, 0),
        (admitting("222222222222"), nil, 0),
        (#"{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"*","Resource":"*"}"#, nil, 0),
    ]

    @Test("a grant across accounts is warned of where only one side stands in the files", arguments: cases.indices)
    func warns(index: Int) throws {
        let said = try Self.said(Self.cases[index].resource, Self.cases[index].identity)
        #expect(said.count == Self.cases[index].count, "\(Self.cases[index]): \(said)")
    }

    @Test("the warning names the statement, the action and who stands on the other side")
    func words() throws {
        #expect(
            try Self.said(Self.admitting(Self.role), nil) == [
                "warning: statement 0: only one side grants `events:PutEvents` to \(Self.role), whose own policies do "
                    + "not: a request across accounts needs both"
            ])
        #expect(
            try Self.said(Self.admitting("333333333333"), Self.own("events:PutEvents", Self.bus)) == [
                "warning: statement 0: only one side grants `events:PutEvents` on \(Self.bus), whose policy does not: "
                    + "a request across accounts needs both"
            ])
    }

    @Test("a policy written to make the look long ends it early, and that is known")
    func budget() throws {
        let actions = (0..<300).map { #""events:*a*b*c\#($0)*""# }.joined(separator: ",")
        let text = #"{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":[\#(actions)],"Resource":"*"}"#
        let bus = GrantSides.Resource(
            arn: Self.bus, account: AccountID(unchecked: 222_222_222_222), policy: try Self.document(text, .resource))
        let account = AccountID(unchecked: 111_111_111_111)
        let holders = try (0..<20).map { number in
            GrantSides.Holder(
                arn: "\(Self.role)\(number)", account: account,
                identity: [try Self.document(Self.own("sqs:SendMessage", "*"), .identity)])
        }
        // 300 patterns of some 20 characters against 15, for each of 20 principals.
        for (steps, isEnough) in [(1_000_000, false), (3_000_000, true), (GrantSides.mostSteps, true)] {
            var sides = GrantSides(resources: [bus], holders: holders, accounts: [account], steps: steps)
            #expect(sides.findings(of: bus).count == (isEnough ? 1 : 0))
            #expect(sides.isExhausted == !isEnough)
        }
    }

    @Test("once the steps are over nothing more is looked at, from either side", arguments: [0, 1, 5000, 1_000_000])
    func stops(steps: Int) throws {
        let action = String(repeating: "a", count: 200)
        let actions = (0..<40).map { #""events:\#(action)\#($0)""# }.joined(separator: ",")
        let (one, two) = (AccountID(unchecked: 111_111_111_111), AccountID(unchecked: 222_222_222_222))
        let admitting = #"{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":[\#(actions)],"Resource":"*"}"#
        let own = #"{"Effect":"Allow","Action":[\#(actions.uppercased())],"Resource":["\#(Self.bus)","\#(Self.bus)"]}"#
            .replacing("EVENTS:", with: "sqs:")
        let buses = try (0..<20).map { _ in
            GrantSides.Resource(arn: Self.bus, account: two, policy: try Self.document(admitting, .resource))
        }
        let holders = try (0..<20).map { number in
            GrantSides.Holder(
                arn: "\(Self.role)\(number)", account: one, identity: [try Self.document(own, .identity)])
        }
        // The dearest look there is: two actions of some 210 bytes each.
        let dearest = 210 * 210
        var sides = GrantSides(resources: buses, holders: holders, accounts: [one], steps: steps)
        for bus in buses { #expect(sides.findings(of: bus) == []) }
        #expect(sides.isExhausted && sides.steps >= -dearest, "\(sides.steps)")
        let left = sides.steps
        for holder in holders { #expect(sides.findings(of: holder) == []) }
        #expect(sides.steps == left)
        sides = GrantSides(resources: buses, holders: holders, accounts: [one], steps: steps)
        for holder in holders { #expect(sides.findings(of: holder) == []) }
        #expect(sides.isExhausted && sides.steps >= -dearest, "\(sides.steps)")
    }

    @Test("an account that is named again and again is looked at once")
    func repeated() throws {
        let names = Array(repeating: #""111111111111""#, count: 200).joined(separator: ",")
        let text = #"{"Effect":"Allow","Principal":{"AWS":[\#(names)]},"Action":"events:PutEvents","Resource":"*"}"#
        #expect(try Self.said(text, nil).count == 1)
    }
}
