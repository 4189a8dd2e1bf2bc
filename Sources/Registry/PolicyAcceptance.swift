import AccessPolicy
import Domain
import JSON

/// What a bus's resource policy must be before it is saved.
enum PolicyAcceptance {
    /// Refuses a document that is not valid IAM, or speaks of another resource than the bus it is put on.
    static func require(_ document: JSONNode, resourceARN: String) throws(ControlFault) {
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
                guard pattern.contains("*") || pattern.contains("?") || pattern.hasPrefix(resourceARN + "/") else {
                    throw ControlFault(
                        .validation,
                        "Parameter Policy is not valid. Reason: statement \(index) names the resource `\(pattern)`, "
                            + "this bus is `\(resourceARN)`.")
                }
            }
        }
    }
}
