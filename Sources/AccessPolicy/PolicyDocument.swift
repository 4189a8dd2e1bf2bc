package import Domain

/// A policy of IAM's JSON language, checked but not compiled.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
package struct PolicyDocument: Equatable, Sendable {
    package enum Version: String, Sendable {
        /// Policy variables are read.
        case current = "2012-10-17"
        /// `${…}` is plain text. Also the meaning of a document without `Version`.
        case original = "2008-10-17"
    }

    package let kind: PolicyKind
    package let version: Version
    /// Whether the document names its version.
    package let namesVersion: Bool
    package let id: String?
    /// At least one.
    package let statements: [Statement]
    /// Characters of the document as it was written.
    package let characters: Int
}

/// `Allow` or `Deny`.
package enum Effect: String, Sendable {
    case allow = "Allow"
    case deny = "Deny"
}

/// One statement of a policy.
package struct Statement: Equatable, Sendable {
    package var sid: String?
    package var effect: Effect
    /// `nil` where the kind of policy has none.
    package var principal: PrincipalElement?
    package var action: ActionElement
    /// `nil` in a role trust policy.
    package var resource: ResourceElement?
    /// All must hold.
    package var conditions: [Condition]
}

/// `Principal` or `NotPrincipal`.
package struct PrincipalElement: Equatable, Sendable {
    package enum Pattern: Equatable, Hashable, Sendable {
        /// `*`: everyone, also without credentials.
        case anyone
        /// An account, by its id or as `arn:aws:iam::ACCOUNT:root`: every principal of it.
        case account(AccountID)
        /// One user, role or session.
        case arn(String)
        /// `events.amazonaws.com`; `*` for any service.
        case service(String)
        case federated(String)
        case canonicalUser(String)
    }

    /// Whether it is `NotPrincipal`.
    package var isNegated: Bool
    package var patterns: [Pattern]
}

/// `Action` or `NotAction`: names with wildcards, compared without case.
package struct ActionElement: Equatable, Sendable {
    package var isNegated: Bool
    package var patterns: [String]
}

/// `Resource` or `NotResource`: ARNs with wildcards within their six parts, or `*`.
package struct ResourceElement: Equatable, Sendable {
    package var isNegated: Bool
    package var patterns: [String]
}

/// One operator with one key and the values wanted: any one of them suffices, none may match under a negated operator.
package struct Condition: Hashable, Sendable {
    package var comparison: ConditionOperator
    /// As written; keys are compared without case.
    package var key: String
    package var values: [String]
}
