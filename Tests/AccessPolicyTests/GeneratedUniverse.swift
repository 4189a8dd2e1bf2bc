import TestKit

/// A small universe of policies and requests from a seed.
struct GeneratedUniverse {
    private var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed) }

    mutating func below(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }
    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }
    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    mutating func some<Element>(_ elements: [Element], _ count: ClosedRange<Int>) -> [Element] {
        (0..<(count.lowerBound + below(count.count))).map { _ in pick(elements) }
    }

    static let accounts = ["111111111111", "222222222222", "333333333333"]
    static let principals: [(key: String, value: String)] =
        [("AWS", "*"), ("Service", "events.amazonaws.com")]
        + accounts.flatMap { account -> [(key: String, value: String)] in
            [
                ("AWS", account), ("AWS", "arn:aws:iam::\(account):root"), ("AWS", "arn:aws:iam::\(account):user/ann"),
                ("AWS", "arn:aws:iam::\(account):role/pub"),
                ("AWS", "arn:aws:sts::\(account):assumed-role/pub/s1"),
            ]
        }
    static let actions = [
        "*", "events:*", "events:Put*", "events:PutEvents", "events:putevents", "events:PutRule", "events:?utEvents",
        "sqs:SendMessage", "events:*Rule",
    ]
    static let resources = [
        "*", "arn:aws:events:eu-central-1:222222222222:event-bus/orders",
        "arn:aws:events:eu-central-1:222222222222:event-bus/*", "arn:aws:events:*:222222222222:*",
        "arn:aws:events:eu-*", "arn:aws:events:eu-central-1:*:event-bus/o?ders", "arn:aws:sqs:*:*:*",
        "arn:aws:events:eu-central-1:222222222222:event-bus/${aws:PrincipalTag/team}",
        "arn:aws:events:eu-central-1:${aws:PrincipalAccount}:event-bus/*",
        "arn:aws:events:eu-central-1:222222222222:event-bus/${aws:PrincipalTag/team, 'orders'}",
        "arn:aws:events:eu-central-1:222222222222:*/${aws:PrincipalTag/pair}", "arn:aws:*:*:*:event-bus/${*}",
    ]
    static let keys: [(key: String, values: [String], wanted: [String])] = [
        (
            "events:source", ["com.acme.orders", "com.acme.stock", "COM.ACME.ORDERS", ""],
            ["com.acme.orders", "com.acme.*", "com.?cme.stock", "*", "", "com.${aws:PrincipalTag/team}.*"]
        ),
        (
            "events:TargetArn",
            ["arn:aws:sqs:eu-central-1:222222222222:q", "arn:aws:sqs:eu-central-1:1:a:b", "nonsense"],
            ["arn:aws:sqs:*:*:*", "arn:aws:sqs:eu-central-1:222222222222:q", "arn:*:*:*:*:?", "arn:aws:sqs:*"]
        ),
        ("isthmus:Hops", ["0", "1", "2.5", "1e1", "many"], ["1", "2", "2.50", "10"]),
        (
            "aws:CurrentTime", ["2026-11-21T06:00:00Z", "2026-01-01T00:00:00Z", "1795240800", "later"],
            ["2026-11-21T06:00:00Z", "2026-06-01T12:30:15Z", "1795240800"]
        ),
        ("aws:SecureTransport", ["true", "false", "maybe"], ["true", "false"]),
        ("aws:SourceIp", ["10.1.2.3", "10.1.3.3", "192.0.2.1", "x"], ["10.1.2.0/24", "10.0.0.0/8", "192.0.2.1"]),
        ("aws:PrincipalTag/Team", ["orders", "Orders", "acme"], ["orders", "ORDERS", "o*", "acme"]),
        ("aws:TagKeys", ["a", "b", "c"], ["a", "b", "?"]),
        ("isthmus:CertificateFingerprint", ["AAEC", "/+8="], ["AAEC", "/+8=", "AAED"]),
    ]
    static let operators = [
        "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike",
        "StringNotLike", "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals",
        "NumericGreaterThan", "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan",
        "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress",
        "NotIpAddress", "ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike",
    ]

    /// Keys that an operator's values can be written for.
    static func suits(_ name: String, _ key: String) -> Bool {
        switch name {
        case _ where name.hasPrefix("String"): true
        case _ where name.hasPrefix("Numeric"): key == "isthmus:Hops"
        case _ where name.hasPrefix("Date"): key == "aws:CurrentTime"
        case "Bool": key == "aws:SecureTransport"
        case "BinaryEquals": key == "isthmus:CertificateFingerprint"
        case _ where name.hasSuffix("IpAddress"): key == "aws:SourceIp"
        default: key == "events:TargetArn"
        }
    }

    mutating func condition() -> NaivePolicy.Condition {
        if chance(8) {
            return NaivePolicy.Condition(name: "Null", key: pick(Self.keys).key, values: [pick(["true", "false"])])
        }
        let name = pick(Self.operators)
        let key = pick(Self.keys.filter { Self.suits(name, $0.key) })
        let set = chance(25) ? pick(["ForAllValues:", "ForAnyValue:"]) : ""
        return NaivePolicy.Condition(
            name: set + name + (chance(15) ? "IfExists" : ""), key: key.key, values: some(key.wanted, 1...3))
    }

    mutating func statement(named: Bool) -> NaivePolicy.Statement {
        var conditions: [NaivePolicy.Condition] = []
        for _ in 0..<below(3) {
            let condition = condition()
            if !conditions.contains(where: { $0.name == condition.name && $0.key == condition.key }) {
                conditions.append(condition)
            }
        }
        return NaivePolicy.Statement(
            effect: chance(25) ? "Deny" : "Allow", principal: named ? some(Self.principals, 1...3) : nil,
            isPrincipalNegated: named && chance(10), actions: some(Self.actions, 1...3), isActionNegated: chance(10),
            resources: some(Self.resources, 1...3), isResourceNegated: chance(10), conditions: conditions)
    }

    mutating func policy(named: Bool, _ count: ClosedRange<Int> = 1...4) -> NaivePolicy {
        NaivePolicy(statements: (0..<(count.lowerBound + below(count.count))).map { _ in statement(named: named) })
    }

    mutating func layers() -> NaiveEvaluator.Layers {
        var layers = NaiveEvaluator.Layers()
        if chance(75) { layers.resource = policy(named: true) }
        for _ in 0..<below(3) { layers.identity.append(policy(named: false)) }
        if chance(20) { layers.boundaries = [policy(named: false)] }
        if chance(15) { layers.session = [policy(named: false)] }
        if chance(15) { layers.endpoint = [policy(named: true)] }
        if chance(12) { layers.serviceControl = (0..<(1 + below(2))).map { _ in [policy(named: false)] } }
        if chance(12) { layers.resourceControl = (0..<(1 + below(2))).map { _ in [policy(named: true)] } }
        return layers
    }

    mutating func request() -> NaiveRequest {
        let caller = pick([NaiveRequest.Caller.user, .user, .session, .session, .service, .anonymous])
        let account = pick(Self.accounts)
        let bus = "arn:aws:events:eu-central-1:222222222222:event-bus/" + pick(["orders", "stock", "a:b"])
        var request = NaiveRequest(
            caller: caller, arn: "", roleARN: "", account: account,
            action: pick(["events:PutEvents", "events:PutRule"]),
            resource: bus, resourceAccount: "222222222222", context: [:])
        switch caller {
        case .user: request.arn = "arn:aws:iam::\(account):user/ann"
        case .session:
            request.arn = "arn:aws:sts::\(account):assumed-role/pub/s1"
            request.roleARN = "arn:aws:iam::\(account):role/pub"
        case .service:
            request.arn = "events.amazonaws.com"
            request.account = ""
        case .anonymous: request.account = ""
        }
        if !request.account.isEmpty { request.context["aws:principalaccount"] = [request.account] }
        for key in Self.keys where chance(60) {
            let isMany = ["events:source", "events:TargetArn", "aws:TagKeys"].contains(key.key) && chance(40)
            let values = isMany ? some(key.values, 0...3) : [pick(key.values)]
            request.context[key.key.lowercased()] = values
        }
        if chance(30) { request.context["aws:principaltag/pair"] = [pick(["a:b", "orders", "*"])] }
        return request
    }
}
