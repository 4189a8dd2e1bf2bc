import Bus
import Domain
import Identity
import Registry

/// What the gateway keeps with a connection, so that a request prepares nothing that the one before had prepared.
final class ConnectionState {
    /// Whom the certificate speaks for; `nil` without one.
    let identity: ConnectionIdentity?
    private var facts: CallerFacts?
    private var publisher: PublisherProvenance?

    init(identity: ConnectionIdentity?) { self.identity = identity }

    /// What policies read of the caller, and who it is in the log.
    func prepared(for caller: Caller, _ snapshot: Snapshot) throws(Fault) -> (CallerFacts, PublisherProvenance) {
        if let facts, let publisher, facts.stand(for: caller, snapshot) { return (facts, publisher) }
        guard
            let publisher = PublisherProvenance(
                principal: caller.principal.arn, account: caller.account,
                organizationPath: caller.organizationPath?.description, trustDomain: caller.trustDomain,
                certificateFingerprint: caller.certificateFingerprint, accessKeyID: caller.accessKeyID)
        else { throw Fault(.validation, "the names of the caller are too long to be recorded") }
        let facts = CallerFacts(caller, snapshot)
        self.facts = facts
        self.publisher = publisher
        return (facts, publisher)
    }
}
