import AccessPolicy
import Domain
import JSON
import Yams

extension ConfigurationLoader {
    /// A policy: a path to a JSON file, or a document written in YAML. What the gateway would refuse is reported.
    func readPolicy(_ value: YAMLValue, kind: PolicyKind) -> PolicyText? {
        guard let policy = readPolicyText(value) else { return nil }
        let findings = PolicyReading.findings(
            policy.json, kind: kind, compatibility: policyCompatibility,
            limits: kind == .resource ? busPolicyLimits : .default)
        let name = value.node.mapping == nil ? policy.origin : value.path
        for refusal in findings.refusals { value.error("`\(name)` is \(refusal)", "correct the policy") }
        for warning in findings.warnings { value.warning("`\(name)`: \(warning)", "look at it again") }
        return policy
    }

    private func readPolicyText(_ value: YAMLValue) -> PolicyText? {
        if value.node.mapping != nil { return readInlinePolicy(value) }
        guard
            let file = readFile(
                value, maximumBytes: Self.maximumCertificateBytes,
                "a JSON file with a policy document, or write the document here")
        else { return nil }
        do throws(JSONError) {
            _ = try JSONNode(parsing: file.bytes)
            return PolicyText(origin: file.path, json: file.bytes)
        } catch {
            value.error("`\(value.path)`: `\(file.path)` is not JSON: \(error)", "correct the file")
            return nil
        }
    }

    private func readInlinePolicy(_ value: YAMLValue) -> PolicyText? {
        var budget = Limits.policyCharacters
        guard let node = PolicyJSON.node(value, budget: &budget) else {
            value.error(
                "`\(value.path)` is longer than \(Limits.policyCharacters) characters or nested too deep",
                "split the policy, or write it as a JSON file")
            return nil
        }
        return PolicyText(origin: "\(value.file):\(value.line)", json: node.bytes())
    }
}

/// YAML to JSON, for policies written in a configuration file.
enum PolicyJSON {
    /// The JSON of `value`. Account ids, versions and every quoted value are strings, other whole numbers numbers.
    ///
    /// - Parameter budget: characters that may be produced yet.
    /// - Returns: nil past the budget or at a key that is not a text.
    static func node(_ value: YAMLValue, budget: inout Int, depth: Int = 0) -> JSONNode? {
        budget -= 1
        guard budget >= 0, depth < Limits.jsonDepth else { return nil }
        if let mapping = value.node.mapping {
            var members: [JSONNode.Member] = []
            for (key, element) in mapping {
                guard let name = key.scalar?.string else { return nil }
                budget -= name.utf8.count
                let child = YAMLValue(node: element, path: value.path, file: value.file, findings: value.findings)
                guard let node = node(child, budget: &budget, depth: depth + 1) else { return nil }
                members.append(JSONNode.Member(key: name, value: node))
            }
            return .object(members)
        }
        if let sequence = value.node.sequence {
            var elements: [JSONNode] = []
            for element in sequence {
                let child = YAMLValue(node: element, path: value.path, file: value.file, findings: value.findings)
                guard let node = node(child, budget: &budget, depth: depth + 1) else { return nil }
                elements.append(node)
            }
            return .array(elements)
        }
        return scalar(value, budget: &budget)
    }

    private static func scalar(_ value: YAMLValue, budget: inout Int) -> JSONNode? {
        switch value.scalar {
        case .text(let text):
            budget -= text.utf8.count
            return budget >= 0 ? .string(text) : nil
        case .number(let text):
            // Twelve digits are an account id; as a number a leading zero would be lost.
            if text.utf8.count == 12 { return .string(text) }
            return Int64(text).map { .integer($0) } ?? .string(text)
        case .boolean(let flag): return .bool(flag)
        case .absent: return .null
        case nil: return nil
        }
    }
}
