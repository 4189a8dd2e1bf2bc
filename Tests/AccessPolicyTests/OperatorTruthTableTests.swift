import AccessPolicy
import Domain
import Testing

/// Every operator × what the request says × qualifier × effect, with the expectation taken from AWS's sentences.
@Suite("Operator truth tables")
struct OperatorTruthTableTests {
    /// An operator with a value the policy wants, one of the request that compares true, and one that compares false.
    struct Row: Sendable {
        var name: String
        var key: String
        var wanted: String
        var equal: String
        var other: String
        var isNegated: Bool { name.contains("Not") }
    }

    static let arn = "arn:aws:sqs:eu-central-1:111111111111:q"
    static let rows: [Row] = [
        Row(name: "StringEquals", key: "aws:TagKeys", wanted: "a", equal: "a", other: "A"),
        Row(name: "StringNotEquals", key: "aws:TagKeys", wanted: "a", equal: "a", other: "A"),
        Row(name: "StringEqualsIgnoreCase", key: "aws:TagKeys", wanted: "a", equal: "A", other: "b"),
        Row(name: "StringNotEqualsIgnoreCase", key: "aws:TagKeys", wanted: "a", equal: "A", other: "b"),
        Row(name: "StringLike", key: "aws:TagKeys", wanted: "a*c?", equal: "abcd", other: "abc"),
        Row(name: "StringNotLike", key: "aws:TagKeys", wanted: "a*c?", equal: "abcd", other: "abc"),
        Row(name: "NumericEquals", key: "isthmus:Hops", wanted: "2", equal: "2.0", other: "3"),
        Row(name: "NumericNotEquals", key: "isthmus:Hops", wanted: "2", equal: "2.0", other: "3"),
        Row(name: "NumericLessThan", key: "isthmus:Hops", wanted: "2", equal: "1.9", other: "2"),
        Row(name: "NumericLessThanEquals", key: "isthmus:Hops", wanted: "2", equal: "2", other: "2.1"),
        Row(name: "NumericGreaterThan", key: "isthmus:Hops", wanted: "2", equal: "3", other: "2"),
        Row(name: "NumericGreaterThanEquals", key: "isthmus:Hops", wanted: "2", equal: "2", other: "-2"),
        Row(
            name: "DateEquals", key: "aws:CurrentTime", wanted: "2026-01-01T00:00:00Z", equal: "1767225600",
            other: "2025"),
        Row(
            name: "DateNotEquals", key: "aws:CurrentTime", wanted: "2026-01-01", equal: "2026", other: "2025"),
        Row(name: "DateLessThan", key: "aws:CurrentTime", wanted: "2026", equal: "2025-12-31T23:59:59Z", other: "2026"),
        Row(name: "DateLessThanEquals", key: "aws:CurrentTime", wanted: "2026", equal: "2026", other: "2026-01-02"),
        Row(
            name: "DateGreaterThan", key: "aws:CurrentTime", wanted: "2026", equal: "2026-01-01T00:00:01Z",
            other: "2026"),
        Row(
            name: "DateGreaterThanEquals", key: "aws:CurrentTime", wanted: "2026", equal: "2026-01-01T01:00:00+01:00",
            other: "2026-01-01T00:59:59+01:00"),
        Row(name: "Bool", key: "aws:SecureTransport", wanted: "true", equal: "true", other: "false"),
        Row(name: "BinaryEquals", key: "isthmus:CertificateFingerprint", wanted: "AAEC", equal: "AAEC", other: "AAED"),
        Row(name: "IpAddress", key: "aws:SourceIp", wanted: "2001:db8::/32", equal: "2001:db8:1::1", other: "10.0.0.1"),
        Row(name: "NotIpAddress", key: "aws:SourceIp", wanted: "10.0.0.0/8", equal: "10.255.0.1", other: "11.0.0.1"),
        Row(
            name: "ArnEquals", key: "events:TargetArn", wanted: "arn:aws:sqs:*:111111111111:?", equal: arn,
            other: arn + "q"),
        Row(
            name: "ArnNotEquals", key: "events:TargetArn", wanted: "arn:aws:sqs:*:111111111111:?", equal: arn,
            other: arn + "q"),
        Row(
            name: "ArnLike", key: "events:TargetArn", wanted: "arn:aws:*:*:*:*", equal: arn,
            other: "arn:aws-cn:sqs:a:b:c"),
        Row(
            name: "ArnNotLike", key: "events:TargetArn", wanted: "arn:aws:*:*:*:*", equal: arn,
            other: "arn:aws-cn:sqs:a:b:c"),
    ]

    enum Said: CaseIterable { case equal, other, absent, emptySet, allEqual, mixed, allOther }
    enum Qualifier: String, CaseIterable { case plain = "", forAll = "ForAllValues:", forAny = "ForAnyValue:" }

    static func values(_ row: Row, _ said: Said) -> [String]? {
        switch said {
        case .equal: [row.equal]
        case .other: [row.other]
        case .absent: nil
        case .emptySet: []
        case .allEqual: [row.equal, row.equal]
        case .mixed: [row.equal, row.other]
        case .allOther: [row.other, row.other]
        }
    }

