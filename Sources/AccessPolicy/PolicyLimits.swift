import Domain

/// How large a policy may be. Source: POLICY 3, THREATS 4.1.
package struct PolicyLimits: Equatable, Sendable {
    /// Characters (Unicode scalars) of the document as written, white space included.
    package var characters: Int
    package var statements: Int
    /// Operator and key pairs of all statements together.
    package var conditions: Int
    /// Nesting of the JSON text; a valid policy needs 6.
    package var depth: Int

    package init(
        characters: Int = Limits.policyCharacters, statements: Int = 64, conditions: Int = 256, depth: Int = 8
    ) {
        self.characters = min(characters, Self.largestDocument)
        self.statements = statements
        self.conditions = conditions
        self.depth = depth
    }

    /// The limits when configuration names none.
    package static let `default` = PolicyLimits()
    /// No configuration may go beyond this many characters: 1 MiB.
    package static let largestDocument = 1 << 20
    /// What one decision may cost: a step is one comparison, or one byte looked at by a wildcard. Past it the answer
    /// is a deny with `Decision.isBudgetExceeded`.
    package static let stepsPerDecision = 100_000
}
