/// Where a policy is attached, which decides the elements it may have.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#access_policy-types
package enum PolicyKind: String, CaseIterable, Sendable {
    /// On a bus, archive, schema registry, key or queue: who may do what with it.
    case resource
    /// On a role: who may assume it. Has no `Resource`.
    case trust
    /// On a user or role: what it may do.
    case identity
    case permissionsBoundary
    case session
    case serviceControl
    case resourceControl
    /// On a listener: what may pass through it.
    case endpoint

    /// Whether each statement must say whom it is about.
    package var namesPrincipals: Bool {
        switch self {
        case .resource, .trust, .resourceControl, .endpoint: true
        case .identity, .permissionsBoundary, .session, .serviceControl: false
        }
    }

    /// Whether an allow of it alone lets a stranger in. Control and endpoint policies only take away, the others are
    /// attached to a principal.
    package var grantsByItself: Bool { self == .resource || self == .trust }

    /// The kind with its article, for messages.
    package var article: String {
        switch self {
        case .resource: "a resource-based policy"
        case .trust: "a role trust policy"
        case .identity: "an identity-based policy"
        case .permissionsBoundary: "a permissions boundary"
        case .session: "a session policy"
        case .serviceControl: "a service control policy"
        case .resourceControl: "a resource control policy"
        case .endpoint: "a VPC endpoint policy"
        }
    }
}
