import AccessPolicy
import Domain
import JSON
import Testing

/// Policies as AWS's documentation prints them, asked what its text says of them.
@Suite("Examples of AWS's documentation")
struct AWSDocumentationTests {
    struct Vector: Sendable {
        var source: String
        var kind: PolicyKind
        var statement: String
        var caller: String
        var action: String
        var resource: String
        var keys: [String: [String]] = [:]
        var organization: (id: String, path: String)?
        var isAllowed: Bool
    }

    static let guide = "docs.aws.amazon.com/eventbridge/latest/userguide/"
    static let iam = "docs.aws.amazon.com/IAM/latest/UserGuide/"
    static let bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
    static let user = "arn:aws:iam::111112222333:user/a"

    static let organizationBus = #"""
        {"Sid":"AllowAllAccountsFromOrganizationToPutEvents","Effect":"Allow","Principal":"*",
         "Action":"events:PutEvents","Resource":"\#(bus)",
         "Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}}
        """#
    static let specificRule = #"""
        {"Sid":"AllowSpecificRulesAsCrossRegionSource","Effect":"Allow",
         "Principal":{"AWS":"arn:aws:iam::111112222333:root"},"Action":"events:PutEvents","Resource":"\#(bus)",
         "Condition":{"ArnEquals":{"aws:SourceArn":[
           "arn:aws:events:us-west-2:111112222333:rule/CrossRegionBus/SendToUSE1AnotherAccount",
           "arn:aws:events:me-south-1:111112222333:rule/CrossRegionBus/SendToUSE1AnotherAccount"]}}}
        """#
    static let sources = #"""
        {"Effect":"Allow","Action":"events:PutRule","Resource":"*",
         "Condition":{"StringEquals":{"events:source":["aws.ec2","aws.autoscaling"]}}}
        """#
    static let forAllSources = #"""
        {"Effect":"Allow","Action":"events:PutRule","Resource":"*","Condition":{
         "ForAllValues:StringEquals":{"events:source":["aws.ec2","aws.s3"]},"Null":{"events:source":"false"}}}
        """#
    static let notPrincipal = #"""
        {"Effect":"Allow","Principal":"*","Action":"events:*","Resource":"*"},
        {"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::444455556666:user/Bob","arn:aws:iam::444455556666:root"]},
         "Action":"events:*","Resource":"*"}
        """#
    static let notPrincipalSession = #"""
        {"Effect":"Allow","Principal":"*","Action":"events:*","Resource":"*"},
        {"Effect":"Deny","NotPrincipal":{"AWS":[
          "arn:aws:sts::444455556666:assumed-role/cross-account-read-only-role/cross-account-audit-app",
          "arn:aws:iam::444455556666:role/cross-account-read-only-role","arn:aws:iam::444455556666:root"]},
         "Action":"events:*","Resource":"*"}
        """#
    static let username = #"""
        {"Effect":"Allow","Action":"events:*",
         "Resource":"arn:aws:events:us-east-1:123456789012:event-bus/${aws:username}"}
        """#

    static func bus(
        _ page: String, _ statement: String, caller: String = user, keys: [String: [String]] = [:],
        organization: (id: String, path: String)? = nil, isAllowed: Bool
    ) -> Vector {
        Vector(
            source: page, kind: .resource, statement: statement, caller: caller, action: "events:PutEvents",
            resource: bus,
            keys: keys, organization: organization, isAllowed: isAllowed)
    }

    static func rule(_ statement: String, _ sources: [String], isAllowed: Bool) -> Vector {
        Vector(
            source: guide + "eb-use-conditions.html", kind: .identity, statement: statement,
            caller: "arn:aws:iam::123456789012:user/a", action: "events:PutRule",
            resource: "arn:aws:events:us-east-1:123456789012:rule/r", keys: ["events:source": sources],
            isAllowed: isAllowed)
    }

    static func named(_ name: String, isAllowed: Bool) -> Vector {
        Vector(
            source: iam + "reference_policies_variables.html", kind: .identity, statement: username,
            caller: "arn:aws:iam::123456789012:" + name, action: "events:PutEvents",
            resource: "arn:aws:events:us-east-1:123456789012:event-bus/ann", isAllowed: isAllowed)
    }

    static let notPrincipalPage = iam + "reference_policies_elements_notprincipal.html"
    static let vectors: [Vector] = [
        bus(
            guide + "eb-event-bus-perms.html", organizationBus, organization: ("o-1234567890", "o-1234567890/r-a/"),
            isAllowed: true),
        bus(
            guide + "eb-event-bus-perms.html", organizationBus, organization: ("o-1234567891", "o-1234567891/r-a/"),
            isAllowed: false),
        bus(guide + "eb-event-bus-perms.html", organizationBus, isAllowed: false),
        bus(
            guide + "eb-event-bus-example-policy-restrict-rule.html", specificRule,
            keys: [
                "aws:SourceArn": ["arn:aws:events:us-west-2:111112222333:rule/CrossRegionBus/SendToUSE1AnotherAccount"]
            ],
            isAllowed: true),
        bus(
            guide + "eb-event-bus-example-policy-restrict-rule.html", specificRule,
            keys: [
                "aws:SourceArn": ["arn:aws:events:us-west-1:111112222333:rule/CrossRegionBus/SendToUSE1AnotherAccount"]
            ],
            isAllowed: false),
        bus(guide + "eb-event-bus-example-policy-restrict-rule.html", specificRule, isAllowed: false),
        rule(sources, ["aws.ec2"], isAllowed: true), rule(sources, ["aws.autoscaling"], isAllowed: true),
        rule(sources, ["aws.ec2", "aws.autoscaling"], isAllowed: false), rule(sources, [], isAllowed: false),
        rule(sources, ["aws.s3"], isAllowed: false), rule(forAllSources, ["aws.ec2", "aws.s3"], isAllowed: true),
        rule(forAllSources, ["aws.ec2", "aws.sns"], isAllowed: false), rule(forAllSources, [], isAllowed: false),
        bus(notPrincipalPage, notPrincipal, caller: "arn:aws:iam::444455556666:user/Bob", isAllowed: true),
        bus(notPrincipalPage, notPrincipal, caller: "arn:aws:iam::444455556666:user/Alice", isAllowed: false),
        bus(notPrincipalPage, notPrincipal, caller: "arn:aws:iam::111112222333:user/Bob", isAllowed: false),
        bus(
            notPrincipalPage, notPrincipalSession,
            caller: "arn:aws:sts::444455556666:assumed-role/cross-account-read-only-role/cross-account-audit-app",
            isAllowed: true),
        bus(
            notPrincipalPage, notPrincipalSession,
            caller: "arn:aws:sts::444455556666:assumed-role/another-role/cross-account-audit-app", isAllowed: false),
        named("user/ann", isAllowed: true), named("user/bob", isAllowed: false), named("role/ann", isAllowed: false),
    ]

    @Test("each answers as the page says", arguments: vectors.indices)
    func answers(index: Int) throws {
        let vector = Self.vectors[index]
        guard let principal = Principal(parsing: vector.caller) else {
            Issue.record("no principal")
            return
        }
        let policy = try AuthorizerTests.policy(vector.statement, vector.kind)
        var facts = ContextFacts()
        for (key, values) in vector.keys { facts.set(ContextKeyName(key), values) }
        let context = RequestContext()
        context.setPrincipal(
            PrincipalFacts(
                principal,
                organization: vector.organization.map { .member(id: $0.id, paths: [$0.path]) } ?? .none))
        context.setResource(ResourceFacts(arn: vector.resource))
        context.beginRequest(action: vector.action, facts)
        let layers =
            vector.kind == .resource
            ? PolicyLayers(resource: policy) : PolicyLayers(principal: PrincipalPolicies(identity: [policy]))
        #expect(Authorizer.decide(context, layers).isAllowed == vector.isAllowed, "\(vector.source) \(vector.caller)")
    }

    @Test(
        "a boundary limits an identity policy and a grant to the role, not a grant that names the caller"
    )
    func boundaries() throws {
        // access_policies_boundaries.html, "Evaluating effective permissions with boundaries"
        let all = try AuthorizerTests.policy(AuthorizerTests.allowAll, .identity)
        let nothing = try AuthorizerTests.policy(
            #"{"Effect":"Allow","Action":"sqs:*","Resource":"*"}"#, .permissionsBoundary)
        func decide(_ caller: String, granted: String) throws -> Decision {
            let policy = try AuthorizerTests.policy(
                #"{"Effect":"Allow","Principal":{"AWS":"\#(granted)"},"Action":"events:*","Resource":"*"}"#)
            return Authorizer.decide(
                AuthorizerTests.context(caller),
                PolicyLayers(resource: policy, principal: PrincipalPolicies(identity: [all], boundaries: [nothing])))
        }
        let user = "arn:aws:iam::222222222222:user/u"
        let role = "arn:aws:iam::222222222222:role/r"
        let session = "arn:aws:sts::222222222222:assumed-role/r/s"
        #expect(try decide(user, granted: user).isAllowed)
        #expect(try decide(session, granted: session).isAllowed)
        let limited = try decide(session, granted: role)
        #expect(limited.effect == .implicitDeny)
        #expect(limited.layer == .permissionsBoundary)
        #expect(try decide(user, granted: "222222222222").layer == .permissionsBoundary)
    }

    /// troubleshoot_access-denied.html
    @Test("a refusal is told in AWS's words")
    func messages() throws {
        let allowAll = #"{"Effect":"Allow","Action":"*","Resource":"*"}"#
        let denyAll = #"{"Effect":"Deny","Action":"*","Resource":"*"}"#
        let open = try AuthorizerTests.policy(#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#)
        let closed = try AuthorizerTests.policy(#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#)
        let other = try AuthorizerTests.policy(#"{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}"#)
        func own(_ text: String) throws -> CompiledPolicy { try AuthorizerTests.policy(text, .identity) }
        let all = try own(allowAll)
        let deny = try own(denyAll)
        let some = try own(#"{"Effect":"Allow","Action":"sqs:*","Resource":"*"}"#)
        let start =
            "User: arn:aws:iam::111111111111:role/publisher is not authorized to perform: "
            + "events:PutEvents on resource: " + AuthorizerTests.bus
        func text(_ layers: PolicyLayers) -> String? {
            Authorizer.explain(AuthorizerTests.context(), layers).message.map { String($0.dropFirst(start.count + 1)) }
        }
        let ours = PrincipalPolicies(identity: [all])
        let because = "because no "
        let tail = " allows the events:PutEvents action"
        #expect(text(PolicyLayers(resource: open, principal: ours)) == nil)
        #expect(text(PolicyLayers(principal: ours)) == because + "resource-based policy" + tail)
        #expect(text(PolicyLayers(resource: closed)) == "with an explicit deny in a resource-based policy")
        #expect(
            text(PolicyLayers(resource: open, principal: .init(identity: [some]))) == because + "identity-based policy"
                + tail)
        #expect(
            text(PolicyLayers(resource: open, principal: .init(identity: [deny])))
                == "with an explicit deny in an identity-based policy")
        #expect(
            text(PolicyLayers(resource: open, principal: .init(identity: [all], boundaries: [some]))) == because
                + "permissions boundary" + tail)
        #expect(
            text(PolicyLayers(resource: open, principal: .init(identity: [all], boundaries: [deny])))
                == "with an explicit deny in a permissions boundary")
        #expect(
            text(PolicyLayers(resource: open, principal: .init(identity: [all], session: [some]))) == because
                + "session policy" + tail)
        #expect(
            text(PolicyLayers(resource: open, principal: .init(identity: [all], session: [deny])))
                == "with an explicit deny in a session policy")
        #expect(
            text(PolicyLayers(resource: open, principal: ours, endpoint: [other])) == because + "VPC endpoint policy"
                + tail)
        #expect(
            text(PolicyLayers(resource: open, principal: ours, endpoint: [closed]))
                == "with an explicit deny in a VPC endpoint policy")
        #expect(
            text(PolicyLayers(resource: open, principal: ours, serviceControl: [[all], [some]])) == because
                + "service control policy" + tail)
        #expect(
            text(PolicyLayers(resource: open, principal: ours, serviceControl: [[all, deny]]))
                == "with an explicit deny in a service control policy")
        #expect(
            text(PolicyLayers(resource: open, principal: ours, resourceControl: [[other]])) == because
                + "resource control policy" + tail)
        #expect(
            text(PolicyLayers(resource: open, principal: ours, resourceControl: [[open, closed]]))
                == "with an explicit deny in a resource control policy")
    }
}
