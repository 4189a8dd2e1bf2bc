import AccessPolicy
package import Domain
package import Registry

/// Roles of the owner's account, and callers that hold sessions.
extension Scene {
    package static let worker = Principal(.role, path: "delivery/worker", account: owner)

    /// A trust policy's statement: who may do what with the role, under these conditions.
    package static func trust(
        _ principal: String, _ actions: String = #""sts:AssumeRole""#, when condition: String = ""
    ) -> String {
        let conditions = condition.isEmpty ? "" : #","Condition":\#(condition)"#
        return #"{"Effect":"Allow","Principal":{"AWS":"\#(principal)"},"Action":[\#(actions)]\#(conditions)}"#
    }

    /// A role of the owner's account that can be assumed.
    package static func role(
        _ principal: Principal = worker, trust: [String], identity: [String] = [everything], boundary: [String] = [],
        tags: [Tag] = [], maximumSeconds: Int = 3600, sessionsNotBefore: Timestamp? = nil
    ) throws -> Declaration.Member {
        let boundaries = boundary.isEmpty ? [] : [try policy(boundary, .permissionsBoundary)]
        let policies = PrincipalPolicies(
            identity: identity.isEmpty ? [] : [try policy(identity, .identity)], boundaries: boundaries)
        return Declaration.Member(
            principal: principal, policies: policies, tags: tags,
            role: AssumableRole(
                trust: try policy(trust, .trust), maximumSessionSeconds: maximumSeconds,
                sessionsNotBefore: sessionsNotBefore))
    }
}
