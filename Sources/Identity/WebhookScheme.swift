import Cryptography
import Domain

/// How a webhook is signed.
package enum WebhookScheme: Equatable, Sendable {
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`: HMAC `v1` and Ed25519 `v1a`.
    ///
    /// - Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    case standardWebhooks
    /// `Stripe-Signature: t=…,v1=…`.
    ///
    /// - Source: https://docs.stripe.com/webhooks#verify-manually
    case stripe
    /// One HMAC in one field: GitHub, Slack, Shopify and whatever can be described.
    case hmac(WebhookHMAC)

    /// - Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    package static let gitHub = WebhookScheme.hmac(
        WebhookHMAC(header: "x-hub-signature-256", prefix: "sha256=", template: known("{body}")))
    /// - Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
    package static let slack = WebhookScheme.hmac(
        WebhookHMAC(
            header: "x-slack-signature", prefix: "v0=", timestampHeader: "x-slack-request-timestamp",
            template: known("v0:{timestamp}:{body}")))
    /// - Source: https://shopify.dev/docs/apps/build/webhooks/subscribe/https
    package static let shopify = WebhookScheme.hmac(
        WebhookHMAC(header: "x-shopify-hmac-sha256", encoding: .base64, template: known("{body}")))

    private static func known(_ text: String) -> WebhookTemplate {
        do throws(WebhookTemplate.Fault) {
            return try WebhookTemplate(parsing: text)
        } catch {
            preconditionFailure("`\(text)` is no template: \(error.description)")
        }
    }

    /// Whether nothing in the signature says when it was made: such a request can be sent again by whoever saw it, and
    /// only its content and delivery id tell it from the first.
    package var isReplayable: Bool {
        if case .hmac(let described) = self { !described.template.holds(.timestamp) } else { false }
    }
}

/// A described HMAC scheme.
package struct WebhookHMAC: Equatable, Sendable {
    package enum Encoding: String, Equatable, Sendable, CaseIterable {
        /// Lower case.
        case hex
        /// With its padding.
        case base64
    }

    package enum Hash: String, Equatable, Sendable, CaseIterable {
        case sha256
        case sha512
    }

    /// Why a description is refused.
    package enum Fault: Error, Equatable, Sendable {
        /// A field's name is none.
        case fieldName(String)
        /// The template uses a timestamp or an id and no field is named for it, or the other way round.
        case unusedHeader

        package var description: String {
            switch self {
            case .fieldName(let name): "`\(name)` is no field name"
            case .unusedHeader:
                "name `timestampHeader` and `idHeader` exactly when the template holds {timestamp} and {id}"
            }
        }
    }

    /// The field that carries the signature, in lower case.
    package let header: String
    package let encoding: Encoding
    package let hash: Hash
    /// What stands before the signature in its field.
    package let prefix: String
    /// The field that carries the time in seconds since 1970, in lower case.
    package let timestampHeader: String?
    /// The field that carries the message's id, in lower case.
    package let idHeader: String?
    package let template: WebhookTemplate

    init(
        header: String, encoding: Encoding = .hex, prefix: String = "", timestampHeader: String? = nil,
        template: WebhookTemplate
    ) {
        self.header = header
        self.encoding = encoding
        hash = .sha256
        self.prefix = prefix
        self.timestampHeader = timestampHeader
        idHeader = nil
        self.template = template
    }

    /// A description out of configuration; names in any case.
    package init(
        header: String, encoding: Encoding, hash: Hash, prefix: String, timestampHeader: String?, idHeader: String?,
        template: WebhookTemplate
    ) throws(Fault) {
        for name in [header, timestampHeader, idHeader].compactMap({ $0 })
        where name.isEmpty || !name.utf8.allSatisfy(isFieldNameCharacter) {
            throw .fieldName(name)
        }
        guard (timestampHeader != nil) == template.holds(.timestamp), (idHeader != nil) == template.holds(.id) else {
            throw .unusedHeader
        }
        self.header = lowercase(header)
        self.encoding = encoding
        self.hash = hash
        self.prefix = prefix
        self.timestampHeader = timestampHeader.map(lowercase)
        self.idHeader = idHeader.map(lowercase)
        self.template = template
    }

    /// The bytes that a signature field writes after its prefix, or nil.
    func decode(_ field: Bytes) -> [UInt8]? {
        guard field.starts(with: prefix.utf8) else { return nil }
        let text = field.dropFirst(prefix.utf8.count)
        switch encoding {
        case .base64: return Base64Text.bytes(text)
        case .hex: return lowercaseHexadecimal(text)
        }
    }
}

/// The bytes that lower-case hexadecimal writes, or nil: one spelling for each signature.
func lowercaseHexadecimal(_ text: some Collection<UInt8>) -> [UInt8]? {
    guard !text.contains(where: { (UInt8(ascii: "A")...UInt8(ascii: "F")).contains($0) }) else { return nil }
    return Hexadecimal.bytes(text)
}

private func lowercase(_ text: String) -> String {
    String(decoding: text.utf8.map(lowercased), as: UTF8.self)
}