    /// AWS: a missing key fails a plain operator, satisfies a negated one, `IfExists` and `ForAllValues`, and fails
    /// `ForAnyValue`; an empty set is as a missing key. `ForAllValues` wants each value of the request, `ForAnyValue`
    /// one.
    static func expectation(_ row: Row, _ said: Said, _ qualifier: Qualifier, ifExists: Bool, isDeny: Bool) -> Bool {
        let holds: [Bool]
        switch said {
        case .absent, .emptySet:
            if ifExists { return true }
            switch qualifier {
            case .plain: return row.isNegated
            case .forAll: return true
            case .forAny: return false
            }
        case .equal: holds = [!row.isNegated]
        case .other: holds = [row.isNegated]
        case .allEqual: holds = [!row.isNegated, !row.isNegated]
        case .mixed: holds = [!row.isNegated, row.isNegated]
        case .allOther: holds = [row.isNegated, row.isNegated]
        }
        switch qualifier {
        case .forAll: return holds.allSatisfy { $0 }
        case .forAny: return holds.contains(true)
        case .plain:
            if holds.count == 1 { return holds[0] }
            // "Multivalued context keys require a condition set operator": without one, never the better for the
            // caller.
            if isDeny { return row.isNegated || said != .allOther }
            return row.isNegated && said == .allOther
        }
    }

    @Test("every operator, qualifier and effect answers as AWS's text says", arguments: rows.indices)
    func cells(index: Int) throws {
        let row = Self.rows[index]
        var cells = 0
        for said in Said.allCases {
            for qualifier in Qualifier.allCases {
                for ifExists in [false, true] {
                    for isDeny in [false, true] {
                        let word = isDeny ? "Deny" : "Allow"
                        let name = qualifier.rawValue + row.name + (ifExists ? "IfExists" : "")
                        let condition = #""Condition":{"\#(name)":{"\#(row.key)":"\#(row.wanted)"}}"#
                        let open = #"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#
                        let tested =
                            #"{"Effect":"\#(word)","Principal":"*","Action":"*","Resource":"*",\#(condition)}"#
                        let policy = try AuthorizerTests.policy(isDeny ? open + "," + tested : tested)
                        var facts = ContextFacts()
                        if let values = Self.values(row, said) { facts.set(ContextKeyName(row.key), values) }
                        let context = RequestContext()
                        context.setResource(ResourceFacts(arn: AuthorizerTests.bus))
                        context.beginRequest(action: "events:PutEvents", facts)
                        let effect = Authorizer.decide(context, PolicyLayers(resource: policy)).effect
                        let applies = Self.expectation(row, said, qualifier, ifExists: ifExists, isDeny: isDeny)
                        let expected: Decision.Effect =
                            isDeny ? (applies ? .explicitDeny : .allow) : (applies ? .allow : .implicitDeny)
                        #expect(effect == expected, "\(name) \(said) \(isDeny ? "Deny" : "Allow")")
                        cells += 1
                    }
                }
            }
        }
        #expect(cells == 84)
    }

    @Test("every operator AWS documents has its row")
    func complete() {
        #expect(Set(Self.rows.map(\.name)).union(["Null"]) == Set(ConditionOperator.names.map(\.name)))
        for name in ConditionOperator.names { #expect(ConditionOperator(parsing: name.name)?.description == name.name) }
    }

    @Test("`Null` asks whether the key is there", arguments: [true, false], [true, false])
    func null(wantsAbsent: Bool, isThere: Bool) throws {
        let policy = try AuthorizerTests.policy(
            #"""
            {"Effect":"Allow","Principal":"*","Action":"*","Resource":"*",
             "Condition":{"Null":{"aws:username":"\#(wantsAbsent)"}}}
            """#)
        var facts = ContextFacts()
        if isThere { facts.set(.username, "ann") }
        let context = RequestContext()
        context.setResource(ResourceFacts(arn: AuthorizerTests.bus))
        context.beginRequest(action: "events:PutEvents", facts)
        let isAllowed = Authorizer.decide(context, PolicyLayers(resource: policy)).isAllowed
        #expect(isAllowed == (wantsAbsent != isThere))
    }

    @Test("a value that cannot be read, or is not known now, helps no caller", arguments: rows.indices)
    func failsClosed(index: Int) throws {
        let row = Self.rows[index]
        let isText = row.name.hasPrefix("String")
        for isDeny in [false, true] {
            for isKnown in [true, false] where !(isText && isKnown) {
                let word = isDeny ? "Deny" : "Allow"
                let condition = #""Condition":{"\#(row.name)":{"\#(row.key)":"\#(row.wanted)"}}"#
                let open = #"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#
                let tested =
                    #"{"Effect":"\#(word)","Principal":"*","Action":"*","Resource":"*",\#(condition)}"#
                let policy = try AuthorizerTests.policy(isDeny ? open + "," + tested : tested)
                var facts = ContextFacts()
                if isKnown {
                    facts.set(ContextKeyName(row.key), ["!"])
                } else if case .known(let key) = ContextKeyName(row.key) {
                    facts.setUnknown(key)
                }
                let context = RequestContext()
                context.setResource(ResourceFacts(arn: AuthorizerTests.bus))
                context.beginRequest(action: "events:PutEvents", facts)
                #expect(!Authorizer.decide(context, PolicyLayers(resource: policy)).isAllowed, "\(row.name)")
            }
        }
    }
}
