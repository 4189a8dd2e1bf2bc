import AccessPolicy
import Domain
import JSON
import Registry
import TestKit
import Testing

@testable import Gateway

/// What a request proves of the keys that not every request has, asked by the conditions of a bus policy.
///
/// Source: FEDERATION 7; the IAM User Guide's global condition keys, for who has `aws:username` and
/// `aws:MultiFactorAuthPresent`.
@Suite("Condition keys of real requests")
struct ContextKeyTests {
    /// A condition, and whether it holds: then a bus policy lets the caller publish that has it in its only allow, and
    /// one does not that has it in a deny beside an allow for all.
    struct Case: Sendable, CustomTestStringConvertible {
        var condition: String
        var holds: Bool

        init(_ operation: String, _ key: String, _ value: String, holds: Bool) {
            condition = #"{"\#(operation)":{"\#(key)":"\#(value)"}}"#
            self.holds = holds
        }

        var testDescription: String { "\(condition) \(holds ? "holds" : "does not hold")" }

        var policies: [(statements: [String], isAdmitted: Bool)] {
            [
                ([ContextKeyTests.statement("Allow", condition)], holds),
                ([ContextKeyTests.statement("Allow"), ContextKeyTests.statement("Deny", condition)], !holds),
            ]
        }
    }

    private static let vpc = "aws:SourceVpc"
    private static let user = "aws:username"
    private static let factor = "aws:MultiFactorAuthPresent"

    fileprivate static func statement(_ effect: String, _ condition: String? = nil) -> String {
        let accounts = #""\#(Scene.sender)","\#(Scene.owner)""#
        let block = condition.map { #","Condition":\#($0)"# } ?? ""
        return #"{"Effect":"\#(effect)","Principal":{"AWS":[\#(accounts)]},"Action":"events:PutEvents","#
            + #""Resource":"\#(Scene.arn("orders"))"\#(block)}"#
    }

    private static let entry =
        #"{"Entries":[{"Source":"com.acme.orders","DetailType":"t","Detail":"{}","EventBusName":"#
        + #""\#(Scene.arn("orders"))"}]}"#

    private static func isAdmitted(_ answer: Answer) throws -> Bool {
        try #require(answer.status == 200, "\(answer.body)")
        if answer.body.contains(#""FailedEntryCount":0"#) { return true }
        try #require(answer.body.contains("AccessDeniedException"), "\(answer.body)")
        return false
    }

    /// Asks the bus policy with the condition in an allow, then in a deny, about what a principal publishes.
    private func expect(
        _ item: Case, of principal: Principal, vpc: String? = nil, claims: [(name: String, value: String)] = []
    ) async throws {
        for (policy, isAdmitted) in item.policies {
            let endpoints = [Scene.listener: Declaration.Endpoint(vpc: vpc, policy: nil)]
            let snapshot = try Scene.snapshotWithOrders(policy, endpoints: endpoints)
            try await TestGateway.with(snapshot) { gateway, client, _ in
                // A user of the bus's own account has no policy of its own: the bus's decides alone, for it too.
                let signer = try await gateway.signer(principal, id: "AKIAIOSFODNN7OTHER00")
                let answer = try client.call(gateway, "PutEvents", Self.entry, signer, more: claims)
                #expect(try Self.isAdmitted(answer) == isAdmitted, "\(policy.count) statements: \(answer.body)")
            }
        }
    }


    @Test(
        "a listener with a vpc proves it to policies",
        arguments: [
            Case("StringEquals", vpc, "vpc-1a", holds: true), Case("StringEquals", vpc, "vpc-1b", holds: false),
            Case("StringNotEquals", vpc, "vpc-1a", holds: false), Case("StringNotEquals", vpc, "vpc-1b", holds: true),
            Case("StringEqualsIfExists", vpc, "vpc-1b", holds: false), Case("Null", vpc, "true", holds: false),
        ])
    func vpcPresent(item: Case) async throws {
        try await expect(item, of: Scene.publisher, vpc: "vpc-1a")
    }

    @Test(
        "a listener without a vpc proves none, whatever the request says",
        arguments: [
            Case("StringEquals", vpc, "vpc-1a", holds: false), Case("StringNotEquals", vpc, "vpc-1a", holds: true),
            Case("StringEqualsIfExists", vpc, "vpc-1a", holds: true), Case("Null", vpc, "true", holds: true),
        ])
    func vpcAbsent(item: Case) async throws {
        let claims = [(name: "aws-sourcevpc", value: "vpc-1a"), (name: "x-amz-source-vpc", value: "vpc-1a")]
        try await expect(item, of: Scene.publisher, claims: claims)
    }

    @Test(
        "a user is known by its name",
        arguments: [
            Case("StringEquals", user, "nobody", holds: true), Case("StringEquals", user, "publisher", holds: false),
            Case("StringNotEquals", user, "nobody", holds: false), Case("Null", user, "false", holds: true),
        ])
    func usernamePresent(item: Case) async throws {
        try await expect(item, of: Scene.nobody)
    }

    @Test(
        "a role has no user name",
        arguments: [
            Case("StringEquals", user, "publisher", holds: false), Case("StringNotEquals", user, "nobody", holds: true),
            Case("StringLikeIfExists", user, "nobody", holds: true), Case("Null", user, "true", holds: true),
        ])
    func usernameAbsent(item: Case) async throws {
        try await expect(item, of: Scene.publisher)
    }

    @Test(
        "long-term credentials say nothing of a second factor",
        arguments: [
            Case("Bool", factor, "true", holds: false), Case("Bool", factor, "false", holds: false),
            Case("BoolIfExists", factor, "true", holds: true), Case("BoolIfExists", factor, "false", holds: true),
            Case("Null", factor, "true", holds: true),
        ])
    func factorAbsent(item: Case) async throws {
        try await expect(item, of: Scene.nobody)
    }

    @Test(
        "a session has no second factor and no user name, and says the first",
        arguments: [
            Case("Bool", factor, "true", holds: false), Case("Bool", factor, "false", holds: true),
            Case("BoolIfExists", factor, "true", holds: false), Case("Null", factor, "true", holds: false),
            Case("Null", user, "true", holds: true),
        ])
    func factorOfSession(item: Case) async throws {
        let role = try Scene.role(trust: [Scene.trust(Scene.nobody.arn)], identity: [])
        for (orders, isAdmitted) in item.policies {
            try await RoleStage.with([role], orders: orders) { stage in
                let signer = try await stage.gateway.signer(Scene.nobody)
                let credentials = try #require(try stage.assume(signer).credentials)
                #expect(try Self.isAdmitted(try stage.publish(credentials)) == isAdmitted, "\(orders.count) statements")
            }
        }
    }
}
