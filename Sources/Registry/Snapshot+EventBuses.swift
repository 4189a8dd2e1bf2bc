package import Domain

/// Create, update, delete and list event buses: each returns what to commit, nothing is changed in place.
extension Snapshot {
    /// Adds a bus that must not exist.
    package func addingEventBus(
        _ id: EventBusID, properties: EventBus.Properties
    ) throws(ControlFault) -> Transition {
        guard buses[id] == nil else {
            throw ControlFault(.resourceAlreadyExists, "Event bus \(id.name) already exists.")
        }
        guard isLocal(id.account) else {
            throw ControlFault(.accessDenied, "Account \(id.account) has no event buses on this gateway.")
        }
        guard buses.count(of: id.account) < declaration.quotas.busesPerAccount, lastBusNumber < BusNumber.maximum else {
            throw ControlFault(.limitExceeded, "The requested resource exceeds the maximum number allowed.")
        }
        try requireValid(properties.tags)
        if let policy = properties.policy {
            try requireAcceptable(policy, on: id.arn(partition: partition, region: region))
        }
        let number = lastBusNumber + 1
        let bus = try EventBus(
            id: id, number: BusNumber(number), partition: partition, region: region, properties: properties)
        var buses = buses
        buses[id] = bus.standing(organizations.placement(of: id.account))
        let counter = ControlRecord(
            kind: .counter, key: Self.busCounter, value: Array(String(number).utf8))
        return Transition(
            snapshot: replacing(buses: buses, lastBusNumber: number), changes: [.put(bus.record), .put(counter)])
    }

    /// Changes a bus that must exist.
    package func changingEventBus(
        _ id: EventBusID, at now: Timestamp, _ change: (inout EventBus.Properties) -> Void
    ) throws(ControlFault) -> Transition {
        guard let bus = buses[id] else { throw .noSuchBus("\(id.name)") }
        let changed = try bus.changing(partition: partition, region: region) { properties in
            change(&properties)
            properties.modifiedAt = now
        }
        var buses = buses
        buses[id] = changed.standing(bus.placement)
        return Transition(snapshot: replacing(buses: buses), changes: [.put(changed.record)])
    }

    /// Removes a bus; one that does not exist is no error, the default bus cannot go.
    package func removingEventBus(_ id: EventBusID) throws(ControlFault) -> Transition {
        guard id.name != .default else { throw ControlFault(.validation, "Cannot delete event bus default.") }
        guard buses[id] != nil else { return Transition(snapshot: self, changes: []) }
        var buses = buses
        buses[id] = nil
        return Transition(
            snapshot: replacing(buses: buses), changes: [.remove(kind: .eventBus, key: EventBus.recordKey(id))])
    }

    /// Adds tags to a bus or replaces their values.
    package func taggingEventBus(_ id: EventBusID, _ tags: [Tag], at now: Timestamp) throws(ControlFault) -> Transition
    {
        guard let bus = buses[id] else { throw .noSuchBus("\(id.name)") }
        try requireValid(tags)
        var merged = bus.properties.tags
        for tag in tags {
            if let index = merged.firstIndex(where: { $0.key == tag.key }) {
                merged[index] = tag
            } else {
                merged.append(tag)
            }
        }
        try requireValid(merged)
        return try changingEventBus(id, at: now) { $0.tags = merged }
    }

    /// Removes tags by key; a key that is not there is no error.
    package func untaggingEventBus(
        _ id: EventBusID, keys: [String], at now: Timestamp
    ) throws(ControlFault) -> Transition {
        try changingEventBus(id, at: now) { $0.tags.removeAll { keys.contains($0.key) } }
    }

    private func requireValid(_ tags: [Tag]) throws(ControlFault) {
        guard tags.count <= Limits.tagsPerResource else {
            throw ControlFault(.limitExceeded, "The requested resource exceeds the maximum number allowed.")
        }
        guard Set(tags.map(\.key)).count == tags.count else {
            throw ControlFault(.validation, "Duplicate tag keys are not allowed.")
        }
        for tag in tags {
            guard (1...128).contains(tag.key.unicodeScalars.count), tag.value.unicodeScalars.count <= 256 else {
                throw ControlFault(.validation, "A tag key has 1 to 128 characters and a tag value at most 256.")
            }
            guard !tag.key.lowercased().hasPrefix("aws:") else {
                throw ControlFault(.validation, "Tag keys that begin with aws: are reserved.")
            }
        }
    }
}
