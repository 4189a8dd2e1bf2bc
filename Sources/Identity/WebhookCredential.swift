import Cryptography
package import Domain

/// How the requests of one webhook are verified and whom they speak for, as the control plane gives it.
///
/// A class: a request hands it on by one reference, and what its keys prove is made once.
package final class WebhookCredential: Sendable {
    package enum Verification: Sendable {
        case webhook(WebhookVerifier)
        /// RFC 9421, held to the profile of webhooks.
        case messageSignature(MessageSignatureVerifier)
    }

    /// The partner event source, which is also the path of the webhook.
    package let source: String
    /// In the partner's account.
    package let principal: Principal
    /// The ids of the keys in the order of the verifier's.
    package let keyIDs: [String]
    /// Whether a request that is not verified is reported and let through.
    package let isShadow: Bool
    package let verification: Verification
    /// What each key proves where a signature says nothing else that counts; empty for HTTP message signatures.
    private let attestations: [WebhookAttestation]

    var isMessageSignature: Bool {
        switch verification {
        case .webhook: false
        case .messageSignature: true
        }
    }

    package init(
        source: String, principal: Principal, keyIDs: [String], isShadow: Bool, verification: Verification
    ) {
        self.source = source
        self.principal = principal
        self.keyIDs = keyIDs
        self.isShadow = isShadow
        self.verification = verification
        switch verification {
        case .webhook(let verifier):
            let fields = verifier.scheme.signedFields
            attestations = keyIDs.indices.map { index in
                WebhookAttestation(
                    key: (index, keyIDs[index]), nonce: nil, signedFields: fields, isMessageSignature: false)
            }
        case .messageSignature: attestations = []
        }
    }

    /// Holds the head of a request to what needs no content; in shadow mode to nothing, for that lets it through.
    func checkHead(_ request: Request, now: Timestamp) throws(AuthenticationRefusal) {
        guard !isShadow else { return }
        switch verification {
        case .webhook(let verifier):
            do throws(WebhookRefusal) {
                try verifier.checkHead(request, now: now)
            } catch {
                throw .webhook(error)
            }
        case .messageSignature(let verifier):
            do throws(MessageSignatureRefusal) {
                try verifier.checkHead(SignedMessage(request), now: now)
            } catch {
                throw .messageSignature(error)
            }
        }
    }
}

extension WebhookCredential {
    /// Verifies the request; `message` stands for what was signed.
    func attest(
        _ request: Request, now: Timestamp
    ) throws(AuthenticationRefusal) -> (attestation: WebhookAttestation, message: Digest) {
        switch verification {
        case .webhook(let verifier):
            do throws(WebhookRefusal) {
                let proof = try verifier.verify(request, now: now)
                return (attestations[proof.keyIndex], proof.message)
            } catch {
                throw .webhook(error)
            }
        case .messageSignature(let verifier):
            let proof: MessageSignatureProof
            do throws(MessageSignatureRefusal) {
                proof = try verifier.verify(SignedMessage(request), now: now)
            } catch {
                throw .messageSignature(error)
            }
            // The signature covers the field; that it names this source and no other is looked at here.
            guard request.fields.value(of: "isthmus-event-source")?.equals(source) == true else {
                throw .eventSource(path: source)
            }
            let attestation = WebhookAttestation(
                key: (proof.keyIndex, keyIDs[proof.keyIndex]), nonce: proof.input.nonce,
                signedFields: proof.input.components.map(\.name).filter { !$0.hasPrefix("@") },
                isMessageSignature: true)
            return (attestation, proof.message)
        }
    }
}

/// What a webhook's request proved.
///
/// A class: requests that prove the same by the same key of a scheme without nonces share one.
package final class WebhookAttestation: Sendable {
    /// Why the signature does not stand, in shadow mode; nil when it was verified.
    package let refusal: AuthenticationRefusal?
    /// The key that verified it; nil when none did.
    package let keyID: String?
    /// The place of that key among the credential's.
    package let keyIndex: Int?
    /// Single use within the source; nil where the scheme has none.
    package let nonce: String?
    /// Names of header fields that the signature covers, in lower case. The content it always covers.
    package let signedFields: [String]
    /// Whether it is an HTTP message signature (RFC 9421).
    package let isMessageSignature: Bool

    /// Nothing was proven.
    init(refusal: AuthenticationRefusal, isMessageSignature: Bool) {
        self.refusal = refusal
        keyID = nil
        keyIndex = nil
        nonce = nil
        signedFields = []
        self.isMessageSignature = isMessageSignature
    }

    fileprivate init(
        key: (index: Int, id: String), nonce: String?, signedFields: [String], isMessageSignature: Bool
    ) {
        refusal = nil
        keyID = key.id
        keyIndex = key.index
        self.nonce = nonce
        self.signedFields = signedFields
        self.isMessageSignature = isMessageSignature
    }
}

extension WebhookScheme {
    /// Names of the header fields that the signature covers, in lower case.
    package var signedFields: [String] {
        switch self {
        case .standardWebhooks: ["webhook-id", "webhook-timestamp"]
        case .stripe: []
        case .hmac(let described):
            described.template.parts.compactMap { part in
                switch part {
                case .timestamp: described.timestampHeader
                case .id: described.idHeader
                case .header(let name): name
                case .literal, .method, .target, .body: nil
                }
            }
        }
    }
}
