import Cryptography
import Domain
import Identity

/// A request that meets the webhook profile, signed by hand so that every part of it can be wrong on its own.
struct SignedProfileRequest {
    var method = "POST"
    var target = "/webhooks/acme.com?a=1"
    var authority = "gateway.example"
    var fields: [(String, String)] = [
        ("host", "gateway.example"), ("content-type", "application/json"), ("isthmus-event-source", "acme.com/orders"),
    ]
    var body = Array(#"{"hello": "world"}"#.utf8)
    /// Nil for the right one.
    var digest: String? = RFC9421.requestDigest
    /// Identifiers and values, as the signer sees them.
    var components: [(String, String)] = [
        (#""@method""#, "POST"), (#""@authority""#, "gateway.example"), (#""@path""#, "/webhooks/acme.com"),
        (#""@query""#, "?a=1"), (#""content-digest""#, RFC9421.requestDigest),
        (#""content-type""#, "application/json"), (#""isthmus-event-source""#, "acme.com/orders"),
    ]
    var parameters = [
        "created=1618884473", "expires=1618884773", #"nonce="0123456789abcdef0123456789abcdef""#, #"keyid="partner-1""#,
        #"tag="isthmus-webhook""#,
    ]
    var label = "sig"
    var secret = Self.secret
    /// What is done to the two fields after signing.
    var edit: (inout String, inout String) -> Void = { _, _ in }
    /// More fields after signing.
    var added: [(String, String)] = []

    static let secret = [UInt8](repeating: 7, count: 32)
    static let now = Timestamp(seconds: 1_618_884_480)

    mutating func replace(_ parameter: String, with text: String?) {
        parameters = parameters.compactMap { $0.hasPrefix(parameter + "=") ? text : $0 }
    }

    mutating func uncover(_ identifier: String) {
        components.removeAll { $0.0 == identifier }
    }

    /// The message with the signature of its components as they are given.
    func message() -> SignedMessage {
        let list = "(\(components.map(\.0).joined(separator: " ")))" + parameters.map { ";" + $0 }.joined()
        let base = components.map { "\($0.0): \($0.1)\n" }.joined() + "\"@signature-params\": \(list)"
        let code = HMACSHA256.authenticate(Array(base.utf8), key: secret).withUnsafeBytes { Array($0) }
        var input = "\(label)=\(list)"
        var signature = "\(label)=:\(Base64Text.text(code)):"
        edit(&input, &signature)
        var all = fields
        if let digest { all.append(("content-digest", digest)) }
        if !input.isEmpty { all.append(("signature-input", input)) }
        if !signature.isEmpty { all.append(("signature", signature)) }
        return SignedMessage(
            Request(
                version: .http11, method: method, target: target, authority: authority, fields: all + added, body: body)
        )
    }

    static func verifier(
        _ policy: MessageSignaturePolicy = .webhook, secrets: [[UInt8]] = [secret], id: String? = "partner-1"
    ) -> MessageSignatureVerifier {
        MessageSignatureVerifier(
            keys: secrets.compactMap { MessageSignatureKey(id: id, secret: SecretBytes($0)) }, policy: policy)
    }
}
