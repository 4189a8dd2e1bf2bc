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
                guard covers(pattern, resourceARN) || pattern.hasPrefix(resourceARN + "/") else {
                    throw ControlFault(
                        .validation,
                        "Parameter Policy is not valid. Reason: statement \(index) names the resource `\(pattern)`, "
                            + "this bus is `\(resourceARN)`.")
                }
            }
        }
        let refusals = PolicyReview(policy, compatibility: compatibility).refusals
        guard refusals.isEmpty else {
            let reasons = refusals.map { String($0.description.trimmingPrefix("refused: ")) }
            throw ControlFault(
                .validation, "Parameter Policy is not valid. Reason: \(reasons.joined(separator: "; ")).")
        }
    }

    /// Whether `pattern` could match `arn`: `*` is any run, `?` any character; one with a variable might.
    private static func covers(_ pattern: String, _ arn: String) -> Bool {
        if pattern.contains("${") { return true }
        let pattern = Array(pattern.utf8)
        let text = Array(arn.utf8)
        var (inPattern, inText) = (0, 0)
        var star: (inPattern: Int, inText: Int)?
        while inText < text.count {
            if inPattern < pattern.count, pattern[inPattern] == UInt8(ascii: "*") {
                star = (inPattern, inText)
                inPattern += 1
            } else if inPattern < pattern.count,
                pattern[inPattern] == UInt8(ascii: "?") || pattern[inPattern] == text[inText]
            {
                inPattern += 1
                inText += 1
            } else if let last = star {
                star = (last.inPattern, last.inText + 1)
                (inPattern, inText) = (last.inPattern + 1, last.inText + 1)
            } else {
                return false
            }
        }
        return pattern[inPattern...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}
