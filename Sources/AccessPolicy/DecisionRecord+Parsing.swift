import Domain
package import JSON

/// Why a record cannot be read.
package enum DecisionRecordError: Error, Equatable, Sendable {
    case json(JSONError)
    /// The member is missing or is not what the writer makes.
    case malformed(member: String)
}

extension DecisionRecordError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .json(let error): "the record is not JSON: \(error)"
        case .malformed(let member): "the record's `\(member)` is missing or malformed"
        }
    }
}

extension DecisionRecord {
    /// The largest record. Source: the limits of a record, its looks and keys full of the longest values.
    package static let bytesLimit = 16 << 20

    /// Reads what `bytes()` wrote.
    package init(parsing bytes: [UInt8]) throws(DecisionRecordError) {
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: bytes, maximumBytes: Self.bytesLimit) } catch {
            throw .json(error)
        }
        try self.init(node)
    }

    /// Reads what `bytes()` wrote.
    package init(_ node: JSONNode) throws(DecisionRecordError) {
        let reader = MemberReader(node)
        let principal = MemberReader(try reader.node("principal"))
        let account = try principal.optionalText("account")
        let owner = try reader.optionalText("resourceAccount")
        self.init(
            id: try reader.uniqueID("decisionId"), time: try reader.time("time"),
            requestID: try reader.uniqueID("requestId"), entry: node["entry"]?.int,
            caller: try Caller(MemberReader(try reader.node("caller"))),
            question: DecisionQuestion(
                principalKind: try principal.choice("kind") { PrincipalFacts.Kind(name: $0) },
                principal: try principal.text("arn"), role: try principal.optionalText("role") ?? "",
                service: try principal.optionalText("service") ?? "",
                principalAccount: account.flatMap { AccountID(parsing: $0) }, action: try reader.text("action"),
                resource: try reader.text("resource"), resourceAccount: owner.flatMap { AccountID(parsing: $0) },
                keys: try Self.keys(try reader.node("context"))),
            resourceExists: node["resourceExists"]?.bool ?? true,
            revision: node["snapshotRevision"]?.uint64 ?? 0,
            effect: try reader.choice("effect") { Decision.Effect(rawValue: $0) },
            side: try reader.choice("side") { Decision.Side(rawValue: $0) }, answer: try Self.answer(reader),
            reasons: node["verdicts"] == nil ? nil : try Reasons(reader),
            cutKeys: (node["cutKeys"]?.array ?? []).compactMap(\.string))
    }

    private static func answer(_ reader: MemberReader) throws(DecisionRecordError) -> Answer? {
        guard let code = try reader.optionalText("code") else { return nil }
        return Answer(code: code, message: try reader.text("message"), detail: try reader.optionalText("detail"))
    }

    private static func keys(_ node: JSONNode) throws(DecisionRecordError) -> [DecisionQuestion.Key] {
        var keys: [DecisionQuestion.Key] = []
        for region in RequestContext.Region.allCases {
            for member in node[region.name]?.object ?? [] {
                let values = (member.value.array ?? [member.value]).compactMap(\.string)
                guard member.value.isNull || member.value.string != nil || member.value.array != nil else {
                    throw .malformed(member: "context")
                }
                keys.append(.init(member.key, values, isUnknown: member.value.isNull, origin: region))
            }
        }
        return keys
    }
}

extension DecisionRecord.Caller {
    fileprivate init(_ reader: MemberReader) throws(DecisionRecordError) {
        self.init(
            principal: try reader.text("principal"), account: try reader.text("account"),
            organizationPath: try reader.optionalText("organizationPath"),
            trustDomain: try reader.optionalText("trustDomain"),
            accessKeyID: try reader.optionalText("accessKeyId"), endpoint: try reader.text("endpoint"),
            sourceAddress: try reader.text("sourceAddress"))
    }
}

extension DecisionRecord.Reasons {
    fileprivate init(_ reader: MemberReader) throws(DecisionRecordError) {
        var looks: [Explanation.Look] = []
        for node in try reader.node("statements").array ?? [] {
            looks.append(try Explanation.Look(MemberReader(node)))
        }
        self.init(
            layer: try reader.choice("layer") { Decision.Layer(name: $0) },
            isOwnSideElsewhere: reader.members["ownSideElsewhere"]?.bool ?? false,
            isBudgetExceeded: reader.members["budgetExceeded"]?.bool ?? false, looks: looks,
            looksLeftOut: reader.members["statementsLeftOut"]?.int ?? 0,
            nearestMiss: try reader.members["nearestMiss"].map { node throws(DecisionRecordError) in
                try Explanation.Look(MemberReader(node))
            }, verdicts: try LayerVerdicts(MemberReader(try reader.node("verdicts"))))
    }
}

