import AccessPolicy
import Domain
import JSON

/// What a bus's resource policy must be before it is saved.
enum PolicyAcceptance {
    /// Refuses a document that is not valid IAM, speaks of another resource than the bus it is put on, or grants more
    /// than its writer meant.
    ///
    /// - Parameter compatibility: `.aws` saves what AWS saves. Source: POLICY 3.
    static func require(
        _ document: JSONNode, resourceARN: String, compatibility: PolicyReview.Compatibility
    ) throws(ControlFault) {
        let policy: PolicyDocument
        do throws(PolicyError) {
            policy = try PolicyDocument(
                document, kind: .resource, limits: PolicyLimits(characters: PolicyLimits.largestDocument))
        } catch {
            throw ControlFault(.validation, "Parameter Policy is not valid. Reason: \(error).")
        }
        for (index, statement) in policy.statements.enumerated() {
            guard let resource = statement.resource, !resource.isNegated else { continue }
            for pattern in resource.patterns where pattern != "*" && pattern != resourceARN {
                guard ResourceElement.couldMatch(pattern, resourceARN) || pattern.hasPrefix(resourceARN + "/") else {
                    throw ControlFault(
                        .validation,
                        "Parameter Policy is not valid. Reason: statement \(index) names the resource `\(pattern)`, "
                            + "this bus is `\(resourceARN)`.")
                }
            }
        }
        let reasons = PolicyReview(policy, compatibility: compatibility).reasons
        guard reasons.isEmpty else {
            throw ControlFault(.validation, "Parameter Policy is not valid. Reason: \(reasons).")
        }
    }
}
