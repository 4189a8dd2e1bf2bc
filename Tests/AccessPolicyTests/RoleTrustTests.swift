import AccessPolicy
import Domain
import Testing

@Suite("Role trust, and what limits a role")
struct RoleTrustTests {
    private static let role = "arn:aws:iam::111111111111:role/worker"
    private static let all = #"{"Effect":"Allow","Action":"*","Resource":"*"}"#

    private func policy(_ statement: String, _ kind: PolicyKind) throws -> CompiledPolicy {
        try CompiledPolicy(parsing: #"{"Version":"2012-10-17","Statement":["# + statement + "]}", kind: kind)
    }

    private func trust(_ principal: String) throws -> CompiledPolicy {
        try policy(#"{"Effect":"Allow","Principal":\#(principal),"Action":"sts:AssumeRole"}"#, .trust)
    }

    private func decide(
        _ caller: String, _ trust: CompiledPolicy?, identity: Bool, boundary: Bool = true, isLocal: Bool = true
    ) throws -> Decision {
        let context = RequestContext()
        let principal = try #require(Principal(parsing: caller))
        context.setPrincipal(PrincipalFacts(principal))
        context.setResource(ResourceFacts(arn: Self.role))
        context.beginRequest(action: "sts:AssumeRole")
        let none = #"{"Effect":"Allow","Action":"events:*","Resource":"*"}"#
        let own = PrincipalPolicies(
            identity: identity ? [try policy(Self.all, .identity)] : [],
            boundaries: boundary ? [] : [try policy(none, .permissionsBoundary)])
        var layers = PolicyLayers(resource: trust, principal: isLocal ? own : nil)
        layers.isRoleTrust = true
        return Authorizer.decide(context, layers)
    }

    private let user = "arn:aws:iam::111111111111:user/u"

    @Test("without the trust policy's allow nobody assumes a role, not even by its own account's policies")
    func trustIsNeeded() throws {
        #expect(try decide(user, nil, identity: true).layer == .resource)
        #expect(try !decide(user, try trust(#"{"AWS":"222222222222"}"#), identity: true).isAllowed)
    }

    @Test("the account named asks its own policies; a caller, a role or everyone named does not", arguments: [
        (#"{"AWS":"111111111111"}"#, false), (#"{"AWS":"arn:aws:iam::111111111111:root"}"#, false),
        (#"{"AWS":"arn:aws:iam::111111111111:user/u"}"#, true), (#"{"AWS":"*"}"#, true), (#""*""#, true),
    ])
    func delegation(principal: String, isEnough: Bool) throws {
        #expect(try decide(user, try trust(principal), identity: true).isAllowed)
        #expect(try decide(user, try trust(principal), identity: false).isAllowed == isEnough)
    }

    @Test("across accounts both sides allow, or the foreign one is decided elsewhere")
    func acrossAccounts() throws {
        let stranger = "arn:aws:iam::222222222222:role/r"
        let named = try trust(#"{"AWS":"\#(stranger)"}"#)
        #expect(try decide(stranger, named, identity: true).isAllowed)
        #expect(try decide(stranger, named, identity: false).layer == .identity)
        let elsewhere = try decide(stranger, named, identity: false, isLocal: false)
        #expect(elsewhere.isAllowed && elsewhere.isOwnSideElsewhere)
    }

    @Test("a boundary that leaves AssumeRole out stops everyone but a user whom the trust policy names")
    func boundary() throws {
        let direct = try trust(#"{"AWS":"arn:aws:iam::111111111111:user/u"}"#)
        #expect(try decide(user, direct, identity: true, boundary: false).isAllowed)
        #expect(try decide(user, try trust(#""*""#), identity: true, boundary: false).layer == .permissionsBoundary)
        let role = "arn:aws:iam::111111111111:role/r"
        let named = try trust(#"{"AWS":"\#(role)"}"#)
        #expect(try decide(role, named, identity: true, boundary: false).layer == .permissionsBoundary)
        let session = "arn:aws:sts::111111111111:assumed-role/r/s"
        #expect(try decide(session, named, identity: true, boundary: false).layer == .permissionsBoundary)
        let itself = try trust(#"{"AWS":"\#(session)"}"#)
        #expect(try decide(session, itself, identity: true, boundary: false).isAllowed)
    }

    @Test("a bus policy that names a role does not lift the boundary of the role, by certificate or by session")
    func busPolicy() throws {
        let role = "arn:aws:iam::111111111111:role/r"
        let bus = "arn:aws:events:eu-central-1:111111111111:event-bus/orders"
        let named = try policy(
            #"{"Effect":"Allow","Principal":{"AWS":"\#(role)"},"Action":"events:*","Resource":"\#(bus)"}"#, .resource)
        let boundary = try policy(
            #"{"Effect":"Allow","Action":"events:Describe*","Resource":"*"}"#, .permissionsBoundary)
        for caller in [role, "arn:aws:sts::111111111111:assumed-role/r/s"] {
            let context = RequestContext()
            context.setPrincipal(PrincipalFacts(try #require(Principal(parsing: caller))))
            context.setResource(ResourceFacts(arn: bus))
            context.beginRequest(action: "events:PutEvents")
            let own = PrincipalPolicies(identity: [], boundaries: [boundary])
            let decision = Authorizer.decide(context, PolicyLayers(resource: named, principal: own))
            #expect(decision.layer == .permissionsBoundary && !decision.isAllowed, "\(caller)")
        }
    }
}
