extension Decision {
    /// AWS's words for a denial, without a decision id.
    ///
    /// Source: docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    ///
    /// - Parameter resourcePolicy: what the policy of the resource is called.
    package func message(
        user: String, action: String, resource: String, resourcePolicy: String = "resource-based policy"
    ) -> String {
        let start = "User: \(user) is not authorized to perform: \(action) on resource: \(resource)"
        if isBudgetExceeded {
            return start + " because the policies took more steps than a decision may: make their wildcards simpler"
        }
        let name = layer == .resource ? resourcePolicy : layer.policyName
        switch effect {
        case .allow: return start
        case .explicitDeny: return "\(start) with an explicit deny in \(layer.article) \(name)"
        case .implicitDeny: return "\(start) because no \(name) allows the \(action) action"
        }
    }
}

extension Decision.Layer {
    fileprivate var policyName: String {
        switch self {
        case .resourceControl: "resource control policy"
        case .serviceControl: "service control policy"
        case .endpoint: "VPC endpoint policy"
        case .resource: "resource-based policy"
        case .identity: "identity-based policy"
        case .permissionsBoundary: "permissions boundary"
        case .session: "session policy"
        }
    }

    fileprivate var article: String { self == .identity ? "an" : "a" }
}
