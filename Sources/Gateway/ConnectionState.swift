import Bus
import Domain
import Identity
import Network
import Registry
import Telemetry

/// What was made of a caller and a bus for the CloudEvents of a connection.
private struct CloudEventsAddress {
    let bus: EventBusID
    let owner: String
    let generation: UInt64
    let destination: CloudEventsDecoder.Destination
}

/// What the gateway keeps with a connection, so that a request prepares nothing that the one before had prepared.
final class ConnectionState {
    /// Whom the certificate speaks for; `nil` without one.
    let identity: ConnectionIdentity?
    /// Who made the last request.
    var caller: Caller?
    /// Who made the last request of a webhook.
    var webhookCaller: Caller?
    private var arrival: Authenticator.Arrival?
    /// The bucket that the last request was taken from.
    var bucket: HeldBucket?
    private var facts: CallerFacts?
    private var publisher: PublisherProvenance?
    private var traffic: (bus: BusNumber?, found: Metrics.Traffic)?
    private var cloudEvents: CloudEventsAddress?

    init(identity: ConnectionIdentity?) { self.identity = identity }

    /// What the connection says about its requests; `certificate` is today's answer of `identity`.
    func arrival(_ facts: ConnectionFacts, _ certificate: CertificateIdentity?) -> Authenticator.Arrival {
        if let arrival, arrival.certificate === certificate { return arrival }
        let arrival = Authenticator.Arrival(
            endpoint: facts.listenerID, clientCertificate: facts.requiresClientCertificate ? .required : .optional,
            sourceAddress: facts.sourceAddress, certificate: certificate, refusesReplays: facts.refusesReplays)
        self.arrival = arrival
        return arrival
    }

    /// What policies read of the caller, and who it is in the log.
    func prepared(
        for caller: Caller, _ snapshot: Snapshot, _ shared: SharedFacts
    ) throws(Fault) -> (CallerFacts, PublisherProvenance) {
        if let facts, let publisher, facts.stand(for: caller, snapshot) { return (facts, publisher) }
        guard
            let publisher = PublisherProvenance(
                principal: caller.principal.arn, account: caller.account,
                organizationPath: caller.organizationPath?.description, trustDomain: caller.trustDomain,
                certificateFingerprint: caller.certificateFingerprint, accessKeyID: caller.accessKeyID)
        else { throw Fault(.validation, "the names of the caller are too long to be recorded") }
        let facts = shared.facts(of: caller, snapshot)
        self.facts = facts
        traffic = nil
        self.publisher = publisher
        return (facts, publisher)
    }

    /// Where and as whose the CloudEvents of a request are decided about.
    func destination(
        of caller: Caller, on bus: EventBusID, _ snapshot: Snapshot
    ) -> CloudEventsDecoder.Destination {
        let owner = caller.accountable
        if let cloudEvents, cloudEvents.bus == bus, cloudEvents.owner == owner,
            cloudEvents.generation == snapshot.generation
        {
            return cloudEvents.destination
        }
        let arn = bus.arn(partition: snapshot.partition, region: snapshot.region)
        let destination = CloudEventsDecoder.Destination(bus: Array(arn.utf8), principal: owner)
        cloudEvents = CloudEventsAddress(
            bus: bus, owner: owner, generation: snapshot.generation, destination: destination)
        return destination
    }

    /// Where the requests of the caller that was last prepared are counted; `bus` is `nil` when nothing was admitted.
    func traffic(of caller: Caller, on bus: EventBus?, _ metrics: Metrics) -> Metrics.Traffic {
        if let traffic, traffic.bus == bus?.number { return traffic.found }
        let name = bus?.id.name.description ?? "none"
        let found = metrics.traffic(of: Metrics.Sender(account: "\(caller.account)", bus: name))
        traffic = (bus?.number, found)
        return found
    }
}
