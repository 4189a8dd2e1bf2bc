import Cryptography
import Domain
import Identity
import Registry
import Synchronization

/// Opens the keys of webhooks, once a source and snapshot, and makes new ones.
///
/// A key lives in memory only while its snapshot is in force.
final class WebhookRing: Sendable {
    private struct State {
        var revision: UInt64 = 0
        var endpoints: [String: WebhookEndpoint] = [:]
        var uses: [String: WebhookKeyUse] = [:]
    }

    private let accessKeys: AccessKeyRing
    private let state = Mutex(State())
    /// What partners were charged for.
    let charged = ChargedMessages()

    /// Keys are sealed as those of `accessKeys` are.
    init(_ accessKeys: AccessKeyRing) { self.accessKeys = accessKeys }

    /// What a source's webhook is; `nil` when none is declared or the partner is unknown.
    func endpoint(of source: Bytes, in snapshot: Snapshot) -> WebhookEndpoint? {
        guard let name = PartnerEventSourceName(parsing: source), let webhook = snapshot.webhook(of: name.description)
        else { return nil }
        return state.withLock { state in
            if state.revision < snapshot.revision {
                state.endpoints.removeAll(keepingCapacity: true)
                state.revision = snapshot.revision
            }
            if state.revision == snapshot.revision, let known = state.endpoints[name.description] { return known }
            guard let credential = make(webhook, snapshot) else { return nil }
            let uses = credential.keyIDs.map { id in
                let use = state.uses[id] ?? WebhookKeyUse()
                state.uses[id] = use
                return use
            }
            let bus = snapshot.partnerEventSource(named: name).flatMap { snapshot.bus($0.busID)?.number }
            let made = WebhookEndpoint(webhook, credential, bus: bus, uses: uses, revision: snapshot.revision)
            if state.revision == snapshot.revision { state.endpoints[name.description] = made }
            return made
        }
    }

    /// When the key verified a message last that had not come before; `nil` when it has not since the start.
    func lastVerified(_ keyID: String) -> Timestamp? { state.withLock { $0.uses[keyID]?.last } }

    private func make(_ webhook: Webhook, _ snapshot: Snapshot) -> WebhookCredential? {
        let name = webhook.source
        guard
            let account = snapshot.partnerEventSource(named: name)?.partnerAccount
                ?? snapshot.partnerAccount(of: name.partner)
        else { return nil }
        let opened = snapshot.webhookSecrets(of: name.description).compactMap { secret in
            open(secret).map { (secret: secret, text: $0) }
        }
        var ids: [String] = []
        let verification: WebhookCredential.Verification
        if let scheme = webhook.described {
            var keys: [WebhookKey] = []
            for (secret, text) in opened {
                guard let key = WebhookRing.key(text, for: scheme) else { continue }
                keys.append(key)
                ids.append(secret.id)
            }
            verification = .webhook(
                WebhookVerifier(
                    scheme: scheme, keys: keys, pastToleranceSeconds: webhook.toleranceSeconds,
                    futureToleranceSeconds: min(webhook.toleranceSeconds, WebhookVerifier.futureToleranceSeconds)))
        } else {
            var keys: [MessageSignatureKey] = []
            for (secret, text) in opened {
                guard let key = WebhookRing.messageKey(text, id: secret.keyID) else { continue }
                keys.append(key)
                ids.append(secret.id)
            }
            var policy = MessageSignaturePolicy.webhook
            policy.pastToleranceSeconds = webhook.toleranceSeconds
            policy.futureToleranceSeconds = min(webhook.toleranceSeconds, policy.futureToleranceSeconds)
            verification = .messageSignature(MessageSignatureVerifier(keys: keys, policy: policy))
        }
        return WebhookCredential(
            source: name.description,
            principal: Principal(.role, path: name.description, account: account, partition: snapshot.partition),
            keyIDs: ids, isShadow: webhook.mode == .shadow, verification: verification)
    }

    private func open(_ secret: WebhookSecret) -> String? {
        do throws(CryptographyError) {
            let data = WebhookSecret.associatedData(secret.source, secret.id)
            return String(decoding: try accessKeys.open(box: secret.sealed, authenticating: data), as: UTF8.self)
        } catch {
            return nil
        }
    }

    /// Seals a key, as the vendor shows it, under a new id.
    func seal(
        _ text: String, of source: PartnerEventSourceName, keyID: String?, at now: Timestamp, random: RandomBytes
    ) throws(CryptographyError) -> WebhookSecret {
        let id = "whk-" + Base32.text(try random.bytes(10)).lowercased()
        let box = try accessKeys.seal(
            Array(text.utf8), authenticating: WebhookSecret.associatedData(source, id), random: random)
        return WebhookSecret(id: id, source: source, keyID: keyID, createdAt: now, sealed: box)
    }
}

/// Keys of webhooks as their vendors show them.
extension WebhookRing {
    /// The longest text of a key: a public key of 8,192 bits in PEM.
    static let keyTextBytes = 4096

    /// A key of an HMAC scheme or of Standard Webhooks; `nil` when the text is none.
    static func key(_ text: String, for scheme: WebhookScheme) -> WebhookKey? {
        do throws(WebhookKey.Fault) { return try WebhookKey(parsing: text, for: scheme) } catch { return nil }
    }

    /// A key of HTTP message signatures: a public key in PEM, else a shared secret; `nil` when the text is neither.
    static func messageKey(_ text: String, id: String?) -> MessageSignatureKey? {
        guard text.hasPrefix("-----BEGIN") else {
            return MessageSignatureKey(id: id, secret: SecretBytes(Array(text.utf8)))
        }
        do throws(CryptographyError) {
            return MessageSignatureKey(id: id, key: try VerificationKey(pem: Array(text.utf8)), algorithm: nil)
        } catch {
            return nil
        }
    }

    /// Whether `text` is a key that the webhook can verify with.
    static func takes(_ text: String, for webhook: Webhook) -> Bool {
        guard let scheme = webhook.described else {
            guard let key = messageKey(text, id: nil) else { return false }
            if case .hmacSHA256? = key.algorithms.first { return text.utf8.count >= secretBytes }
            return key.algorithms.count == 1
        }
        return key(text, for: scheme) != nil
    }

    /// Bytes of randomness in a secret that is made here. Source: THREATS 3.5, 24 to 64 bytes.
    static let secretBytes = 32

    /// A new secret as the scheme's vendors show theirs.
    static func makeSecret(for webhook: Webhook, random: RandomBytes) throws(CryptographyError) -> String {
        let bytes = try random.bytes(secretBytes)
        guard case .standardWebhooks? = webhook.described else { return Hexadecimal.text(bytes) }
        var text = Array("whsec_".utf8)
        Base64Text.append(bytes, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}
