import AccessPolicy
import Domain
import JSON
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Shipped policies")
struct ShippedPolicyTests {
    static let bus = "arn:aws:events:eu-central-1:222222222222:event-bus/orders"
    static let rule = "arn:aws:events:eu-central-1:222222222222:rule/orders/r"
    static let kinds: [String: PolicyKind] = [
        "orders-bus": .resource,
        "publisher": .identity, "rule-manager": .identity, "target-manager": .identity, "bus-administrator": .identity,
        "partner": .identity, "reader": .identity, "by-team-tag": .identity,
        "boundary-events-only": .permissionsBoundary, "only-account": .resource, "only-organization": .resource,
        "only-organizational-unit": .resource, "only-source-and-detail-type": .resource, "only-endpoint": .resource,
        "only-rule-of-account": .resource, "only-validated": .resource, "endpoint-publish-only": .endpoint,
        "service-control-region": .serviceControl, "resource-control-organization": .resourceControl,
        "trust-external-account": .trust, "trust-with-session-tags": .trust, "by-session-tags": .identity,
        "session-one-source": .session,
    ]

    static var folder: String {
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
            + "/config/policies"
    }

    static func read(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }

    static func names() -> [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { start in
                start.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".json") { names.append(String(name.dropLast(5))) }
        }
        return names.sorted()
    }

    @Test("each is valid, known to this test and saved without a refusal")
    func allAreSaved() throws {
        #expect(Self.names() == Self.kinds.keys.sorted())
        for (name, kind) in Self.kinds {
            let document = try PolicyDocument(parsing: Self.read("\(Self.folder)/\(name).json"), kind: kind)
            #expect(PolicyReview(document).refusals == [], "\(name)")
        }
    }

    /// What is asked of a policy: action, resource, keys, and whether it allows.
    struct Question {
        var name: String
        var action = "events:PutEvents"
        var resource = ShippedPolicyTests.bus
        var caller = "arn:aws:iam::111111111111:role/r"
        var keys: [String: [String]] = [:]
        var organization: [String] = []
        var tags: [(key: String, value: String)] = []
        var isAllowed: Bool
    }

    static let role = "arn:aws:iam::222222222222:role/delivery/worker"
    static let principalTags: [(key: String, value: String)] = [
        ("environment", "test"), ("application", "shop"), ("team", "a"),
    ]

    static func resourceTags(_ team: String) -> [String: [String]] {
        [
            "aws:ResourceTag/environment": ["test"], "aws:ResourceTag/application": ["shop"],
            "aws:ResourceTag/team": [team],
        ]
    }

    static func tagged(_ environment: String) -> [String: [String]] {
        ["aws:TagKeys": ["environment"], "aws:RequestTag/environment": [environment]]
    }

    static let unit = "o-exampleorgid/r-ab12/ou-ab12-11111111/"
    static let questions: [Question] = [
        Question(name: "publisher", isAllowed: true),
        Question(name: "publisher", action: "events:PutRule", resource: rule, isAllowed: false),
        Question(name: "publisher", resource: bus + "2", isAllowed: false),
        Question(name: "rule-manager", action: "events:PutRule", resource: rule, isAllowed: true),
        Question(name: "rule-manager", action: "events:PutTargets", resource: rule, isAllowed: false),
        Question(name: "rule-manager", isAllowed: false),
        Question(
            name: "target-manager", action: "events:PutTargets", resource: rule,
            keys: ["events:TargetArn": ["arn:aws:sqs:eu-central-1:222222222222:q"]], isAllowed: true),
        Question(
            name: "target-manager", action: "events:PutTargets", resource: rule,
            keys: ["events:TargetArn": ["arn:aws:sqs:eu-central-1:222222222222:q", "arn:aws:sqs:eu-central-1:3:q"]],
            isAllowed: false),
        Question(name: "target-manager", action: "events:PutTargets", resource: rule, isAllowed: false),
        Question(
            name: "target-manager", action: "iam:PassRole", resource: "arn:aws:iam::222222222222:role/delivery/q",
            keys: ["iam:PassedToService": ["events.amazonaws.com"]], isAllowed: true),
        Question(
            name: "target-manager", action: "iam:PassRole", resource: "arn:aws:iam::222222222222:role/admin",
            keys: ["iam:PassedToService": ["events.amazonaws.com"]], isAllowed: false),
        Question(name: "bus-administrator", action: "events:DeleteEventBus", isAllowed: true),
        Question(
            name: "bus-administrator", action: "events:DeleteEventBus",
            resource: "arn:aws:events:eu-central-1:222222222222:event-bus/audit", isAllowed: false),
        Question(
            name: "bus-administrator", action: "events:DeleteEventBus",
            resource: "arn:aws:events:eu-central-1:333333333333:event-bus/orders", isAllowed: false),
        Question(
            name: "partner", action: "events:PutPartnerEvents", resource: "*",
            keys: ["events:source": ["aws.partner/acme.example/shop/1"]], isAllowed: true),
        Question(
            name: "partner", action: "events:PutPartnerEvents", resource: "*",
            keys: ["events:source": ["aws.partner/other.example/shop/1"]], isAllowed: false),
        Question(name: "partner", action: "events:PutPartnerEvents", resource: "*", isAllowed: false),
        Question(name: "reader", action: "events:DescribeRule", resource: rule, isAllowed: true),
        Question(name: "reader", action: "events:DeleteRule", resource: rule, isAllowed: false),
        Question(name: "boundary-events-only", isAllowed: true),
        Question(name: "boundary-events-only", action: "iam:PassRole", resource: "*", isAllowed: false),
        Question(name: "only-account", isAllowed: true),
        Question(name: "only-account", caller: "arn:aws:iam::333333333333:role/r", isAllowed: false),
        Question(name: "only-organization", organization: [unit], isAllowed: true),
        Question(name: "only-organization", isAllowed: false),
        Question(name: "only-organizational-unit", organization: [unit], isAllowed: true),
        Question(name: "only-organizational-unit", organization: [unit + "ou-ab12-2/"], isAllowed: true),
        Question(
            name: "only-organizational-unit", organization: ["o-exampleorgid/r-ab12/ou-ab12-22222222/"],
            isAllowed: false),
        Question(
            name: "only-source-and-detail-type",
            keys: ["events:source": ["com.acme.orders"], "events:detail-type": ["OrderPlaced"]], isAllowed: true),
        Question(
            name: "only-source-and-detail-type",
            keys: ["events:source": ["com.acme.orders"], "events:detail-type": ["OrderLost"]], isAllowed: false),
        Question(name: "only-source-and-detail-type", keys: ["events:source": ["com.acme.orders"]], isAllowed: false),
        Question(
            name: "only-endpoint",
            keys: [
                "aws:SourceVpce": ["vpce-partners"], "aws:VpcSourceIp": ["10.20.1.1"], "aws:SecureTransport": ["true"],
            ],
            isAllowed: true),
        Question(
            name: "only-endpoint",
            keys: [
                "aws:SourceVpce": ["vpce-other"], "aws:VpcSourceIp": ["10.20.1.1"], "aws:SecureTransport": ["true"],
            ],
            isAllowed: false),
        Question(
            name: "only-endpoint",
            keys: [
                "aws:SourceVpce": ["vpce-partners"], "aws:VpcSourceIp": ["10.21.1.1"], "aws:SecureTransport": ["true"],
            ],
            isAllowed: false),
        Question(
            name: "only-endpoint",
            keys: [
                "aws:SourceVpce": ["vpce-partners"], "aws:VpcSourceIp": ["2001:db8:20::1"],
                "aws:SecureTransport": ["true"],
            ], isAllowed: true),
        Question(name: "only-endpoint", keys: ["aws:SecureTransport": ["true"]], isAllowed: false),
        Question(
            name: "only-rule-of-account",
            keys: ["aws:SourceArn": ["arn:aws:events:eu-central-1:111111111111:rule/forward"]], isAllowed: true),
        Question(name: "only-rule-of-account", isAllowed: false),
        Question(name: "only-validated", keys: ["isthmus:SchemaValidated": ["true"]], isAllowed: true),
        Question(name: "only-validated", keys: ["isthmus:SchemaValidated": ["false"]], isAllowed: false),
        Question(name: "endpoint-publish-only", organization: [unit], isAllowed: true),
        Question(name: "endpoint-publish-only", action: "events:PutRule", organization: [unit], isAllowed: false),
        Question(name: "service-control-region", keys: ["aws:RequestedRegion": ["eu-central-1"]], isAllowed: true),
        Question(name: "service-control-region", keys: ["aws:RequestedRegion": ["us-east-1"]], isAllowed: false),
        Question(name: "resource-control-organization", organization: [unit], isAllowed: true),
        Question(name: "resource-control-organization", isAllowed: false),
        Question(
            name: "trust-external-account", action: "sts:AssumeRole", resource: role,
            keys: ["sts:ExternalId": ["acme-7"]], isAllowed: true),
        Question(
            name: "trust-external-account", action: "sts:AssumeRole", resource: role,
            keys: ["sts:ExternalId": ["acme-8"]], isAllowed: false),
        Question(name: "trust-external-account", action: "sts:AssumeRole", resource: role, isAllowed: false),
        Question(
            name: "trust-external-account", action: "sts:AssumeRole", resource: role,
            caller: "arn:aws:iam::111111111111:role/s", keys: ["sts:ExternalId": ["acme-7"]], isAllowed: false),
        Question(
            name: "trust-with-session-tags", action: "sts:TagSession", resource: role,
            caller: "arn:aws:iam::222222222222:user/u", keys: tagged("test"), isAllowed: true),
        Question(
            name: "trust-with-session-tags", action: "sts:TagSession", resource: role,
            caller: "arn:aws:iam::222222222222:user/u", keys: tagged("live"), isAllowed: false),
        Question(
            name: "trust-with-session-tags", action: "sts:TagSession", resource: role,
            caller: "arn:aws:iam::222222222222:user/u",
            keys: tagged("test").merging(["aws:TagKeys": ["environment", "owner"]]) { $1 }, isAllowed: false),
        Question(
            name: "trust-with-session-tags", action: "sts:AssumeRole", resource: role,
            caller: "arn:aws:iam::222222222222:user/u", isAllowed: false),
        Question(name: "by-session-tags", keys: resourceTags("a"), tags: principalTags, isAllowed: true),
        Question(name: "by-session-tags", keys: resourceTags("b"), tags: principalTags, isAllowed: false),
        Question(name: "by-session-tags", keys: resourceTags("a"), isAllowed: false),
        Question(name: "by-session-tags", tags: principalTags, isAllowed: false),
        Question(name: "session-one-source", keys: ["events:source": ["com.acme.orders"]], isAllowed: true),
        Question(name: "session-one-source", keys: ["events:source": ["com.acme.refunds"]], isAllowed: false),
        Question(name: "session-one-source", action: "events:DescribeEventBus", isAllowed: false),
        Question(
            name: "by-team-tag", action: "events:PutRule", resource: rule, tags: [("team", "a")], isAllowed: false),
        Question(
            name: "by-team-tag", action: "events:PutRule", resource: rule,
            keys: ["aws:ResourceTag/team": ["a"], "aws:ResourceTag/environment": ["test"]],
            tags: [("team", "a"), ("environment", "test")], isAllowed: true),
        Question(
            name: "by-team-tag", action: "events:PutRule", resource: rule,
            keys: ["aws:ResourceTag/team": ["b"], "aws:ResourceTag/environment": ["test"]],
            tags: [("team", "a"), ("environment", "test")], isAllowed: false),
    ]

    @Test("each decides what its name says", arguments: questions.indices)
    func decides(index: Int) throws {
        let question = Self.questions[index]
        guard let kind = Self.kinds[question.name], let principal = Principal(parsing: question.caller) else {
            Issue.record("unknown \(question.name)")
            return
        }
        let policy = CompiledPolicy(
            try PolicyDocument(parsing: Self.read("\(Self.folder)/\(question.name).json"), kind: kind))
        let everything = #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#
        let all = try CompiledPolicy(parsing: everything, kind: .identity)
        let open = try CompiledPolicy(
            parsing: everything.replacing("{\"Effect\"", with: "{\"Principal\":\"*\",\"Effect\""), kind: .resource)
        var layers = PolicyLayers(resource: open, principal: PrincipalPolicies(identity: [all]))
        switch kind {
        case .identity:
            layers.principal = PrincipalPolicies(identity: [policy])
            // An action without a resource has no resource policy to pass.
            if question.resource == "*" { layers.resource = nil }
        case .trust:
            layers.resource = policy
            layers.isRoleTrust = true
        case .session: layers.principal = PrincipalPolicies(identity: [all], session: [policy])
        case .permissionsBoundary: layers.principal = PrincipalPolicies(identity: [all], boundaries: [policy])
        case .endpoint: layers.endpoint = [policy]
        case .serviceControl: layers.serviceControl = [[policy]]
        case .resourceControl: layers.resourceControl = [[policy]]
        default: layers.resource = policy
        }
        var facts = ContextFacts()
        for (key, values) in question.keys { facts.set(ContextKeyName(key), values) }
        let context = RequestContext()
        context.setPrincipal(
            PrincipalFacts(
                principal,
                organization: question.organization.isEmpty
                    ? .none : .member(id: "o-exampleorgid", paths: question.organization), tags: question.tags))
        context.setResource(ResourceFacts(arn: question.resource))
        context.beginRequest(action: question.action, facts)
        #expect(Authorizer.decide(context, layers).isAllowed == question.isAllowed, "\(question)")
    }
}
