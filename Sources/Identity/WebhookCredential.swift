package import Domain

/// How the requests of one webhook are verified and whom they speak for, as the control plane gives it.
package struct WebhookCredential: Sendable {
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

/// What a webhook's request proved.
package struct WebhookAttestation: Sendable {
    /// Why the signature does not stand, in shadow mode; nil when it was verified.
    package let refusal: AuthenticationRefusal?
    /// The key that verified it; nil when none did.
    package let keyID: String?
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
        nonce = nil
        signedFields = []
        self.isMessageSignature = isMessageSignature
    }

    private init(keyID: String, nonce: String?, signedFields: [String], isMessageSignature: Bool) {
        refusal = nil
        self.keyID = keyID
        self.nonce = nonce
        self.signedFields = signedFields
        self.isMessageSignature = isMessageSignature
    }

    /// Verifies the request.
    init(
        verifying request: Request, with credential: WebhookCredential, now: Timestamp
    ) throws(AuthenticationRefusal) {
        switch credential.verification {
        case .webhook(let verifier):
            do throws(WebhookRefusal) {
                let proof = try verifier.verify(request, now: now)
                self.init(
                    keyID: credential.keyIDs[proof.keyIndex], nonce: nil, signedFields: verifier.scheme.signedFields,
                    isMessageSignature: false)
            } catch {
                throw .webhook(error)
            }
        case .messageSignature(let verifier):
            do throws(MessageSignatureRefusal) {
                let proof = try verifier.verify(SignedMessage(request), now: now)
                self.init(
                    keyID: credential.keyIDs[proof.keyIndex], nonce: proof.input.nonce,
                    signedFields: proof.input.components.map(\.name).filter { !$0.hasPrefix("@") },
                    isMessageSignature: true)
            } catch {
                throw .messageSignature(error)
            }
            // The signature covers the field; that it names this source and no other is looked at here.
            guard request.fields.value(of: "isthmus-event-source")?.equals(credential.source) == true else {
                throw .eventSource(path: credential.source)
            }
        }
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
