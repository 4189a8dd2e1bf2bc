package import AccessPolicy
package import Domain
package import JSON

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
    /// What conditions about the resource read until its organization's manifest expires, prepared once.
    package let resource: ResourceFacts
    /// The same once it has expired.
    private let staleResource: ResourceFacts
    /// Where the account stands in its organization.
    let placement: OrganizationPlacement

    package init(
        id: EventBusID, number: BusNumber, partition: String, region: String, properties: Properties
    ) throws(ControlFault) {
        self.id = id
        self.number = number
        self.properties = properties
        arn = id.arn(partition: partition, region: region)
        policy = try properties.policy.map { node throws(ControlFault) in try Self.compile(node) }
        placement = .nowhere
        resource = Self.facts(id, arn, properties, .none)
        staleResource = resource
    }

    /// The bus `other` of an account that stands elsewhere than it did.
    private init(_ other: EventBus, placement: OrganizationPlacement) {
        id = other.id
        number = other.number
        arn = other.arn
        properties = other.properties
        policy = other.policy
        self.placement = placement
        resource = Self.facts(other.id, other.arn, other.properties, placement.fact)
        staleResource =
            placement.expiresAt == nil ? resource : Self.facts(other.id, other.arn, other.properties, .unknown)
    }

    private static func facts(
        _ id: EventBusID, _ arn: String, _ properties: Properties, _ organization: PrincipalFacts.OrganizationFact
    ) -> ResourceFacts {
        ResourceFacts(
            arn: arn, account: id.account, organization: organization,
            tags: properties.tags.map { (key: $0.key, value: $0.value) })
    }

    /// The same bus where its account stands now.
    func standing(_ placement: OrganizationPlacement) -> EventBus {
        placement === self.placement ? self : EventBus(self, placement: placement)
    }

    /// What conditions about the resource read at `now`.
    package func resource(at now: Timestamp) -> ResourceFacts {
        placement.isStale(at: now) ? staleResource : resource
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
