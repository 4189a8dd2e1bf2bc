package import Domain
package import Registry

/// Proof that one entry may stand on one bus. Only `Admission` makes one, after every layer has allowed it.
package struct Permit: Sendable {
    /// The bus as it was when the entry was admitted.
    package let bus: EventBus
    /// Names the decision in the stored event and in records.
    package let decisionID: UniqueID
    /// The revision of the snapshot that decided.
    package let revision: UInt64

    init(afterDecision decisionID: UniqueID, bus: EventBus, revision: UInt64) {
        self.bus = bus
        self.decisionID = decisionID
        self.revision = revision
    }
}

/// An entry with its permit: the only thing the log takes.
package struct AdmittedEvent: Sendable {
    package let entry: Entry
    package let permit: Permit

    package init(_ entry: Entry, _ permit: Permit) {
        self.entry = entry
        self.permit = permit
    }

    /// Frames the event into a batch.
    package func append(
        to batch: inout AppendBatch, publisher: PublisherProvenance, receivedAt: Timestamp, requestID: UniqueID
    ) {
        let start = batch.bytes.count
        EventFrame.append(
            entry, publisher: publisher, receivedAt: receivedAt, decisionID: permit.decisionID, requestID: requestID,
            to: &batch.bytes)
        batch.policyRevision = max(batch.policyRevision, permit.revision)
        batch.endFrame(unchecked: start, bus: permit.bus.number, id: permit.bus.id)
    }
}
