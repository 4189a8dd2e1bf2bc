import Cryptography
import Domain
import Registry

/// A request to `/join` or `/renew` on its way from an event loop to the control plane.
struct JoinCall: Sendable {
    enum Kind: Sendable {
        /// Authenticated by its proof, which the control plane looks at.
        case join(JoinMessage)
        /// Authenticated by the client certificate with this fingerprint.
        case renew(certificate: Digest)
    }

    let kind: Kind
    let content: [UInt8]
    let requestID: UniqueID
    let token: UInt64
    let answers: AnswerQueue

    /// Who sends it, as far as that is known before it is looked at.
    var sender: String {
        switch kind {
        case .join(let message): "invitation \(message.invitation)"
        case .renew(let certificate): "certificate \(certificate)"
        }
    }
}
