package import Cryptography
import Domain
import JSON

/// A request to `/join` as it travels: which invitation, what is asked, and the proof.
package struct JoinMessage: Sendable {
    /// The id of the invitation.
    package let invitation: String
    /// SHA-256 of the terms the partner was shown.
    package let terms: Digest
    package let request: JoinRequest
    package let proof: Digest

    /// Proves `request` with `token`.
    package init(_ request: JoinRequest, with token: InvitationToken) {
        invitation = token.terms.id
        terms = token.terms.digest
        self.request = request
        proof = token.proof(of: request)
    }

    /// The content of the request.
    package var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("invitation", invitation)
            writer.member("terms", terms.hexadecimal)
            writer.member("step", request.step.rawValue)
            writer.member("signingRequest", String(decoding: request.signingRequest, as: UTF8.self))
            if !request.trustBundle.isEmpty {
                writer.member("trustBundle", String(decoding: request.trustBundle, as: UTF8.self))
            }
            if !request.event.isEmpty { writer.member("event", request.event) }
            writer.member("proof", proof.hexadecimal)
        }
        return writer.bytes
    }

    /// Reads untrusted content; nil unless every part is there and within its limit.
    package init?(parsing bytes: [UInt8]) {
        guard bytes.count <= JoinRequest.contentBytesLimit else { return nil }
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: bytes) } catch { return nil }
        guard let invitation = node["invitation"]?.string, invitation.utf8.count == 32,
            let terms = node["terms"]?.string.flatMap({ Digest(hexadecimal: $0.utf8) }),
            let step = node["step"]?.string.flatMap(JoinRequest.Step.init(rawValue:)),
            let signingRequest = node["signingRequest"]?.string,
            signingRequest.utf8.count <= CertificateSigningRequest.bytesLimit,
            let proof = node["proof"]?.string.flatMap({ Digest(hexadecimal: $0.utf8) })
        else { return nil }
        let bundle = node["trustBundle"]?.string ?? ""
        let event = node["event"]?.string ?? ""
        guard bundle.utf8.count <= JoinRequest.trustBundleBytesLimit,
            event.isEmpty == (step == .bind), event.isEmpty || UniqueID(parsing: event.utf8) != nil
        else { return nil }
        self.invitation = invitation
        self.terms = terms
        self.proof = proof
        request = JoinRequest(
            step: step, signingRequest: Array(signingRequest.utf8), trustBundle: Array(bundle.utf8), event: event)
    }
}

/// The answer to a join: what the gateway says, and its proof that it made the token.
package struct JoinAnswer: Sendable {
    /// A JSON object.
    package let content: [UInt8]
    package let proof: Digest

    /// Answers the request that `proof` proved.
    package init(_ content: [UInt8], to proof: Digest, with token: InvitationToken) {
        self.content = content
        self.proof = token.answerProof(of: content, to: proof)
    }

    /// The content of the response.
    package var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("answer", String(decoding: content, as: UTF8.self))
            writer.member("proof", proof.hexadecimal)
        }
        return writer.bytes
    }

    /// Reads an answer to `message`; nil unless its maker knows the token.
    package init?(parsing bytes: [UInt8], to message: JoinMessage, with token: InvitationToken) {
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: bytes) } catch { return nil }
        guard let content = node["answer"]?.string.map({ Array($0.utf8) }),
            let proof = node["proof"]?.string.flatMap({ Digest(hexadecimal: $0.utf8) }),
            ConstantTime.isEqual(token.answerProof(of: content, to: message.proof), proof)
        else { return nil }
        self.content = content
        self.proof = proof
    }
}
