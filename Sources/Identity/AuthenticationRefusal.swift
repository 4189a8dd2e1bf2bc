package import Domain

/// Why a request has no caller. Each case has one code on the wire and says what to do.
package enum AuthenticationRefusal: Error, Equatable, Sendable {
    /// The listener wants a client certificate and none came.
    case certificateRequired
    /// The certificate speaks for nobody.
    case certificate(CertificateRefusal)
    /// Neither a certificate nor a signature came.
    case signatureRequired
    /// The signature is refused.
    case signature(SigV4Refusal)
    /// Certificate and signature name different accounts.
    case accountMismatch(certificate: AccountID, signature: AccountID)
    /// The listener takes each signature once, and this one does not count.
    case replay(ReplayWindow.Refusal)
    /// The webhook's own signature is refused.
    case webhook(WebhookRefusal)
    /// The webhook's HTTP message signature is refused.
    case messageSignature(MessageSignatureRefusal)
    /// `isthmus-event-source` names another source than the path.
    case eventSource(path: String)
    /// The certificate is of another account than the partner whose webhook it is.
    case partnerMismatch(certificate: AccountID, partner: AccountID)

    /// The error's name on the wire.
    package var code: ErrorCode {
        switch self {
        case .certificateRequired, .signatureRequired: .missingAuthenticationToken
        case .certificate, .accountMismatch, .partnerMismatch: .accessDenied
        case .signature(let refusal): refusal.code
        case .replay(.repeated), .replay(.ahead): .invalidSignature
        // Clients of AWS retry these, and sign again when they do.
        case .replay(.beforeMemory), .replay(.noRoom): .serviceUnavailable
        case .webhook(.missing), .messageSignature(.missing): .missingAuthenticationToken
        case .webhook(.unavailable), .messageSignature(.unavailable): .serviceUnavailable
        case .webhook, .messageSignature, .eventSource: .invalidSignature
        }
    }

    /// One stable word for metrics, logs and audit records.
    package var label: StaticString {
        switch self {
        case .certificateRequired: "certificate-required"
        case .certificate(let refusal): refusal.label
        case .signatureRequired: "signature-required"
        case .signature(let refusal): refusal.label
        case .accountMismatch: "account-mismatch"
        case .replay(.repeated): "signature-repeated"
        case .replay(.beforeMemory): "signature-before-memory"
        case .replay(.ahead): "signature-ahead"
        case .replay(.noRoom): "signatures-no-room"
        case .webhook(let refusal): refusal.label
        case .messageSignature(let refusal): refusal.label
        case .eventSource: "webhook-event-source"
        case .partnerMismatch: "partner-mismatch"
        }
    }
}

extension AuthenticationRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .certificateRequired: "Missing Authentication Token: this listener wants a client certificate"
        case .certificate(let refusal): refusal.description
        case .signatureRequired:
            "Missing Authentication Token: present a client certificate or sign with AWS Signature Version 4"
        case .signature(let refusal): refusal.description
        case .accountMismatch(let certificate, let signature):
            "the certificate is of account `\(certificate)` and the signature of account `\(signature)`: use one"
        case .replay(.repeated):
            "this signature was accepted before, and this listener takes each once: sign again, or in another second"
        case .replay(.beforeMemory):
            "the request was signed before this gateway's memory of signatures begins: sign again"
        case .replay(.ahead):
            "the request is dated over \(ReplayWindow.aheadSeconds) s ahead, which this listener refuses: check the "
                + "clock"
        case .replay(.noRoom): "no more signatures can be remembered: retry later"
        case .webhook(let refusal): refusal.description
        case .messageSignature(let refusal): refusal.description
        case .eventSource(let path): "`isthmus-event-source` does not name `\(path)`, the source of the path"
        case .partnerMismatch(let certificate, let partner):
            "the certificate is of account `\(certificate)` and the webhook of partner account `\(partner)`: use one"
        }
    }
}
