package import Cryptography
import Domain

/// What the operator hands a partner: the terms and their code under a key that only the gateway has. Whoever holds it
/// may join once; it is never sent, each side only proves that it knows it.
///
/// `isthmus-join-1.TERMS.CODE`, both in base64 for URLs. The value holds a secret and does not print it.
package struct InvitationToken: Sendable {
    /// The longest token that is read.
    package static let bytesLimit = 16 * 1024
    private static let prefix = "isthmus-join-1."

    package let terms: InvitationTerms
    private let code: Digest

    /// Makes the token of `terms`; `key` is the gateway's own and signs nothing else.
    package init(_ terms: InvitationTerms, key: HMACSHA256) {
        self.terms = terms
        code = key.authenticate(terms.bytes)
    }

    /// Reads a token; nil for any other text. Only the gateway can tell whether its code is right.
    package init?(parsing text: some BidirectionalCollection<UInt8>) {
        guard text.count <= Self.bytesLimit, text.starts(with: Self.prefix.utf8) else { return nil }
        let parts = text.dropFirst(Self.prefix.utf8.count).split(
            separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 2, let bytes = Base64Text.bytes(url: parts[0]),
            let terms = InvitationTerms(parsing: bytes),
            let code = Base64Text.bytes(url: parts[1])
        else { return nil }
        do throws(CryptographyError) { self.code = try Digest(code) } catch { return nil }
        self.terms = terms
    }

    /// The secret text, for the operator's eyes once.
    package var text: String { Self.prefix + Base64Text.url(terms.bytes) + "." + Base64Text.url(code.bytes) }

    /// What proves to the gateway that the sender of `request` holds the token.
    package func proof(of request: JoinRequest) -> Digest {
        HMACSHA256(key: code).authenticate(Array("isthmus join request 1\n".utf8) + request.signedBytes(terms.digest))
    }

    /// What proves to the partner that `answer` to the request with that proof comes from who made the token.
    package func answerProof(of answer: [UInt8], to proof: Digest) -> Digest {
        HMACSHA256(key: code).authenticate(Array("isthmus join answer 1\n".utf8) + proof.bytes + answer)
    }

    /// Whether `request` was proven with this token, compared in constant time.
    package func isProven(_ request: JoinRequest, by proof: Digest) -> Bool {
        ConstantTime.isEqual(self.proof(of: request), proof)
    }
}

extension InvitationToken: CustomStringConvertible, CustomReflectable {
    package var description: String { "invitation \(terms.id) (token not shown)" }
    package var customMirror: Mirror { Mirror(self, children: ["id": terms.id]) }
}

/// What a partner asks of `/join`, without its proof.
package struct JoinRequest: Sendable {
    /// The longest content of a request: a signing request and a bundle of 64 KiB each, in JSON's escapes.
    package static let contentBytesLimit = 192 * 1024
    /// The longest trust bundle a partner leaves with the gateway.
    package static let trustBundleBytesLimit = 64 * 1024

    /// How far the partner is.
    package enum Step: String, Sendable, CaseIterable {
        /// Bind the token to the key of the signing request; the answer holds a certificate.
        case bind
        /// The test event arrived.
        case confirm
    }

    package let step: Step
    /// PKCS #10 in PEM: the key and that its holder asks.
    package let signingRequest: [UInt8]
    /// PEM certificates of the authorities that vouch for the partner's own endpoints; empty when it has none.
    package let trustBundle: [UInt8]
    /// The id of the test event, in `confirm`.
    package let event: String

    package init(step: Step, signingRequest: [UInt8], trustBundle: [UInt8] = [], event: String = "") {
        self.step = step
        self.signingRequest = signingRequest
        self.trustBundle = trustBundle
        self.event = event
    }

    /// One encoding of terms and request, each part after its length.
    func signedBytes(_ terms: Digest) -> [UInt8] {
        var bytes = terms.bytes
        for part in [Array(step.rawValue.utf8), signingRequest, trustBundle, Array(event.utf8)] {
            for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: part.count >> shift)) }
            bytes += part
        }
        return bytes
    }
}
