import AccessPolicy
import Domain
import Foundation
import JSON
import Testing

@testable import isthmus

@Suite struct PolicyReadingTests {
    private static let bus = "arn:aws:events:eu-central-1:444455556666:event-bus/orders"

    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private func document(_ statement: String) -> [UInt8] {
        bytes(#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",\#(statement)}]}"#)
    }

    @Test("a policy that names principals is read as a resource's, another as an identity's")
    func guesses() {
        let resource = document(
            #""Principal":{"AWS":"111122223333"},"Action":"events:PutEvents","Resource":"\#(Self.bus)""#
        )
        let identity = document(#""Action":"events:PutEvents","Resource":"*""#)
        #expect(PolicyReading.findings(resource, kind: nil).refusals == [])
        #expect(PolicyReading.findings(identity, kind: nil).refusals == [])
        #expect(PolicyReading.findings(identity, kind: .resource).refusals.count == 1)
    }

    @Test("a policy that names principals and no resource is read as a role's trust")
    func trust() {
        let trust = document(#""Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole""#)
        #expect(PolicyReading.findings(trust, kind: nil) == PolicyReading.Findings())
        #expect(PolicyReading.findings(trust, kind: .resource).refusals.count == 1)
    }

    @Test("a refusal says as what the policy was read and what to write for another kind, unless the kind was said")
    func hint() throws {
        let control = document(#""Principal":"*","Action":"*","Resource":"*""#)
        let findings = PolicyReading.findings(control, kind: nil)
        #expect(findings.refusals.count == 1)
        let hint = try #require(findings.hint)
        #expect(hint.hasPrefix("read as a resource-based policy: if it is another, write `--kind trust`"))
        #expect(hint.contains("`--kind resourceControl`") && !hint.contains("`--kind session`"))
        #expect(PolicyReading.findings(control, kind: .resource).hint == nil)
        #expect(PolicyReading.findings(control, kind: .resourceControl) == PolicyReading.Findings())
    }

    @Test(
        "what would not be saved is refused with its place",
        arguments: ["{", "[]", #"{"Statement":[{"Effect":"Maybe"}]}"#])
    func refuses(text: String) {
        let findings = PolicyReading.findings(bytes(text), kind: nil)
        #expect(findings.refusals.count == 1)
        #expect(findings.refusals.allSatisfy { $0.hasPrefix("refused: ") })
    }

    @Test("a grant to everybody is refused here and taken where AWS's rules are asked for")
    func compatibility() {
        let open = document(
            #""Principal":"*","Action":"events:PutEvents","Resource":"\#(Self.bus)""#
        )
        #expect(PolicyReading.findings(open, kind: nil).refusals.count == 1)
        #expect(PolicyReading.findings(open, kind: nil, compatibility: .aws).refusals == [])
    }

    @Test("the shipped accounts are read without a complaint")
    func shippedAccounts() throws {
        var fixture = try ConfigurationFixture()
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        for account in ["111122223333", "444455556666"] {
            let url = root.appending(path: "config/accounts/\(account).yaml")
            fixture["etc/accounts/\(account).yaml"] = try String(contentsOf: url, encoding: .utf8)
        }
        fixture.files["etc/accounts/globex.yaml"] = nil
        let loaded = try fixture.load()
        #expect(loaded.warnings == [])
        let names = loaded.configuration.accounts.flatMap(\.principals).map(\.principal.arn)
        #expect(
            names == [
                "arn:aws:iam::111122223333:role/publisher", "arn:aws:iam::444455556666:role/administrator",
                "arn:aws:iam::444455556666:role/publisher", "arn:aws:iam::444455556666:role/reader",
                "arn:aws:iam::444455556666:role/delivery/shop",
            ])
        let shop = try #require(loaded.configuration.accounts.flatMap(\.principals).last)
        #expect(shop.role?.maximumSessionSeconds == 7200 && shop.permissionsBoundary != nil)
        #expect(shop.tags == [Configuration.Tag(key: "application", value: "shop")])
    }

    @Test("the policy of a bus may be as long as `policyCharacters` says, an identity's 10,240 characters")
    func longPolicies() throws {
        var fixture = try ConfigurationFixture()
        let padding = String(repeating: " ", count: 20_000)
        fixture["etc/long.json"] = String(
            decoding: document(
                #""Principal":{"AWS":"111122223333"},"Action":"events:PutEvents","Resource":"\#(Self.bus)""#),
            as: UTF8.self) + padding
        fixture.replace("name: orders,", "name: orders, policy: long.json,")
        #expect(fixture.complaints().count == 1)
        fixture.replace("limits: {", "limits: {policyCharacters: 30000, ")
        #expect(fixture.complaints() == [])
        #expect(try fixture.load().configuration.limits.policyCharacters == 30_000)
        fixture["etc/accounts/publisher.json"] += padding
        #expect(fixture.complaints().count == 1)
        for (value, isGood) in [("10239", false), ("10240", true), ("1048576", true), ("1048577", false)] {
            var other = try ConfigurationFixture()
            other.replace("limits: {", "limits: {policyCharacters: \(value), ")
            #expect(other.complaints().isEmpty == isGood, "\(value)")
        }
    }

    @Test("a bus that lets in another account of these files is warned of until that account lets its principal out")
    func oneSidedGrant() throws {
        var fixture = try ConfigurationFixture()
        fixture.replace(
            "name: orders,",
            """
            name: orders, policy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: 111122223333},
                 Action: "events:PutEvents", Resource: "\(Self.bus)"}},
            """)
        let own = "policies: [{Version: 2012-10-17, Statement: {Effect: Allow, Action: \"events:*\", Resource: \"*\"}}]"
        for (acme, count) in [
            ("{account: 111122223333, principals: [{name: role/publisher}]}", 1),
            ("{account: 111122223333, principals: [{name: role/publisher, \(own)}]}", 0),
            ("{account: 111122223333, local: false, principals: [{name: role/publisher}]}", 0),
        ] {
            fixture["etc/accounts/acme.yaml"] = acme
            let warnings = try fixture.load().warnings.map(\.description)
            #expect(warnings.count == count, "\(acme): \(warnings)")
            #expect(warnings.allSatisfy { $0.contains("only one side grants `events:PutEvents` to") })
        }
    }

    @Test("of a bus that exists, the saved policy is what one-sided grants are looked for in, not its seed")
    func savedGrant() throws {
        func policy(_ account: String) throws -> JSONNode {
            try JSONNode(
                parsing: """
                    {"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"\(account)"},
                     "Action":"events:PutEvents","Resource":"\(Self.bus)"}}
                    """)
        }
        var fixture = try ConfigurationFixture()
        fixture["etc/accounts/acme.yaml"] = "{account: 111122223333, principals: [{name: role/publisher}]}"
        let sown = String(decoding: try policy("111122223333").bytes(), as: UTF8.self)
        fixture.replace("name: orders,", "name: orders, policy: \(sown),")
        let orders = try #require(EventBusName(parsing: "orders"))
        let billing = try #require(EventBusName(parsing: "billing"))
        let owner = try #require(AccountID(parsing: "444455556666"))
        for (saved, count) in [
            ([], 1),
            ([SourceFiles.SavedBus(id: EventBusID(account: owner, name: orders), policy: nil)], 0),
            ([.init(id: EventBusID(account: owner, name: orders), policy: try policy("999988887777"))], 0),
            ([.init(id: EventBusID(account: owner, name: orders), policy: try policy("111122223333"))], 1),
            ([.init(id: EventBusID(account: owner, name: billing), policy: try policy("111122223333"))], 2),
        ] {
            fixture.savedBuses = saved
            let warnings = try fixture.load().warnings.map(\.description)
            #expect(warnings.count == count, "\(saved): \(warnings)")
            #expect(warnings.allSatisfy { $0.contains("only one side grants `events:PutEvents` to") })
        }
    }

    @Test(
        "grants are compared of a million pairs of bus and principal, and beyond that it is said that they are not",
        arguments: [(999, false), (1000, false), (1001, true)])
    func mostPairs(buses: Int, isWarned: Bool) throws {
        var fixture = try ConfigurationFixture()
        // The fixture's own principal is the thousandth.
        let names = (1...999).map { "  - name: role/r\($0)" }.joined(separator: "\n")
        fixture["etc/accounts/acme.yaml"] = "account: 111122223333\nprincipals:\n" + names
        let owner = try #require(AccountID(parsing: "444455556666"))
        let statement = #"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#
        let policy = try JSONNode(parsing: #"{"Version":"2012-10-17","Statement":\#(statement)}"#)
        fixture.savedBuses = try (1...buses).map { number in
            let name = try #require(EventBusName(parsing: "b\(number)"))
            return SourceFiles.SavedBus(id: EventBusID(account: owner, name: name), policy: policy)
        }
        let warnings = try fixture.load().warnings.map(\.description)
        #expect(warnings.count == (isWarned ? 1 : 0), "\(warnings)")
        let words = "the grants across accounts were not compared: there are 1001 buses, 1000 principals"
        #expect(warnings.allSatisfy { $0.contains(words) })
    }

    @Test("grants whose comparison costs too much are said to be compared in part")
    func comparedInPart() throws {
        var fixture = try ConfigurationFixture()
        fixture.replace(
            "name: orders,",
            """
            name: orders, policy: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: 444455556666},
                 Action: "events:PutEvents", Resource: "\(Self.bus)"}},
            """)
        fixture["etc/accounts/acme.yaml"] =
            "{account: 111122223333, principals: [{name: role/publisher, policies: [{Version: 2012-10-17, "
            + "Statement: {Effect: Allow, Action: \"events:*\", Resource: \"\(Self.bus)\"}}]}]}"
        for (steps, words) in [(100, "were compared in part: the policies"), (1_000_000, "only one side grants")] {
            let warnings = try fixture.load(grantSteps: steps).warnings.map(\.description)
            #expect(warnings.count == 1 && warnings.allSatisfy { $0.contains(words) }, "\(steps): \(warnings)")
        }
    }

    @Test("a data directory that cannot be read is warned of with the cause, and the seeds are looked at all the same")
    func unreadableGrant() throws {
        var fixture = try ConfigurationFixture()
        fixture.savedBuses = nil
        let warnings = try fixture.load().warnings.map(\.description)
        #expect(warnings.count == 1)
        #expect(warnings.first?.contains("the buses saved in `/srv/data` cannot be read: /srv/data is shut") == true)
    }

    @Test("the annotated configuration names every key and no other")
    func annotated() throws {
        let root = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        var fixture = try ConfigurationFixture()
        fixture["etc/isthmus.yaml"] = try String(
            contentsOf: root.appending(path: "config/isthmus.yaml"), encoding: .utf8)
        let complaints = fixture.complaints()
        #expect(
            complaints.allSatisfy { $0.contains("cannot read") || $0.contains("is not described") }, "\(complaints)")
        for field in GatewayLimits.fields {
            let value = GatewayLimits()[keyPath: field.place]
            #expect(fixture["etc/isthmus.yaml"].contains("  \(field.name): \(value) "), "\(field.name) and its default")
        }
    }
}
