import AccessPolicy
import Domain
import JSON
import Registry
import TestKit
import Testing

@Suite("What is refused when a bus policy is saved")
struct PolicyAcceptanceTests {
    static let bus = Scene.arn("orders")

    /// A statement, and a part of the reason it is refused with. Source: POLICY 3
    static let refused: [(String, String)] = [
        (all, "statement 0 (`all`): `Principal` `*` with `Allow` needs a condition"),
        (anyone(#"{"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorgid"}}"#), "statement 0: `Principal` `*`"),
        (anyone(#"{"StringLike":{"aws:PrincipalOrgID":"o-*"}}"#), "statement 0: `Principal` `*` with `Allow` needs"),
        (
            #"{"Effect":"Allow","NotPrincipal":{"AWS":"111122223333"},"Action":"events:PutEvents","Resource":"*"}"#,
            "statement 0: `NotPrincipal` with `Allow`"
        ),
        (
            #"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"NotAction":"events:PutEvents","Resource":"*"}"#,
            "statement 0: `NotAction` with `Allow` on `*`"
        ),
        (
            sender(#"{"ForAllValues:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorgid/*"}}"#),
            "statement 0: `ForAllValues` on `aws:PrincipalOrgPaths`"
        ),
        (
            sender(#"{"ForAnyValue:StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}}"#),
            "statement 0: `aws:PrincipalOrgID` has one value"
        ),
        (
            sender(#"{"StringEquals":{"aws:PrincipalOrgId2":"x"}}"#),
            "statement 0: the key `aws:PrincipalOrgId2` is set by no request here"
        ),
    ]

    static let all =
        #"{"Sid":"all","Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"\#(bus)"}"#

    private static func anyone(_ condition: String) -> String { statement(#""*""#, condition) }
    private static func sender(_ condition: String) -> String { statement(#"{"AWS":"111122223333"}"#, condition) }

    private static func statement(_ principal: String, _ condition: String) -> String {
        #"{"Effect":"Allow","Principal":\#(principal),"Action":"events:PutEvents","Resource":"\#(bus)","#
            + #""Condition":\#(condition)}"#
    }

    private func declaration(
        _ compatibility: PolicyReview.Compatibility, seed: JSONNode? = nil
    ) throws -> Declaration {
        let plain = try Scene.declaration()
        let seed = Declaration.Seed(id: Scene.bus("orders"), description: nil, policy: seed, tags: [])
        return Declaration(
            partition: plain.partition, region: plain.region, accounts: plain.accounts, trustDomains: [],
            seeds: [seed], endpoints: plain.endpoints, quotas: plain.quotas, policyCompatibility: compatibility)
    }

    private func replace(_ document: JSONNode, _ compatibility: PolicyReview.Compatibility) throws -> ControlFault? {
        let snapshot = try Scene.snapshot(try declaration(compatibility))
        return fault { () throws(ControlFault) in
            try snapshot.replacingPolicy(of: Scene.bus("orders"), with: document, at: now)
        }
    }

    @Test(
        "the refusal names statement and reason; what AWS saves is saved where AWS's rules are asked for",
        arguments: refused)
    func statement(_ text: String, _ reason: String) throws {
        let document = try Scene.document(text)
        let found = try #require(try replace(document, .strict))
        #expect(found.code == .validation)
        #expect(found.message.hasPrefix("Parameter Policy is not valid. Reason: \(reason)"), "\(found.message)")
        #expect(try replace(document, .aws) == nil)
    }

    @Test("each statement that is refused is named")
    func several() throws {
        let document = try Scene.document(Scene.admitsSender(), Self.refused[3].0, Self.all)
        let message = try #require(try replace(document, .strict)).message
        #expect(message.contains("Reason: statement 1: `NotPrincipal`") && message.contains("; statement 2 (`all`): "))
    }

    @Test("a version that is old or not named is refused")
    func version() throws {
        for version in [#""Version":"2008-10-17","#, ""] {
            let document = try JSONNode(parsing: "{\(version)\"Statement\":[\(Scene.admitsSender())]}")
            #expect(try replace(document, .strict)?.message.contains("the policy: `Version` is ") == true)
            #expect(try replace(document, .aws) == nil)
        }
    }

    @Test("the short form with everyone and no condition is refused, with an organization it is saved")
    func shortForm() throws {
        let snapshot = try Scene.snapshot(try declaration(.strict))
        let bare = try JSONNode(parsing: Self.all)
        let found = fault { () throws(ControlFault) in
            try snapshot.addingStatement(bare, sid: "all", to: Scene.bus("orders"), at: now)
        }
        #expect(found?.message.contains("statement 0 (`all`): `Principal` `*`") == true)
        let tied = try JSONNode(
            parsing: Self.all.dropLast()
                + #","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}}}"#)
        #expect(
            fault { () throws(ControlFault) in
                try snapshot.addingStatement(tied, sid: "all", to: Scene.bus("orders"), at: now)
            } == nil)
    }

    @Test("a seed of the configuration is held to the same rules")
    func seeds() throws {
        let document = try Scene.document(Self.all)
        for (compatibility, isRefused) in [(PolicyReview.Compatibility.strict, true), (.aws, false)] {
            let declaration = try declaration(compatibility, seed: document)
            let base = try Snapshot.loading([], declaration: declaration)
            let found = fault { () throws(ControlFault) in try base.adopting(declaration, at: now) }
            #expect((found?.code == .validation) == isRefused, "\(found as Any)")
        }
    }
}
