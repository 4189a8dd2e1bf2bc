import Domain
import Identity
import JSON
import Registry

/// Create, describe, update, delete and list event buses.
extension ControlCall {
    private static let descriptionCharacters = 512
    /// A page ends at the bus that passes this, whatever the limit: with the longest policy it stays within what one
    /// response may hold on HTTP/2.
    private static let pageBytes = 128 * 1024

    func createEventBus() throws(Fault) -> Outcome {
        let name = try parameters.busName("Name")
        try parameters.refuse(["KmsKeyIdentifier", "DeadLetterConfig", "LogConfig"])
        let source = try eventSource(for: name)
        let description = try parameters.string("Description", maximum: Self.descriptionCharacters)
        let tags = try parameters.tags("Tags")
        let id = EventBusID(account: caller.account, name: name)
        try authorize(id, tags: TagFacts(giving: tags))
        let transition = try carry { () throws(ControlFault) in
            let properties = EventBus.Properties(
                description: description, tags: tags, createdAt: now, modifiedAt: now)
            guard let source else { return try snapshot.addingEventBus(id, properties: properties) }
            return try snapshot.addingEventBus(for: source, account: id.account, properties: properties, at: now)
        }
        let answer = Self.answer { writer in
            writer.member("EventBusArn", id.arn(partition: snapshot.partition, region: snapshot.region))
            if let description { writer.member("Description", description) }
        }
        return Outcome(transition: transition, answer: answer)
    }

    /// The partner event source that a bus of that name is for, `nil` for an ordinary name.
    private func eventSource(for name: EventBusName) throws(Fault) -> PartnerEventSourceName? {
        if parameters.has("EventSourceName") {
            let source = try parameters.eventSourceName("EventSourceName")
            guard source.description == name.description else {
                throw Fault(
                    .validation,
                    "Parameter Name is not valid. Reason: the bus of an event source has its name, \(source).")
            }
            return source
        }
        guard !name.description.hasPrefix("aws.") else {
            throw Fault(
                .validation,
                "Parameter Name is not valid. Reason: names that begin with aws. belong to partner event sources; give "
                    + "EventSourceName too.")
        }
        guard !name.description.contains("/") else {
            throw Parameters.pattern("Name", "\(name)", #"[\.\-_A-Za-z0-9]+"#)
        }
        return nil
    }

    func describeEventBus() throws(Fault) -> Outcome {
        let id = try busID("Name", default: .default)
        try authorize(id)
        guard let bus = snapshot.bus(id) else { throw missing(id) }
        let answer = Self.answer { writer in
            Self.write(bus, to: &writer)
            writeEventSource(of: bus, to: &writer)
        }
        return Outcome(answer: answer)
    }

    func updateEventBus() throws(Fault) -> Outcome {
        let id = try busID("Name", default: .default)
        try parameters.refuse(["KmsKeyIdentifier", "DeadLetterConfig", "LogConfig"])
        let description = try parameters.string("Description", maximum: Self.descriptionCharacters)
        try authorize(id)
        let transition = try carry { () throws(ControlFault) in
            try snapshot.changingEventBus(id, at: now) { if let description { $0.description = description } }
        }
        let answer = Self.answer { writer in
            writer.member("Arn", id.arn(partition: snapshot.partition, region: snapshot.region))
            writer.member("Name", "\(id.name)")
            if let description { writer.member("Description", description) }
        }
        return Outcome(transition: transition, answer: answer)
    }

    func deleteEventBus() throws(Fault) -> Outcome {
        let id = try busID("Name")
        try authorize(id)
        let transition = try carry { () throws(ControlFault) in try snapshot.removingEventBus(id, at: now) }
        return Outcome(transition: transition, answer: Self.empty)
    }

    func listEventBuses() throws(Fault) -> Outcome {
        let prefix = try parameters.string("NamePrefix", maximum: EventBusName.maximumBytes)
        let limit = try parameters.integer("Limit", in: 1...100) ?? 100
        let token = try parameters.string("NextToken", maximum: 2048)
        try authorizeEverywhere()
        if let token, EventBusName(parsing: token) == nil {
            throw Fault(
                .validation, "Parameter NextToken is not valid. Reason: it is not one that ListEventBuses gave.")
        }
        let buses = snapshot.buses(of: caller.account).filter { bus in
            (prefix.map { bus.id.name.description.hasPrefix($0) } ?? true)
                && (token.map { bus.id.name.description > $0 } ?? true)
        }
        let answer = Self.answer { writer in
            var shown = 0
            writer.key("EventBuses")
            writer.array { writer in
                for bus in buses.prefix(limit) where writer.bytes.count < Self.pageBytes {
                    writer.object { Self.write(bus, to: &$0) }
                    shown += 1
                }
            }
            if shown < buses.count, shown > 0 { writer.member("NextToken", "\(buses[shown - 1].id.name)") }
        }
        return Outcome(answer: answer)
    }

    func missing(_ id: EventBusID) -> Fault { Fault(.resourceNotFound, "Event bus \(id.name) does not exist.") }

    private static func write(_ bus: EventBus, to writer: inout JSONWriter) {
        writer.member("Name", "\(bus.id.name)")
        writer.member("Arn", bus.arn)
        if let description = bus.properties.description { writer.member("Description", description) }
        if let policy = bus.properties.policy {
            writer.member("Policy", String(decoding: policy.bytes(), as: UTF8.self))
        }
        writer.member("CreationTime", Double(bus.properties.createdAt.milliseconds) / 1000)
        writer.member("LastModifiedTime", Double(bus.properties.modifiedAt.milliseconds) / 1000)
    }
}
