import Domain
import JSON

/// One question of a batch, read and compiled.
struct SimulationRequest {
    let context: RequestContext
    let layers: PolicyLayers

    private static let members = [
        "id", "principal", "action", "resource", "context", "identityPolicies", "permissionBoundaries",
        "sessionPolicies",
        "serviceControlPolicies", "resourceControlPolicies", "endpointPolicies",
    ]

    init(
        _ node: JSONNode, compatibility: PolicyReview.Compatibility, limits: PolicyLimits
    ) throws(SimulationError) {
        guard let members = node.object else { throw .invalidRequest(.wrongKind("request", wanted: "an object")) }
        for member in members where !Self.members.contains(member.key) {
            throw .invalidRequest(.wrongKind(member.key, wanted: "a member of a request, remove it"))
        }
        guard let action = node["action"]?.string, StatementReader.isAction(action), !action.contains("*") else {
            throw .invalidRequest(.missing("action"))
        }
        guard let resource = node["resource"], let arn = resource["arn"]?.string, !arn.isEmpty else {
            throw .invalidRequest(.missing("resource.arn"))
        }
        let reader = DocumentReader(compatibility: compatibility, limits: limits)
        let asked = try Self.facts(node["context"])
        let caller = try Self.principal(node["principal"], asked)
        context = RequestContext()
        context.setPrincipal(caller)
        context.setResource(
            ResourceFacts(
                arn: arn, account: try Self.account(resource["account"], "resource.account"),
                tags: try Self.tags(resource["tags"], "resource.tags")))
        context.beginRequest(action: action)
        var document: CompiledPolicy?
        if let policy = resource["policy"], !policy.isNull {
            document = try reader.policy(policy, .resource, "resource.policy")
        }
        let own = PrincipalPolicies(
            identity: try reader.policies(node, "identityPolicies", .identity),
            boundaries: try reader.policies(node, "permissionBoundaries", .permissionsBoundary),
            session: try reader.policies(node, "sessionPolicies", .session))
        layers = PolicyLayers(
            resource: document, principal: own, endpoint: try reader.policies(node, "endpointPolicies", .endpoint),
            serviceControl: try reader.levels(node, "serviceControlPolicies", .serviceControl),
            resourceControl: try reader.levels(node, "resourceControlPolicies", .resourceControl))
    }

    private static func facts(_ node: JSONNode?) throws(SimulationError) -> ContextFacts {
        var facts = ContextFacts()
        guard let node, !node.isNull else { return facts }
        guard let members = node.object else { throw .invalidRequest(.wrongKind("context", wanted: "an object")) }
        for member in members {
            var values: [String] = []
            for value in member.value.array ?? [member.value] where !value.isNull {
                guard let text = text(value) else {
                    throw .invalidRequest(.wrongKind("context." + member.key, wanted: "a string or a list of strings"))
                }
                values.append(text)
            }
            facts.set(ContextKeyName(member.key), values)
        }
        return facts
    }

    private static func text(_ node: JSONNode) -> String? {
        switch node {
        case .string(let text): text
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .unsigned(let value): String(value)
        case .double(let value): value.description
        case .object, .array, .null: nil
        }
    }

    private static func account(_ node: JSONNode?, _ name: String) throws(SimulationError) -> AccountID? {
        guard let node, !node.isNull else { return nil }
        guard let text = node.string, let account = AccountID(parsing: text) else {
            throw .invalidRequest(.wrongKind(name, wanted: "an account id of 12 digits"))
        }
        return account
    }

    private static func tags(
        _ node: JSONNode?, _ name: String
    ) throws(SimulationError) -> [(key: String, value: String)] {
        guard let node, !node.isNull else { return [] }
        guard let members = node.object else { throw .invalidRequest(.wrongKind(name, wanted: "an object")) }
        var tags: [(key: String, value: String)] = []
        for member in members {
            guard let value = text(member.value) else {
                throw .invalidRequest(.wrongKind(name + "." + member.key, wanted: "a string"))
            }
            tags.append((member.key, value))
        }
        return tags
    }

