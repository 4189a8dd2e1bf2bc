import Cryptography
import Domain
import JSON

/// One recorded message with what is needed to judge its signature (RFC 9421).
struct MessageSignatureCase {
    private let message: SignedMessage
    private let verifier: MessageSignatureVerifier
    private let now: Timestamp

    init(_ document: JSONNode) throws(BatchFault) {
        now = try BatchLine.now(document)
        message = try Self.message(document)
        let nodes = try BatchLine.keys(document, atMost: MessageSignatureVerifier.maximumKeys)
        var keys: [MessageSignatureKey] = []
        for node in nodes { keys.append(try Self.key(node)) }
        verifier = MessageSignatureVerifier(keys: keys, policy: try Self.policy(document))
    }

    func judge() -> BatchOutcome {
        do throws(MessageSignatureRefusal) {
            let proof = try verifier.verify(message, now: now)
            var members: [JSONNode.Member] = [
                .init(key: "label", value: .string(proof.input.label)),
                .init(key: "algorithm", value: .string(proof.algorithm.name)),
                .init(key: "key", value: .integer(Int64(proof.keyIndex))),
            ]
            members += base(of: [proof.input])
            return .verified(members)
        } catch {
            return .refused("\(error.label)", error.description, base(of: inputs()))
        }
    }

    private func inputs() -> [MessageSignatureInput] {
        do throws(MessageSignatureRefusal) {
            return try MessageSignatureInput.all(in: message.fields)
        } catch {
            return []
        }
    }

    /// What was compared, for the signer to lay beside its own: of the one signature there is.
    private func base(of inputs: [MessageSignatureInput]) -> [JSONNode.Member] {
        guard inputs.count == 1 else { return [] }
        do throws(MessageSignatureRefusal) {
            let base = try inputs[0].base(of: message)
            return [.init(key: "signatureBase", value: .string(String(decoding: base, as: UTF8.self)))]
        } catch {
            return []
        }
    }

    private static func message(_ document: JSONNode) throws(BatchFault) -> SignedMessage {
        guard let node = document["request"] else { throw BatchFault(reason: "`request` is missing") }
        let request = try BatchLine.request(node)
        guard let status = node["status"]?.int else { return SignedMessage(request, scheme: try scheme(node)) }
        var head: SignedMessage.RequestHead?
        if let related = document["relatedRequest"] {
            head = SignedMessage.RequestHead(try BatchLine.request(related), scheme: try scheme(related))
        }
        return SignedMessage(status: status, fields: request.fields, body: request.body, to: head)
    }

    private static func scheme(_ node: JSONNode) throws(BatchFault) -> String {
        let scheme = try BatchLine.optionalText(node, "scheme") ?? "https"
        guard scheme == "https" || scheme == "http" else {
            throw BatchFault(reason: "`scheme` is neither `https` nor `http`")
        }
        return scheme
    }

    private static func policy(_ document: JSONNode) throws(BatchFault) -> MessageSignaturePolicy {
        var policy: MessageSignaturePolicy
        switch try BatchLine.optionalText(document, "profile") {
        case nil: policy = MessageSignaturePolicy()
        case "webhook": policy = .webhook
        case .some: throw BatchFault(reason: "`profile` is not `webhook`")
        }
        (policy.pastToleranceSeconds, policy.futureToleranceSeconds) = try BatchLine.tolerance(document)
        if let tag = try BatchLine.optionalText(document, "tag") { policy.tag = tag }
        guard let components = document["components"], !components.isNull else { return policy }
        guard let list = components.array else { throw BatchFault(reason: "`components` is no array") }
        for node in list {
            guard let text = node.string else {
                throw BatchFault(reason: "`components` holds something else than text")
            }
            do throws(MessageSignatureRefusal) {
                policy.requiredComponents.append(try MessageComponent(parsing: text))
            } catch {
                throw BatchFault(reason: "`components`: \(error.description)")
            }
        }
        return policy
    }

    private static func key(_ node: JSONNode) throws(BatchFault) -> MessageSignatureKey {
        let id = try BatchLine.optionalText(node, "id")
        let name = try BatchLine.optionalText(node, "algorithm")
        let algorithm = name.flatMap { MessageSignatureKey.Algorithm(name: $0) }
        if name != nil, algorithm == nil { throw BatchFault(reason: "the key's `algorithm` is none of RFC 9421") }
        let pem = try BatchLine.optionalText(node, "publicKeyPem") ?? node.string.flatMap(pemText)
        if let pem { return try publicKey(pem, id: id, algorithm: algorithm) }
        guard let secret = try BatchLine.secret(node) ?? node.string.map({ Array($0.utf8) }) else {
            throw BatchFault(reason: "a key has neither `publicKeyPem` nor `secretBase64`")
        }
        guard algorithm == nil || algorithm == .hmacSHA256 else {
            throw BatchFault(reason: "a secret is for `hmac-sha256` only")
        }
        guard let key = MessageSignatureKey(id: id, secret: SecretBytes(secret)) else {
            throw BatchFault(reason: "a secret is not of \(MessageSignatureKey.secretBytes) bytes")
        }
        return key
    }

    private static func pemText(_ text: String) -> String? { text.hasPrefix("-----BEGIN") ? text : nil }

    private static func publicKey(
        _ pem: String, id: String?, algorithm: MessageSignatureKey.Algorithm?
    ) throws(BatchFault) -> MessageSignatureKey {
        let key: VerificationKey
        do throws(CryptographyError) {
            key = try VerificationKey(pem: Array(pem.utf8))
        } catch {
            throw BatchFault(reason: "`publicKeyPem` cannot be used: \(error.description)")
        }
        let registered: SignatureAlgorithm?
        switch algorithm {
        case nil: registered = nil
        case .asymmetric(let algorithm): registered = algorithm
        case .hmacSHA256: throw BatchFault(reason: "a public key is not for `hmac-sha256`")
        }
        guard let made = MessageSignatureKey(id: id, key: key, algorithm: registered) else {
            throw BatchFault(reason: "the key's `algorithm` is not one of its kind of key")
        }
        return made
    }
}
