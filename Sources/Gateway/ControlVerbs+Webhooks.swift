import Cryptography
import Domain
import Identity
import JSON
import Registry
import Telemetry

/// The verbs of webhook secrets.
extension ControlVerbs {
    /// `{"verb":"webhook.secret.create","source","key"?,"keyId"?}` → `{"id","source","secret"?}`: `secret` where it was
    /// made here, shown this once.
    func createWebhookSecret(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        try await addWebhookSecret(request) { snapshot, secret throws(ControlFault) in try snapshot.creating(secret) }
    }

    /// As `create`, for a second key.
    func rotateWebhookSecret(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        try await addWebhookSecret(request) { snapshot, secret throws(ControlFault) in try snapshot.rotating(secret) }
    }

    private func addWebhookSecret(
        _ request: JSONNode, _ plan: @Sendable (Snapshot, WebhookSecret) throws(ControlFault) -> Transition
    ) async throws(Refusal) -> [UInt8] {
        let source = try source(request)
        guard let webhook = services.registry.snapshot.webhook(of: source.description) else {
            throw Refusal(
                code: "ResourceNotFoundException",
                message: "no webhook of \(source) is declared; add it to `webhooks` and reload")
        }
        let keyID = request["keyId"]?.string
        guard keyID == nil || webhook.described == nil, (1...128).contains(keyID?.utf8.count ?? 1) else {
            throw Refusal(code: "InvalidRequest", message: "a key id of 1 to 128 bytes is for the scheme rfc9421 only")
        }
        let given = request["key"]?.string
        if let given, !WebhookRing.takes(given, for: webhook) || given.utf8.count > WebhookRing.keyTextBytes {
            throw Refusal(
                code: "InvalidKey",
                message: "that is no key of the scheme `\(webhook.scheme.rawValue)`: give the secret as the vendor "
                    + "shows it, or a public key in PEM where the scheme has them")
        }
        let now = services.clock.now()
        let text: String
        let secret: WebhookSecret
        do throws(CryptographyError) {
            text =
                if let given { given } else { try WebhookRing.makeSecret(for: webhook, random: services.random) }
            secret = try services.webhooks.seal(text, of: source, keyID: keyID, at: now, random: services.random)
        } catch {
            throw Refusal(code: "InternalFailure", message: "no secret could be made: \(error)")
        }
        try await change { snapshot throws(ControlFault) in try plan(snapshot, secret) }
        services.logger.log(
            .info, "webhook-secret-created", [("id", .text(secret.id)), ("source", .text(source.description))])
        return Self.line { writer in
            writer.member("id", secret.id)
            writer.member("source", source.description)
            if given == nil { writer.member("secret", text) }
        }
    }

    /// `{"verb":"webhook.secret.list","source"?}` → `{"webhooks":[{"source","scheme","mode","replayable","declared",
    /// "secrets":[{"id","createdAt","lastVerifiedAt"?}]}]}`.
    func listWebhookSecrets(_ request: JSONNode) throws(Refusal) -> [UInt8] {
        let snapshot = services.registry.snapshot
        let only = request["source"] == nil ? nil : try source(request).description
        let names = Set(snapshot.declaration.webhooks.keys).union(snapshot.sourcesWithSecrets).sorted()
            .filter { only == nil || $0 == only }
        return Self.line { writer in
            writer.key("webhooks")
            writer.array { writer in
                for name in names {
                    let webhook = snapshot.webhook(of: name)
                    writer.object { writer in
                        writer.member("source", name)
                        if let webhook {
                            writer.member("scheme", webhook.scheme.rawValue)
                            writer.member("mode", webhook.mode.rawValue)
                            writer.member("replayable", webhook.isReplayable)
                        }
                        writer.member("declared", webhook != nil)
                        writer.key("secrets")
                        writer.array { writer in
                            for secret in snapshot.webhookSecrets(of: name) { describe(secret, to: &writer) }
                        }
                    }
                }
            }
        }
    }

    private func describe(_ secret: WebhookSecret, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("id", secret.id)
            if let keyID = secret.keyID { writer.member("keyId", keyID) }
            writer.member("createdAt", secret.createdAt.iso8601)
            if let last = services.webhooks.lastVerified(secret.id) { writer.member("lastVerifiedAt", last.iso8601) }
        }
    }

    /// `{"verb":"webhook.secret.remove","source","id"}` → `{"id","source"}`.
    func removeWebhookSecret(_ request: JSONNode) async throws(Refusal) -> [UInt8] {
        let source = try source(request).description
        guard let id = request["id"]?.string else {
            throw Refusal(code: "InvalidRequest", message: "name the secret by the id that `list` shows")
        }
        try await change { snapshot throws(ControlFault) in try snapshot.removingWebhookSecret(id, of: source) }
        services.logger.log(.info, "webhook-secret-removed", [("id", .text(id)), ("source", .text(source))])
        return Self.line { writer in
            writer.member("id", id)
            writer.member("source", source)
        }
    }

    private func source(_ request: JSONNode) throws(Refusal) -> PartnerEventSourceName {
        guard let name = request["source"]?.string.flatMap({ PartnerEventSourceName(parsing: $0) }) else {
            throw Refusal(
                code: "InvalidRequest", message: "name the partner event source: aws.partner/PARTNER/NAMESPACE/NAME")
        }
        return name
    }
}
