package import AccessPolicy
package import Domain

/// A role that principals may assume with `sts:AssumeRole`, as its account's file says.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html
package struct AssumableRole: Sendable {
    /// The trust policy: who may assume it.
    package let trust: CompiledPolicy
    /// The longest session: one of `sessionSeconds`.
    package let maximumSessionSeconds: Int
    /// Sessions issued before this moment are refused; `nil` when none are.
    package let sessionsNotBefore: Timestamp?

    /// What a session may last. Source: botocore `sts/2011-06-15`, `roleDurationSecondsType`.
    package static let sessionSeconds = 900...43_200
    /// What a session lasts when nobody says more. Source: STS API reference, AssumeRole, `DurationSeconds`.
    package static let defaultSessionSeconds = 3600
    /// The longest session of a role that a session assumed. Source: STS API reference, AssumeRole, role chaining.
    package static let chainedSessionSeconds = 3600

    package init(
        trust: CompiledPolicy, maximumSessionSeconds: Int = AssumableRole.defaultSessionSeconds,
        sessionsNotBefore: Timestamp? = nil
    ) {
        precondition(Self.sessionSeconds.contains(maximumSessionSeconds), "a session lasts 900 … 43,200 s")
        self.trust = trust
        self.maximumSessionSeconds = maximumSessionSeconds
        self.sessionsNotBefore = sessionsNotBefore
    }

    /// The same role without the sessions from before `beginning`, if there is one: they are of another that had its
    /// name.
    func begun(at beginning: Timestamp?) -> AssumableRole {
        guard let beginning else { return self }
        return AssumableRole(
            trust: trust, maximumSessionSeconds: maximumSessionSeconds,
            sessionsNotBefore: max(beginning, sessionsNotBefore ?? beginning))
    }

    /// Whether a session issued at that moment is still one.
    package func admits(sessionIssuedAt moment: Timestamp) -> Bool { sessionsNotBefore.map { moment >= $0 } ?? true }
}