extension LayerVerdicts {
    fileprivate init(_ reader: MemberReader) throws(DecisionRecordError) {
        self.init()
        func verdict(_ layer: Decision.Layer) throws(DecisionRecordError) -> Verdict {
            try reader.choice(layer.name) { Verdict(rawValue: $0) }
        }
        resourceControl = try verdict(.resourceControl)
        serviceControl = try verdict(.serviceControl)
        endpoint = try verdict(.endpoint)
        identity = try verdict(.identity)
        permissionsBoundary = try verdict(.permissionsBoundary)
        session = try verdict(.session)
    }
}

extension Explanation.Look {
    fileprivate init(_ reader: MemberReader) throws(DecisionRecordError) {
        let outcome: Explanation.Outcome
        switch try reader.text("outcome") {
        case "matched": outcome = .matched
        case "abandoned": outcome = .abandoned
        case "missed":
            outcome = .failed(
                element: try reader.text("element"), comparison: try reader.optionalText("operator"),
                key: try reader.optionalText("key"),
                wanted: (reader.members["wanted"]?.array ?? []).compactMap(\.string),
                got: reader.members["got"]?.array?.compactMap(\.string))
        default: throw .malformed(member: "outcome")
        }
        self.init(
            layer: try reader.choice("layer") { Decision.Layer(name: $0) }, level: try reader.integer("level"),
            policy: try reader.integer("policy"), policyName: try reader.optionalText("policyName") ?? "",
            statement: try reader.integer("statement"), sid: try reader.optionalText("sid"),
            effect: try reader.choice("effect") { Effect(rawValue: $0) }, outcome: outcome,
            progress: try reader.integer("progress"))
    }
}

/// Members of one object of a record.
private struct MemberReader {
    let members: JSONNode

    init(_ node: JSONNode) { members = node }

    func node(_ name: String) throws(DecisionRecordError) -> JSONNode {
        guard let node = members[name] else { throw .malformed(member: name) }
        return node
    }

    func text(_ name: String) throws(DecisionRecordError) -> String {
        guard let text = members[name]?.string else { throw .malformed(member: name) }
        return text
    }

    func optionalText(_ name: String) throws(DecisionRecordError) -> String? {
        members[name] == nil ? nil : try text(name)
    }

    func integer(_ name: String) throws(DecisionRecordError) -> Int {
        guard let number = members[name]?.int else { throw .malformed(member: name) }
        return number
    }

    func choice<Value>(
        _ name: String, _ read: (String) -> Value?
    ) throws(DecisionRecordError) -> Value {
        guard let value = read(try text(name)) else { throw .malformed(member: name) }
        return value
    }

    func uniqueID(_ name: String) throws(DecisionRecordError) -> UniqueID {
        try choice(name) { UniqueID(parsing: $0.utf8) }
    }

    func time(_ name: String) throws(DecisionRecordError) -> Timestamp {
        try choice(name) { Timestamp(ofRecord: $0) }
    }
}

extension Timestamp {
    /// Reads `2026-11-21T06:00:00Z` or `2026-11-21T06:00:00.123Z`, as `iso8601` writes it.
    fileprivate init?(ofRecord text: String) {
        let digits = text.utf8.filter { (0x30...0x39).contains($0) }.map { Int($0 - 0x30) }
        guard digits.count == 14 || digits.count == 17 else { return nil }
        func number(_ range: Range<Int>) -> Int { digits[range].reduce(0) { 10 * $0 + $1 } }
        let calendar = Calendar(
            year: number(0..<4), month: number(4..<6), day: number(6..<8), hour: number(8..<10),
            minute: number(10..<12), second: number(12..<14))
        guard let second = Timestamp(calendar: calendar) else { return nil }
        self.init(milliseconds: second.milliseconds + Int64(number(14..<digits.count)))
        guard iso8601 == text else { return nil }
    }
}
