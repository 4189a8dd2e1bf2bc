import Domain
import JSON

/// Who reads a record. Source: POLICY 4.
package enum DecisionView: String, CaseIterable, Sendable {
    /// Code, decision id and facts about the sender's own side.
    case sender
    /// Everything.
    case owner
}

extension DecisionRecord {
    /// The record as JSON: what is stored, and what its owner reads.
    package func bytes() -> [UInt8] {
        var writer = JSONWriter()
        writer.object { write(for: .owner, to: &$0) }
        return writer.bytes
    }

    /// What `view` may read, with the explanation in sentences.
    package func answer(for view: DecisionView) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("view", view.rawValue)
            write(for: view, to: &writer)
            writer.key("explanation")
            writer.array { writer in for line in explanation(for: view) { writer.string(line) } }
        }
        return writer.bytes
    }

    /// INVARIANT: what the sender reads is listed here member by member; a new member is the owner's alone.
    private func write(for view: DecisionView, to writer: inout JSONWriter) {
        let isOwner = view == .owner
        writer.member("decisionId", id.description)
        writer.member("time", time.iso8601)
        writer.member("requestId", requestID.description)
        if let entry { writer.member("entry", entry) }
        writer.key("caller")
        writer.object { caller.write(to: &$0) }
        writer.member("action", question.action)
        writer.member("resource", question.resource)
        writer.member("effect", effect.rawValue)
        writer.member("side", side.rawValue)
        if let answer {
            writer.member("code", answer.code)
            writer.member("message", answer.message)
            if isOwner, let detail = answer.detail { writer.member("detail", detail) }
        }
        let keys = question.keys.filter { isOwner || $0.origin != .resource }
        writer.key("context")
        writer.object { Self.write(keys, to: &$0) }
        if !cutKeys.isEmpty {
            writer.key("cutKeys")
            let names = cutKeys.filter { name in isOwner || keys.contains { $0.name == name } }
            writer.array { writer in for name in names { writer.string(name) } }
        }
        if let reasons { reasons.write(for: view, to: &writer) }
        if isOwner { writeRest(to: &writer) }
    }

    /// What only the owner reads beside the reasons.
    private func writeRest(to writer: inout JSONWriter) {
        if let account = question.resourceAccount { writer.member("resourceAccount", account.description) }
        writer.member("resourceExists", resourceExists)
        writer.member("snapshotRevision", revision)
        writer.key("principal")
        writer.object { writer in
            writer.member("kind", question.principalKind.name)
            writer.member("arn", question.principal)
            if !question.role.isEmpty { writer.member("role", question.role) }
            if !question.service.isEmpty { writer.member("service", question.service) }
            if let account = question.principalAccount { writer.member("account", account.description) }
        }
    }

    private static func write(_ keys: [DecisionQuestion.Key], to writer: inout JSONWriter) {
        for region in RequestContext.Region.allCases {
            let keys = keys.filter { $0.origin == region }
            guard !keys.isEmpty else { continue }
            writer.key(named: region.name)
            writer.object { writer in
                for key in keys {
                    writer.key(named: key.name)
                    if key.isUnknown { writer.null() } else { writer.texts(key.values) }
                }
            }
        }
    }
}

extension DecisionRecord.Caller {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.member("principal", principal)
        writer.member("account", account)
        if let organizationPath { writer.member("organizationPath", organizationPath) }
        if let trustDomain { writer.member("trustDomain", trustDomain) }
        if let accessKeyID { writer.member("accessKeyId", accessKeyID) }
        writer.member("endpoint", endpoint)
        writer.member("sourceAddress", sourceAddress)
    }
}

extension DecisionRecord.Reasons {
    fileprivate func write(for view: DecisionView, to writer: inout JSONWriter) {
        let isOwner = view == .owner
        let shown = isOwner ? looks : looks.filter(\.isSendersOwn).map(\.withoutResource)
        writer.member("ownSideElsewhere", isOwnSideElsewhere)
        writer.key("statements")
        writer.array { writer in for look in shown { look.write(to: &writer) } }
        let miss = isOwner ? nearestMiss : nearestMiss.flatMap { $0.isSendersOwn ? $0.withoutResource : nil }
        if let miss {
            writer.key("nearestMiss")
            miss.write(to: &writer)
        }
        guard isOwner else { return }
        writer.member("layer", layer.name)
        writer.member("budgetExceeded", isBudgetExceeded)
        if looksLeftOut > 0 { writer.member("statementsLeftOut", looksLeftOut) }
        writer.key("verdicts")
        writer.object { writer in
            for (layer, verdict) in verdicts.all { writer.member(named: layer.name, verdict.rawValue) }
        }
    }
}

extension Explanation.Look {
    /// Whether the statement is on the sender's own side.
    var isSendersOwn: Bool { [.identity, .permissionsBoundary, .session, .serviceControl].contains(layer) }

    /// The look without what it read of the resource, which is the owner's to show.
    var withoutResource: Explanation.Look {
        guard case .failed(let element, let comparison, let key?, let wanted, _) = outcome,
            ContextKeyName(key).isOfResource
        else { return self }
        var look = self
        look.outcome = .failed(
            element: element, comparison: comparison, key: key, wanted: wanted,
            got: ["not shown: it belongs to the owner of the resource"])
        return look
    }

    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("layer", layer.name)
            writer.member("level", level)
            writer.member("policy", policy)
            if !policyName.isEmpty { writer.member("policyName", policyName) }
            writer.member("statement", statement)
            if let sid { writer.member("sid", sid) }
            writer.member("effect", effect.rawValue)
            writer.member("progress", progress)
            switch outcome {
            case .matched: writer.member("outcome", "matched")
            case .abandoned: writer.member("outcome", "abandoned")
            case .failed(let element, let comparison, let key, let wanted, let got):
                writer.member("outcome", "missed")
                writer.member("element", element)
                if let comparison { writer.member("operator", comparison) }
                if let key { writer.member("key", key) }
                writer.key("wanted")
                writer.array { writer in for value in wanted { writer.string(value) } }
                writer.key("got")
                guard let got else { return writer.null() }
                writer.array { writer in for value in got { writer.string(value) } }
            }
        }
    }
}

extension ContextKeyName {
    /// Whether the value says something about the resource that its ARN does not.
    var isOfResource: Bool {
        switch self {
        case .known(.resourceOrgID), .known(.resourceOrgPaths), .named(.resourceTag, _): true
        default: false
        }
    }
}

extension LayerVerdicts {
    /// Every layer with its verdict.
    var all: [(layer: Decision.Layer, verdict: Verdict)] {
        [
            (.resourceControl, resourceControl), (.serviceControl, serviceControl), (.endpoint, endpoint),
            (.identity, identity), (.permissionsBoundary, permissionsBoundary), (.session, session),
        ]
    }
}

extension JSONWriter {
    fileprivate mutating func member(named key: String, _ value: String) {
        self.key(named: key)
        string(value)
    }

    /// One value as a string, several as an array.
    fileprivate mutating func texts(_ values: [String]) {
        if values.count == 1 { return string(values[0]) }
        array { writer in for value in values { writer.string(value) } }
    }
}
