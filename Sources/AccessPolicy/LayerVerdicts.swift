/// What each layer but the resource policy said of one request: all that a changed resource policy must be put beside.
package struct LayerVerdicts: Equatable, Sendable {
    package enum Verdict: String, Sendable {
        /// The layer has no say: there is none, or it is decided elsewhere.
        case none
        case allows
        /// Nothing in it allows the request.
        case silent
        case denies
    }

    package var resourceControl = Verdict.none
    package var serviceControl = Verdict.none
    package var endpoint = Verdict.none
    /// `none`: the principal's own side was another gateway's to decide.
    package var identity = Verdict.none
    package var permissionsBoundary = Verdict.none
    package var session = Verdict.none

    package init() {}

    /// Reads the verdicts off the statements that were looked at.
    init(_ layers: PolicyLayers, _ looks: [Explanation.Look], isRoot: Bool) {
        func verdict(_ layer: Decision.Layer, levels: [[CompiledPolicy]], isLeveled: Bool = false) -> Verdict {
            let matched = looks.filter { $0.layer == layer && $0.outcome == .matched }
            if matched.contains(where: { $0.effect == .deny }) { return .denies }
            if levels.isEmpty || (!isLeveled && levels[0].isEmpty) { return .none }
            let allowing = Set(matched.map(\.level))
            return levels.indices.allSatisfy { allowing.contains($0) } ? .allows : .silent
        }
        resourceControl = verdict(.resourceControl, levels: layers.resourceControl, isLeveled: true)
        // No look at service control policies: the principal is none that they bind.
        let isBound = layers.serviceControl.isEmpty || looks.contains { $0.layer == .serviceControl }
        serviceControl = isBound ? verdict(.serviceControl, levels: layers.serviceControl, isLeveled: true) : .none
        endpoint = verdict(.endpoint, levels: [layers.endpoint])
        guard let own = layers.principal else { return }
        identity = verdict(.identity, levels: [own.identity])
        if identity != .denies, isRoot { identity = .allows }
        if identity == .none { identity = .silent }
        permissionsBoundary = verdict(.permissionsBoundary, levels: [own.boundaries])
        session = verdict(.session, levels: [own.session])
    }

    /// Layers that say the same of any request, around a resource policy.
    func layers(around resource: CompiledPolicy?) -> PolicyLayers {
        func policies(_ verdict: Verdict) -> [CompiledPolicy] {
            switch verdict {
            case .none: []
            case .allows: [.allowingAll]
            case .silent: [.silent]
            case .denies: [.denyingEverything]
            }
        }
        func levels(_ verdict: Verdict) -> [[CompiledPolicy]] { verdict == .none ? [] : [policies(verdict)] }
        let own =
            identity == .none
            ? nil
            : PrincipalPolicies(
                identity: policies(identity), boundaries: policies(permissionsBoundary), session: policies(session))
        return PolicyLayers(
            resource: resource, principal: own, endpoint: policies(endpoint),
            serviceControl: levels(serviceControl), resourceControl: levels(resourceControl))
    }
}

extension CompiledPolicy {
    fileprivate static let allowingAll = fixed(#""Effect":"Allow","Action":"*""#)
    fileprivate static let denyingEverything = fixed(#""Effect":"Deny","Action":"*""#)
    /// Speaks of an action that no request asks for.
    fileprivate static let silent = fixed(#""Effect":"Allow","Action":"isthmus:Nothing""#)

    private static func fixed(_ members: String) -> CompiledPolicy {
        let text = #"{"Version":"2012-10-17","Statement":{\#(members),"Resource":"*"}}"#
        do throws(PolicyError) {
            return try CompiledPolicy(parsing: text, kind: .identity)
        } catch {
            preconditionFailure("a policy that is written here is valid: \(error)")
        }
    }
}
