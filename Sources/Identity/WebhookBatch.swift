import Cryptography
import Domain
import JSON

/// Verifies recorded requests, one JSON line each, with the gateway's own verifiers: `isthmus signature verify --batch
/// --scheme …`.
///
/// A line is `{"id","request":{"method"?,"target"?,"headers":[[name,value],…],"bodyBase64"?},"keys":[…],"now",
/// "toleranceSeconds"?}`; a key is the secret as the vendor shows it, or `{"id"?,"algorithm"?,"publicKeyPem"|
/// "secretBase64"}`. The answer is `{"id","verified","reason"?,"code"?}` and what the scheme adds.
///
/// | scheme | besides in the line | besides in the answer |
/// |---|---|---|
/// | `hmac` | `scheme`: `header`, `encoding`, `digest`, `prefix`, `timestampHeader`, `idHeader`, `template` | `key` |
/// | `rfc9421` | `components`, `tag`, `profile`, `relatedRequest`; `status`, `scheme` in a request | `signatureBase` |
/// | the others | | `key`: the place of the key that fitted |
package struct WebhookBatch: Sendable {
    /// The schemes by their names on the command line.
    package enum Scheme: String, Sendable, CaseIterable {
        case standardWebhooks = "standard-webhooks"
        case gitHub = "github"
        case stripe
        case slack
        case shopify
        case hmac
        case messageSignature = "rfc9421"
    }

    private let scheme: Scheme

    /// The longest line: a request at the gateway's limits, in base64, and room for its fields.
    package static let maximumLineBytes = 4 * 1024 * 1024

    package init(_ scheme: Scheme) {
        self.scheme = scheme
    }

    /// What became of one line.
    package struct Answer: Sendable {
        package let isVerified: Bool
        /// The answer as one line of JSON, without the line's end.
        package let line: [UInt8]
    }

    /// Verifies one line. A line that cannot be read is answered as not verified, with what is missing.
    package func verify(line: some Collection<UInt8>) -> Answer {
        var identifier = JSONNode.null
        var outcome: BatchOutcome
        do throws(BatchFault) {
            let document = try BatchLine.parse(line, maximumBytes: Self.maximumLineBytes)
            identifier = document["id"] ?? .null
            outcome = try judge(document)
        } catch {
            outcome = .refused("line", error.reason)
        }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("id", identifier)
            outcome.write(to: &writer)
        }
        return Answer(isVerified: outcome.isVerified, line: writer.bytes)
    }

    private func judge(_ document: JSONNode) throws(BatchFault) -> BatchOutcome {
        switch scheme {
        case .standardWebhooks: try judge(document, .standardWebhooks)
        case .gitHub: try judge(document, .gitHub)
        case .stripe: try judge(document, .stripe)
        case .slack: try judge(document, .slack)
        case .shopify: try judge(document, .shopify)
        case .hmac: try judge(document, .hmac(try BatchLine.described(document["scheme"])))
        case .messageSignature: try MessageSignatureCase(document).judge()
        }
    }

    private func judge(_ document: JSONNode, _ scheme: WebhookScheme) throws(BatchFault) -> BatchOutcome {
        let nodes = try BatchLine.keys(document, atMost: WebhookVerifier.maximumKeys)
        var keys: [WebhookKey] = []
        for node in nodes { keys.append(try BatchLine.webhookKey(node, for: scheme)) }
        let now = try BatchLine.now(document)
        let tolerance = try BatchLine.tolerance(document)
        let verifier = WebhookVerifier(
            scheme: scheme, keys: keys, pastToleranceSeconds: tolerance.past,
            futureToleranceSeconds: tolerance.future)
        guard let node = document["request"] else { throw BatchFault(reason: "`request` is missing") }
        let request = try BatchLine.request(node)
        do throws(WebhookRefusal) {
            let proof = try verifier.verify(request, now: now)
            return .verified([.init(key: "key", value: .integer(Int64(proof.keyIndex)))])
        } catch {
            return .refused("\(error.label)", error.description)
        }
    }
}

/// What is said of one line.
enum BatchOutcome {
    case verified([JSONNode.Member])
    case refused(String, String, [JSONNode.Member] = [])

    var isVerified: Bool {
        if case .verified = self { true } else { false }
    }

    func write(to writer: inout JSONWriter) {
        writer.member("verified", isVerified)
        let more: [JSONNode.Member]
        switch self {
        case .verified(let members): more = members
        case .refused(let code, let reason, let members):
            writer.member("reason", reason)
            writer.member("code", code)
            more = members
        }
        for member in more {
            writer.key(named: member.key)
            writer.node(member.value)
        }
    }
}

/// Why a line cannot be judged. Holds nothing of a secret.
struct BatchFault: Error {
    let reason: String
}
