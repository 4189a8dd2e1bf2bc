import AccessPolicy
import Domain
import Testing

@Suite("Authorizer")
struct AuthorizerTests {
    static let bus = "arn:aws:events:eu-central-1:222222222222:event-bus/orders"

    static func context(
        _ arn: String = "arn:aws:iam::111111111111:role/publisher", action: String = "events:PutEvents"
    ) -> RequestContext {
        let context = RequestContext()
        if let principal = Principal(parsing: arn) { context.setPrincipal(PrincipalFacts(principal)) }
        context.setResource(ResourceFacts(arn: bus))
        context.beginRequest(action: action)
        return context
    }

    static func policy(_ statements: String, _ kind: PolicyKind = .resource) throws -> CompiledPolicy {
        try CompiledPolicy(parsing: #"{"Version":"2012-10-17","Statement":[\#(statements)]}"#, kind: kind)
    }

    static let allowEverybody = #"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#
    static let allowAll = #"{"Effect":"Allow","Action":"*","Resource":"*"}"#

    @Test("a cross-account request needs the bus policy and the sender's own policy")
    func bothSides() throws {
        let open = try Self.policy(
            #"{"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"events:*","Resource":"\#(Self.bus)"}"#
        )
        let own = PrincipalPolicies(identity: [try Self.policy(Self.allowAll, .identity)])
        let context = Self.context()
        #expect(Authorizer.decide(context, PolicyLayers(resource: open, principal: own)).isAllowed)
        let withoutOwn = Authorizer.decide(context, PolicyLayers(resource: open, principal: PrincipalPolicies.none))
        #expect(withoutOwn.effect == .implicitDeny)
        #expect(withoutOwn.side == .senderIdentity)
        let withoutBus = Authorizer.decide(context, PolicyLayers(principal: own))
        #expect(withoutBus.effect == .implicitDeny)
        #expect(withoutBus.side == .busPolicy)
        let foreign = Authorizer.decide(context, PolicyLayers(resource: open))
        #expect(foreign.isAllowed)
        #expect(foreign.isOwnSideElsewhere)
    }

    @Test("an explicit deny always wins")
    func denyWins() throws {
        let mixed = try Self.policy(
            #"""
            {"Effect":"Allow","Principal":"*","Action":"events:*","Resource":"*"},
            {"Effect":"Deny","Principal":"*","Action":"events:Put*","Resource":"*"}
            """#)
        let decision = Authorizer.decide(Self.context(), PolicyLayers(resource: mixed))
        #expect(decision.effect == .explicitDeny)
        #expect(decision.statement == 1)
    }

    @Test("a service principal is a member of no organization, and no pattern makes it one")
    func serviceInNoOrganization() throws {
        let context = RequestContext()
        context.setPrincipal(PrincipalFacts(kind: .service, arn: "", account: nil, service: "events.amazonaws.com"))
        context.setResource(ResourceFacts(arn: Self.bus))
        context.beginRequest(action: "events:PutEvents")
        func decide(_ effect: String, _ condition: String) throws -> Decision.Effect {
            let service = #""Principal":{"Service":"events.amazonaws.com"},"Action":"*","Resource":"*""#
            let asked = #"{"Effect":"\#(effect)",\#(service),"Condition":{\#(condition)}}"#
            let open = #"{"Effect":"Allow",\#(service)}"#
            let policy = try Self.policy(effect == "Deny" ? "\(open),\(asked)" : asked)
            return Authorizer.decide(context, PolicyLayers(resource: policy)).effect
        }
        for condition in [
            #""StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#, #""StringLike":{"aws:PrincipalOrgID":"o-*"}"#,
            #""StringLike":{"aws:PrincipalOrgID":"*"}"#, #""Null":{"aws:PrincipalOrgID":"false"}"#,
            #""ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-*"}"#,
        ] {
            #expect(try decide("Allow", condition) == .implicitDeny, "\(condition)")
        }
        let stranger = #""StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#
        #expect(try decide("Deny", stranger) == .explicitDeny)
        // How AWS has services let through where strangers are kept out.
        let person = #""Bool":{"aws:PrincipalIsAWSService":"false"}"#
        #expect(try decide("Deny", "\(stranger),\(person)") == .allow)
    }

    @Test("a condition on the source of an entry decides entry by entry")
    func entries() throws {
        let open = try Self.policy(
            #"""
            {"Effect":"Allow","Principal":{"AWS":"111111111111"},"Action":"events:PutEvents","Resource":"*",
             "Condition":{"StringEquals":{"events:source":["com.acme.orders","com.acme.stock"]}}}
            """#)
        let context = Self.context()
        func decide(_ source: String) -> Bool {
            var source = source
            return source.withUTF8 {
                context.set(.eventsSource, borrowing: $0)
                return Authorizer.decide(context, PolicyLayers(resource: open)).isAllowed
            }
        }
        #expect(decide("com.acme.orders"))
        #expect(decide("com.acme.stock"))
        #expect(!decide("com.acme.order"))
        context.clear(.eventsSource)
        #expect(!Authorizer.decide(context, PolicyLayers(resource: open)).isAllowed)
    }
}
