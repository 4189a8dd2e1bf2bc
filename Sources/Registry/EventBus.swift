package import AccessPolicy
package import Domain
package import JSON

/// A tag of a resource: key 1 … 128, value 0 … 256 characters.
package struct Tag: Hashable, Sendable {
    package let key: String
    package let value: String

    package init(key: String, value: String) {
        self.key = key
        self.value = value
    }
}

/// An event bus as the gateway's requests see it: immutable, its policy compiled.
package final class EventBus: Sendable {
    /// What an operator can change; a copy with changes makes the next `EventBus`.
    package struct Properties: Sendable {
        package var description: String?
        package var tags: [Tag]
        /// The resource policy as it is shown; `nil` when there is none.
        package var policy: JSONNode?
        package var createdAt: Timestamp
        package var modifiedAt: Timestamp

        package init(
            description: String? = nil, tags: [Tag] = [], policy: JSONNode? = nil, createdAt: Timestamp,
            modifiedAt: Timestamp
        ) {
            self.description = description
            self.tags = tags
            self.policy = policy
            self.createdAt = createdAt
            self.modifiedAt = modifiedAt
        }
    }

    package let id: EventBusID
    package let number: BusNumber
    package let arn: String
    package let properties: Properties
    /// The compiled resource policy, `nil` when there is none.
    package let policy: CompiledPolicy?
    /// What conditions about the resource read, prepared once.
    package let resource: ResourceFacts

    package init(
        id: EventBusID, number: BusNumber, partition: String, region: String, properties: Properties
    ) throws(ControlFault) {
        self.id = id
        self.number = number
        self.properties = properties
        arn = id.arn(partition: partition, region: region)
        policy = try properties.policy.map { node throws(ControlFault) in try Self.compile(node) }
        resource = ResourceFacts(
            arn: arn, account: id.account, tags: properties.tags.map { (key: $0.key, value: $0.value) })
    }

    private static func compile(_ node: JSONNode) throws(ControlFault) -> CompiledPolicy {
        do throws(PolicyError) {
            let limits = PolicyLimits(characters: PolicyLimits.largestDocument)
            return CompiledPolicy(try PolicyDocument(node, kind: .resource, limits: limits))
        } catch {
            throw ControlFault(.validation, "Policy is not valid: \(error)")
        }
    }

    /// The same bus with other properties.
    package func changing(
        partition: String, region: String, _ change: (inout Properties) -> Void
    ) throws(ControlFault) -> EventBus {
        var properties = properties
        change(&properties)
        return try EventBus(id: id, number: number, partition: partition, region: region, properties: properties)
    }
}
