import Domain
import Identity
import Registry
import Telemetry

extension RequestWorker {
    /// The event of a partner's webhook, through the same admission as `PutPartnerEvents`.
    ///
    /// Nothing of the content is looked at before its signature was verified.
    func publishWebhook(_ request: borrowing Request, of source: Bytes, _ exchange: Exchange) throws(Fault) {
        let (credential, webhook) = try webhook(at: source)
        try Route.webhook(source).checkMethod(request)
        let (caller, state) = try authenticate(
            request, exchange.connection, exchange.requestID, exchange.now, as: credential)
        guard let attestation = caller.webhook else { preconditionFailure("a webhook's caller has its attestation") }
        note(attestation, credential, exchange)
        let charge = Charge(
            sender: .partner(webhook.source.partner.qualified),
            action: "events:PutPartnerEvents", units: Quota.cost(entries: 1, contentBytes: request.body.count))
        try take(charge, caller, state, exchange)
        let publication = try webhooks.decode(request, webhook, attestation)
        try publish(publication, caller, state, exchange)
    }

    /// What is declared at a webhook's path.
    func webhook(at source: Bytes) throws(Fault) -> (credential: WebhookCredential, declared: Webhook) {
        guard let credential = services.webhooks.credential(of: source, in: snapshot),
            let webhook = snapshot.webhook(of: credential.source)
        else { throw Route.nothingHere }
        return (credential, webhook)
    }

    private func note(_ attestation: WebhookAttestation, _ credential: WebhookCredential, _ exchange: Exchange) {
        if let keyID = attestation.keyID { services.webhooks.noteVerified(keyID, at: exchange.now) }
        guard let refusal = attestation.refusal else { return services.metrics.add(to: .webhooksVerified) }
        services.metrics.add(to: .webhooksUnverified)
        services.logger.log(
            .warning, "webhook-unverified",
            [
                ("source", .text(credential.source)), ("reason", .text("\(refusal.label)")),
                ("message", .text("\(refusal)")), ("requestId", .text("\(exchange.requestID)")),
            ])
    }
}
