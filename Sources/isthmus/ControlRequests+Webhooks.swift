import JSON

extension ControlRequests {
    /// `verb` is `create` or `rotate`; answered by `{"id", "source", "secret"?}`: the secret where the gateway made it.
    static func webhookSecret(_ verb: String, source: String, key: String?, keyID: String?) -> [UInt8] {
        line("webhook.secret.\(verb)") { writer in
            writer.member("source", source)
            if let key { writer.member("key", key) }
            if let keyID { writer.member("keyId", keyID) }
        }
    }

    /// Answered by `{"webhooks": [{"source", "scheme", "mode", "replayable", "secrets": […]}, …]}`.
    static func webhookSecrets(source: String?) -> [UInt8] {
        line("webhook.secret.list") { writer in
            if let source { writer.member("source", source) }
        }
    }

    /// Answered by `{"id", "source"}`.
    static func removeWebhookSecret(source: String, id: String) -> [UInt8] {
        line("webhook.secret.remove") { writer in
            writer.member("source", source)
            writer.member("id", id)
        }
    }
}
