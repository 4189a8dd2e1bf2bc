package import Cryptography
import Domain

/// One of a webhook's active keys.
package enum WebhookKey: Sendable {
    case secret(SecretBytes)
    /// Ed25519, for Standard Webhooks `v1a`.
    case publicKey(VerificationKey)

    /// Why text is no key of a scheme. The text itself is never repeated.
    package enum Fault: Error, Equatable, Sendable {
        /// Not base64, or no key behind the prefix.
        case malformed
        /// A secret of another length than the scheme takes.
        case length(ClosedRange<Int>)
        /// A private key, or a key of a kind that the scheme does not use.
        case wrongKind

        package var description: String {
            switch self {
            case .malformed: "the key is not base64 or not a key: give it as the vendor shows it"
            case .length(let range):
                "the secret is not of \(range.lowerBound) to \(range.upperBound) bytes: give it whole"
            case .wrongKind:
                "the key is of a kind that the scheme does not verify with: give a secret, or an Ed25519 public key "
                    + "for `standard-webhooks`"
            }
        }
    }

    /// Bytes of a Standard Webhooks secret, between 192 and 512 bits.
    ///
    /// - Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    package static let standardSecretBytes = 24...64
    /// Bytes of a secret that a vendor chose the form of.
    package static let vendorSecretBytes = 1...1024

    /// Reads a key as the vendor shows it: `whsec_…` and `whpk_…` (base64 behind them) and PEM for Standard Webhooks;
    /// for the others the text's own bytes are the secret, `whsec_` of Stripe among them.
    package init(parsing text: String, for scheme: WebhookScheme) throws(Fault) {
        guard case .standardWebhooks = scheme else {
            try self.init(secret: Array(text.utf8), for: scheme)
            return
        }
        if text.hasPrefix("-----BEGIN") {
            try self.init(pem: Array(text.utf8), for: scheme)
            return
        }
        if text.hasPrefix("whsk_") { throw .wrongKind }
        let isPublic = text.hasPrefix("whpk_")
        let payload = isPublic ? text.dropFirst(5) : text.hasPrefix("whsec_") ? text.dropFirst(6) : text[...]
        guard let bytes = Base64Text.bytes(unpadded: Array(payload.utf8)) else { throw .malformed }
        guard isPublic else {
            try self.init(secret: bytes, for: scheme)
            return
        }
        do throws(CryptographyError) {
            self = .publicKey(try VerificationKey(ed25519: bytes))
        } catch {
            throw .malformed
        }
    }

    /// A secret by its bytes.
    package init(secret: [UInt8], for scheme: WebhookScheme) throws(Fault) {
        let range: ClosedRange<Int>
        if case .standardWebhooks = scheme { range = Self.standardSecretBytes } else { range = Self.vendorSecretBytes }
        guard range.contains(secret.count) else { throw .length(range) }
        self = .secret(SecretBytes(secret))
    }

    /// A public key in PEM.
    package init(pem: [UInt8], for scheme: WebhookScheme) throws(Fault) {
        guard case .standardWebhooks = scheme else { throw .wrongKind }
        let key: VerificationKey
        do throws(CryptographyError) {
            key = try VerificationKey(pem: pem)
        } catch {
            throw .malformed
        }
        guard key.algorithms == [.ed25519] else { throw .wrongKind }
        self = .publicKey(key)
    }
}