    /// What the request's context states comes before what follows from the principal.
    private static func principal(_ node: JSONNode?, _ asked: ContextFacts) throws(SimulationError) -> PrincipalFacts {
        guard let node, !node.isNull else {
            return PrincipalFacts(kind: .anonymous, arn: "", account: nil, more: asked)
        }
        let tags = try tags(node["tags"], "principal.tags")
        let organization = try organization(node)
        let named = try account(node["account"], "principal.account")
        if let service = node["service"]?.string {
            return PrincipalFacts(
                kind: .service, arn: "", account: nil, service: service, organization: organization, tags: tags,
                more: asked)
        }
        guard let text = node["arn"]?.string else { throw .invalidRequest(.missing("principal.arn")) }
        guard let arn = ARN(parsing: text), let kind = kind(arn) else {
            throw .invalidRequest(.invalidPrincipal(text))
        }
        let role = kind == .session ? asked.firstValue(of: .principalArn) : nil
        return PrincipalFacts(
            kind: kind, arn: text, account: named ?? AccountID(parsing: arn.account), roleARN: role,
            organization: organization, tags: tags, more: asked)
    }

    private static func organization(_ node: JSONNode) throws(SimulationError) -> PrincipalFacts.OrganizationFact {
        guard let id = node["orgId"], !id.isNull else { return .none }
        guard let id = id.string else { throw .invalidRequest(.wrongKind("principal.orgId", wanted: "a string")) }
        let paths = (node["orgPaths"]?.array ?? []).compactMap(\.string)
        return .member(id: id, paths: paths)
    }

    private static func kind(_ arn: ARN) -> PrincipalFacts.Kind? {
        switch arn.service {
        case "iam" where arn.resource == "root": .root
        case "iam" where arn.resource.hasPrefix("user/"): .user
        case "iam" where arn.resource.hasPrefix("role/"): .role
        case "sts" where arn.resource.hasPrefix("assumed-role/"): .session
        case "sts" where arn.resource.hasPrefix("federated-user/"): .federatedUser
        default: nil
        }
    }
}

/// Reads the documents of a question.
private struct DocumentReader {
    let compatibility: PolicyReview.Compatibility
    let limits: PolicyLimits

    func policy(_ node: JSONNode, _ kind: PolicyKind, _ member: String) throws(SimulationError) -> CompiledPolicy {
        let document: PolicyDocument
        do throws(PolicyError) {
            if let text = node.string {
                document = try PolicyDocument(parsing: text, kind: kind, limits: limits)
            } else {
                document = try PolicyDocument(node, kind: kind, limits: limits)
            }
        } catch {
            throw .invalidPolicy(member: member, error)
        }
        let refusals = PolicyReview(document, compatibility: compatibility, limits: limits).refusals
        guard refusals.isEmpty else { throw .refusedPolicy(member: member, refusals) }
        return CompiledPolicy(document)
    }

    func policies(
        _ node: JSONNode, _ name: String, _ kind: PolicyKind
    ) throws(SimulationError) -> [CompiledPolicy] {
        guard let list = node[name], !list.isNull else { return [] }
        return try elements(list, name, kind)
    }

    private func elements(
        _ list: JSONNode, _ name: String, _ kind: PolicyKind
    ) throws(SimulationError) -> [CompiledPolicy] {
        guard let elements = list.array else {
            throw .invalidRequest(.wrongKind(name, wanted: "a list of policies"))
        }
        var policies: [CompiledPolicy] = []
        for (index, element) in elements.enumerated() {
            policies.append(try policy(element, kind, name + "[\(index)]"))
        }
        return policies
    }

    func levels(
        _ node: JSONNode, _ name: String, _ kind: PolicyKind
    ) throws(SimulationError) -> [[CompiledPolicy]] {
        guard let list = node[name], !list.isNull else { return [] }
        guard let elements = list.array else {
            throw .invalidRequest(.wrongKind(name, wanted: "a list of levels of policies"))
        }
        var levels: [[CompiledPolicy]] = []
        for (index, element) in elements.enumerated() {
            levels.append(try self.elements(element, name + "[\(index)]", kind))
        }
        return levels
    }
}
