import AccessPolicy
import CAllocations
import Domain
import Testing

/// Deciding allocates nothing once a loop's context is warm.
@Suite("Allocations of a decision", .enabled(if: allocations_made() >= 0))
struct AllocationTests {
    static let rounds = 10_000
    /// A build without optimisation allocates for some generic calls that an optimised one inlines: there only what the
    /// hot path of a gateway meets is asked.
    #if DEBUG
        static let casesAsked = 1
    #else
        static let casesAsked = 5
    #endif

    struct Case: Sendable {
        var name: String
        var layers: PolicyLayers
    }

    static func resource(_ statements: [String]) throws -> CompiledPolicy {
        try CompiledPolicy(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#, kind: .resource,
            limits: PolicyLimits(characters: PolicyLimits.largestDocument, conditions: 1_000))
    }

    static func cases() throws -> [Case] {
        let own = PrincipalPolicies(
            identity: [try AuthorizerTests.policy(AuthorizerTests.allowAll, .identity)],
            boundaries: [try AuthorizerTests.policy(AuthorizerTests.allowAll, .permissionsBoundary)],
            session: [try AuthorizerTests.policy(AuthorizerTests.allowAll, .session)])
        let organization = #""StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#
        let ten =
            (0..<9).map { DecisionBenchmark.allow("33333333333\($0)", organization) } + [
                DecisionBenchmark.allow("111111111111", organization)
            ]
        let everyone = #"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#
        let control = [[try AuthorizerTests.policy(AuthorizerTests.allowAll, .serviceControl)]]
        let remote = [[try AuthorizerTests.policy(everyone, .resourceControl)]]
        let endpoint = [try AuthorizerTests.policy(everyone, .endpoint)]
        let rare = #"""
            "ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorgid/*"},
            "StringEqualsIgnoreCase":{"events:source":"COM.ACME.ORDERS"},
            "ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/pub*"},
            "StringLike":{"events:source":"com.acme.${aws:PrincipalTag/none, 'orders'}"},
            "DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"NumericLessThan":{"isthmus:Hops":"5"}
            """#
        let shared = (0..<63).map {
            DecisionBenchmark.allow("111111111111", DecisionBenchmark.ten($0, last: "aws-sdk"))
        }
        let apart = (0..<63).map {
            DecisionBenchmark.allow("111111111111", DecisionBenchmark.ownTen($0, last: "aws-sdk"))
        }
        let last = DecisionBenchmark.allow("111111111111", DecisionBenchmark.ten(63, last: "curl"))
        return [
            Case(name: "ten statements", layers: PolicyLayers(resource: try resource(ten))),
            Case(
                name: "every layer",
                layers: PolicyLayers(
                    resource: try resource(ten), principal: own, endpoint: endpoint, serviceControl: control,
                    resourceControl: remote)),
            Case(name: "64 statements alike", layers: PolicyLayers(resource: try resource(shared + [last]))),
            Case(name: "64 statements apart", layers: PolicyLayers(resource: try resource(apart + [last]))),
            Case(
                name: "rare conditions",
                layers: PolicyLayers(resource: try resource([DecisionBenchmark.allow("111111111111", rare)]))),
        ]
    }

    @Test("an allow allocates nothing, by statements alike or apart, in every layer and with rare conditions")
    func none() throws {
        let context = DecisionBenchmark.context()
        var connection = ContextFacts()
        connection.set(.currentTime, "2026-11-21T06:00:00Z")
        context.add(connection)
        let source: StaticString = "com.acme.orders"
        let type: StaticString = "OrderPlaced"
        for item in try Self.cases().prefix(Self.casesAsked) {
            var allowed = 0
            func decide(_ rounds: Int) {
                for _ in 0..<rounds {
                    context.set(
                        .eventsSource,
                        borrowing: UnsafeBufferPointer(start: source.utf8Start, count: source.utf8CodeUnitCount))
                    context.set(
                        .eventsDetailType,
                        borrowing: UnsafeBufferPointer(start: type.utf8Start, count: type.utf8CodeUnitCount))
                    if Authorizer.decide(context, item.layers).isAllowed { allowed += 1 }
                }
            }
            decide(10)
            let before = allocations_made()
            decide(Self.rounds)
            let made = allocations_made() - before
            #expect(made == 0, "\(item.name): \(made) allocations in \(Self.rounds) decisions")
            #expect(allowed == Self.rounds + 10, "\(item.name)")
        }
    }

    @Test("what is allocated is counted")
    func counts() {
        let before = allocations_made()
        let block = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 8)
        #expect(allocations_made() > before)
        block.deallocate()
    }
}
