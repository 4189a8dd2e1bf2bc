import AccessPolicy
package import Domain
package import JSON

/// `PutPermission` and `RemovePermission`: statements of a bus's resource policy.
///
/// Source: docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPermission.html
extension Snapshot {
    /// Replaces the whole resource policy.
    package func replacingPolicy(
        of id: EventBusID, with document: JSONNode, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard let bus = buses[id] else { throw .noSuchBus("\(id.name)") }
        try requireAcceptable(document, on: bus.arn)
        return try changingEventBus(id, at: now) { $0.policy = document }
    }

    /// Adds one statement; one with the same `Sid` is replaced.
    package func addingStatement(
        _ statement: JSONNode, sid: String, to id: EventBusID, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard let bus = buses[id] else { throw .noSuchBus("\(id.name)") }
        let kept = Self.statements(of: bus.properties.policy).filter { $0["Sid"]?.string != sid }
        let document = Self.document(kept + [statement])
        try requireAcceptable(document, on: bus.arn)
        return try changingEventBus(id, at: now) { $0.policy = document }
    }

    /// Removes one statement, or all of them when `sid` is `nil`. After the last one the bus has no policy.
    package func removingStatement(
        sid: String?, from id: EventBusID, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard let bus = buses[id] else { throw .noSuchBus("\(id.name)") }
        guard let sid else { return try changingEventBus(id, at: now) { $0.policy = nil } }
        let statements = Self.statements(of: bus.properties.policy)
        let kept = statements.filter { $0["Sid"]?.string != sid }
        guard kept.count < statements.count else {
            throw ControlFault(.resourceNotFound, "Statement with the provided id does not exist.")
        }
        let document = kept.isEmpty ? nil : Self.document(kept)
        return try changingEventBus(id, at: now) { $0.policy = document }
    }

    private static func statements(of policy: JSONNode?) -> [JSONNode] {
        guard let statement = policy?["Statement"] else { return [] }
        return statement.array ?? [statement]
    }

    private static func document(_ statements: [JSONNode]) -> JSONNode {
        .object([
            .init(key: "Version", value: "2012-10-17"), .init(key: "Statement", value: .array(statements)),
        ])
    }

    /// What may be saved as the policy of the bus with that ARN.
    func requireAcceptable(_ document: JSONNode, on arn: String) throws(ControlFault) {
        let characters = document.bytes().count { $0 & 0xC0 != 0x80 }
        guard characters <= declaration.quotas.policyCharacters else {
            throw ControlFault(
                .policyLengthExceeded,
                "The policy would have more than \(declaration.quotas.policyCharacters) characters.")
        }
        try PolicyAcceptance.require(
            document, resourceARN: arn, compatibility: declaration.policyCompatibility)
    }
}
