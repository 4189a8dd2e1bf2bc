import Domain

/// The keys of webhooks: added one at a time, two in force at most, removed by name.
extension Snapshot {
    /// The webhook of a source, as declared.
    package func webhook(of source: String) -> Webhook? { declaration.webhooks[source] }

    /// The keys of a source, the oldest first.
    package func webhookSecrets(of source: String) -> [WebhookSecret] { webhookSecrets[source] ?? [] }

    /// Sources that have keys, declared or no longer.
    package var sourcesWithSecrets: [String] { webhookSecrets.filter { !$0.value.isEmpty }.map(\.key) }

    /// Adds the first key of a source.
    package func creating(_ secret: WebhookSecret) throws(ControlFault) -> Transition {
        guard webhookSecrets(of: secret.source.description).isEmpty else {
            throw ControlFault(
                .resourceAlreadyExists,
                "the webhook of \(secret.source) has a secret; add the next one with `webhook secret rotate`")
        }
        return try adding(secret)
    }

    /// Adds a second key of a source: both are in force until one is removed.
    package func rotating(_ secret: WebhookSecret) throws(ControlFault) -> Transition {
        let present = webhookSecrets(of: secret.source.description)
        guard let oldest = present.first else {
            throw ControlFault(
                .resourceNotFound,
                "the webhook of \(secret.source) has no secret; make the first with `webhook secret create`")
        }
        guard present.count < Webhook.keysLimit else {
            throw ControlFault(
                .limitExceeded,
                "the webhook of \(secret.source) has \(present.count) secrets; remove one first: `webhook secret "
                    + "remove --id \(oldest.id)` takes the oldest away")
        }
        return try adding(secret)
    }

    private func adding(_ secret: WebhookSecret) throws(ControlFault) -> Transition {
        guard webhook(of: secret.source.description) != nil else {
            throw ControlFault(
                .resourceNotFound, "no webhook of \(secret.source) is declared; add it to `webhooks` and reload")
        }
        var secrets = webhookSecrets
        guard !secrets.values.joined().contains(where: { $0.id == secret.id }) else {
            throw ControlFault(.resourceAlreadyExists, "webhook secret \(secret.id) already exists; try again")
        }
        secrets[secret.source.description, default: []].append(secret)
        return Transition(snapshot: replacing(webhookSecrets: secrets), changes: [.put(secret.record)])
    }

    /// Removes a key; also one of a source that is declared no more.
    package func removingWebhookSecret(_ id: String, of source: String) throws(ControlFault) -> Transition {
        var secrets = webhookSecrets
        guard let index = secrets[source]?.firstIndex(where: { $0.id == id }) else {
            throw ControlFault(
                .resourceNotFound, "the webhook of \(source) has no secret \(id); list them with `webhook secret list`")
        }
        secrets[source]?.remove(at: index)
        return Transition(
            snapshot: replacing(webhookSecrets: secrets), changes: [.remove(kind: .webhookSecret, key: id)])
    }
}
