import Bus
import Cryptography
import Domain
import Identity
import Registry
import Telemetry

extension RequestWorker {
    /// The event of a partner's webhook, through the same admission as `PutPartnerEvents`.
    ///
    /// Nothing of the content is looked at before its signature was verified.
    func publishWebhook(_ request: borrowing Request, of source: Bytes, _ exchange: Exchange) throws(Fault) {
        let endpoint = try webhook(at: source)
        try Route.webhook(source).checkMethod(request)
        let (caller, state, message) = try authenticate(request, as: endpoint.credential, exchange)
        guard let attestation = caller.webhook else { preconditionFailure("a webhook's caller has its attestation") }
        let units = Quota.cost(entries: 1, contentBytes: request.body.count)
        let charged = try charge(units, message, endpoint, caller, state, exchange)
        note(attestation, endpoint, exchange)
        var publication = try webhooks.decode(request, endpoint, attestation)
        publication.charged = charged
        try publish(publication, caller, state, exchange)
    }

    /// What is declared at a webhook's path.
    func webhook(at source: Bytes) throws(Fault) -> WebhookEndpoint {
        if let lastWebhook, lastWebhook.serves(source, snapshot.revision) { return lastWebhook }
        guard let endpoint = services.webhooks.endpoint(of: source, in: snapshot) else { throw Route.nothingHere }
        lastWebhook = endpoint
        return endpoint
    }

    /// Charges a signed message to its partner once, and everything else to the address it comes from: neither a
    /// message that is sent again nor one that nobody signed spends what is the partner's, its connections included.
    ///
    /// - Parameter message: stands for what was signed; nil where nothing was.
    /// - Returns: what the partner was charged; nil where the address was.
    private func charge(
        _ units: Int, _ message: Digest?, _ endpoint: WebhookEndpoint, _ caller: Caller, _ state: ConnectionState,
        _ exchange: Exchange
    ) throws(Fault) -> Charged? {
        guard let mark = message.map({ endpoint.mark(of: $0) }), !services.webhooks.charged.holds(mark) else {
            try takeUnproven(units, exchange)
            return nil
        }
        try occupy(exchange.connection, caller)
        let charge = Charge(sender: endpoint.sender, action: "events:PutPartnerEvents", units: units)
        // INVARIANT: read before the message is marked, so that a copy that comes after the mark is stored after this.
        let lastSequence = endpoint.bus.flatMap { services.log.lastSequence(of: $0) }
        let bucket = try take(charge, caller, state, exchange)
        // INVARIANT: only what was paid for is marked, or a message that was refused could come back for nothing.
        guard services.webhooks.charged.insert(mark) else {
            // Another loop has charged a copy meanwhile.
            bucket.giveBack(units)
            try takeUnproven(units, exchange)
            return nil
        }
        if let key = caller.webhook?.keyIndex { endpoint.noteVerified(by: key, at: exchange.now) }
        return Charged(bucket: bucket, units: units, bus: endpoint.bus, lastSequence: lastSequence)
    }

    private func note(_ attestation: WebhookAttestation, _ endpoint: WebhookEndpoint, _ exchange: Exchange) {
        guard let refusal = attestation.refusal else { return services.metrics.add(to: .webhooksVerified) }
        services.metrics.add(to: .webhooksUnverified)
        services.logger.log(
            .warning, "webhook-unverified",
            [
                ("source", .text(endpoint.credential.source)), ("reason", .text("\(refusal.label)")),
                ("message", .text("\(refusal)")), ("requestId", .text("\(exchange.requestID)")),
            ])
    }
}
