import Bus
import Domain
import Identity
import Network
import Registry
import Telemetry

/// What the gateway keeps with a connection, so that a request prepares nothing that the one before had prepared.
final class ConnectionState {
    /// Whom the certificate speaks for; `nil` without one.
    let identity: ConnectionIdentity?
    /// Who made the last request.
    var caller: Caller?
    private var arrival: Authenticator.Arrival?
    /// The bucket that the last request was taken from.
    var bucket: HeldBucket?
    private var facts: CallerFacts?
    private var publisher: PublisherProvenance?
    private var traffic: (bus: BusNumber?, found: Metrics.Traffic)?

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

    /// Where the requests of the caller that was last prepared are counted; `bus` is `nil` when nothing was admitted.
    func traffic(of caller: Caller, on bus: EventBus?, _ metrics: Metrics) -> Metrics.Traffic {
        if let traffic, traffic.bus == bus?.number { return traffic.found }
        let name = bus?.id.name.description ?? "none"
        let found = metrics.traffic(of: Metrics.Sender(account: "\(caller.account)", bus: name))
        traffic = (bus?.number, found)
        return found
    }
}
