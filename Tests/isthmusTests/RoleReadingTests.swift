import AccessPolicy
import Domain
import Registry
import Testing

@testable import isthmus

@Suite("Roles, boundaries and tags in an account's file")
struct RoleReadingTests {
    private static let trust =
        "{Version: 2012-10-17, Statement: {Effect: Allow, Principal: {AWS: 111122223333}, Action: sts:AssumeRole}}"

    private func fixture(
        _ principals: String, account: String = "account: 444455556666"
    ) throws -> ConfigurationFixture {
        var fixture = try ConfigurationFixture()
        fixture["etc/accounts/globex.yaml"] = "\(account)\nprincipals:\n\(principals)\n"
        return fixture
    }

    @Test("a role keeps what its file says and shows it")
    func reads() throws {
        let fixture = try fixture(
            """
              - name: role/delivery/shop
                trust: \(Self.trust)
                maxSessionSeconds: 43200
                sessionsNotBefore: 2026-11-21T06:00:00Z
                tags: {team: a}
                permissionsBoundary: publisher.json
            """)
        let configuration = try fixture.load().configuration
        let member = try #require(configuration.accounts.first?.principals.first)
        #expect(member.role?.maximumSessionSeconds == 43_200)
        #expect(member.role?.sessionsNotBefore == ConfigurationFixture.now)
        let declared = try #require(try Assembly(configuration).declaration.accounts.first?.principals.first)
        #expect(declared.role?.trust.document.kind == .trust)
        #expect(declared.policies.boundaries.count == 1)
        #expect(declared.tags == [Domain.Tag(key: "team", value: "a")])
        for text in [
            "aws:userid AROA", "permissionsBoundary etc/accounts/publisher.json", "tags team=a",
            "maxSessionSeconds 43200", "sessionsNotBefore 2026-11-21T06:00:00Z",
        ] {
            #expect(configuration.effective.contains(text), "\(text)")
        }
    }

    @Test(
        "what a role cannot be is said with its line",
        arguments: [
            ("- {name: role/a, trust: TRUST, maxSessionSeconds: 899}", "write a number from 900 to 43200"),
            ("- {name: role/a, trust: TRUST, maxSessionSeconds: 43201}", "write a number from 900 to 43200"),
            ("- {name: role/a, trust: TRUST, sessionsNotBefore: today}", "write a moment in UTC"),
            ("- {name: role/a, maxSessionSeconds: 900}", "nobody may assume this principal"),
            ("- {name: role/a, sessionsNotBefore: 2026-11-21T06:00:00Z}", "nobody may assume this principal"),
            ("- {name: user/a, trust: TRUST}", "belongs to a role"),
            ("- {name: role/a/x, trust: TRUST}\n  - {name: role/b/x, trust: TRUST}", "have one name"),
            ("- {name: role/a, trust: publisher.json}", "`Principal`"),
            ("- {name: role/a, trusted: TRUST}", "unknown key `trusted`"),
            (
                "- {name: role/a, trust: {Version: 2012-10-17, Statement: {Effect: Allow, Principal: \"*\", "
                    + "Action: sts:AssumeRole}}}", "`Principal` `*` with `Allow`"
            ),
        ])
    func refuses(principals: String, words: String) throws {
        let fixture = try fixture("  " + principals.replacing("TRUST", with: Self.trust))
        let complaints = fixture.complaints()
        #expect(complaints.contains { $0.contains(words) && $0.contains("globex.yaml:") }, "\(complaints)")
    }

    @Test("a foreign account's roles are assumed elsewhere, and its boundaries hold there")
    func foreign() throws {
        let fixture = try fixture(
            "  - {name: role/a, trust: \(Self.trust), permissionsBoundary: publisher.json, tags: {team: a}}",
            account: "account: 555555555555\nlocal: false")
        let complaints = fixture.complaints()
        #expect(complaints.contains { $0.contains("its roles are assumed elsewhere") })
        #expect(complaints.contains { $0.contains("has a `permissionsBoundary`") })
        #expect(!complaints.contains { $0.contains("tags") })
    }

    @Test("a control policy that names everybody is no grant, so `policy check` takes it")
    func controlPolicy() {
        let statement = #"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#
        let policy = Array((#"{"Version":"2012-10-17","Statement":["# + statement + "]}").utf8)
        #expect(PolicyReading.findings(policy, kind: .resourceControl).refusals == [])
        #expect(PolicyReading.findings(policy, kind: .endpoint).refusals == [])
        #expect(PolicyReading.findings(policy, kind: .resource).refusals.count == 1)
    }
}
