package import Cryptography
package import Domain

/// What a signature must have to be taken.
package struct MessageSignaturePolicy: Sendable {
    /// What it must cover; more is welcome.
    package var requiredComponents: [MessageComponent] = []
    /// Exactly one signature must have this tag, and only it counts; nil looks at all of them.
    package var tag: String?
    /// Which parameters must be there.
    package var requiredParameters: [MessageSignatureRefusal.Parameter] = [.created]
    /// Refuse a nonce of less than 128 bits.
    package var requiresLongNonce = false
    /// The most seconds from `created` to `expires`; nil does not look.
    package var maximumLifetimeSeconds: Int64?
    /// How long ago `created` may be.
    package var pastToleranceSeconds: Int64 = 300
    /// How far in the future `created` may be.
    package var futureToleranceSeconds: Int64 = 60
    /// Take components with parameters other than `@query-param`'s name.
    package var takesComponentParameters = true

    package init() {}

    /// The webhook profile: what a partner's request must cover and carry.
    ///
    /// - Source: THREATS § 3.4
    package static let webhook: MessageSignaturePolicy = {
        var policy = MessageSignaturePolicy()
        policy.requiredComponents = [
            "@method", "@authority", "@path", "@query", "content-digest", "content-type", "isthmus-event-source",
        ].map(MessageComponent.init(known:))
        policy.tag = "isthmus-webhook"
        policy.requiredParameters = [.created, .expires, .nonce, .keyid]
        policy.requiresLongNonce = true
        policy.maximumLifetimeSeconds = 300
        policy.takesComponentParameters = false
        return policy
    }()
}

extension MessageComponent {
    /// A bare name out of this source.
    fileprivate init(known name: String) {
        do throws(MessageSignatureRefusal) {
            try self.init(StructuredFieldItem(.string(name)))
        } catch {
            preconditionFailure("`\(name)` is no component")
        }
    }
}

/// What a verified signature proves.
package struct MessageSignatureProof: Sendable {
    package let input: MessageSignatureInput
    /// The place of the key among those given: which of two secrets in rotation was used.
    package let keyIndex: Int
    package let algorithm: MessageSignatureKey.Algorithm
    /// The hash of what was signed.
    package let message: Digest
}

/// Verifies HTTP message signatures.
///
/// - Source: RFC 9421 § 3.2
package struct MessageSignatureVerifier: Sendable {
    package let keys: [MessageSignatureKey]
    package let policy: MessageSignaturePolicy

    /// The most keys that are tried; two in rotation are usual.
    package static let maximumKeys = 16

    /// - Parameter keys: 0 … `maximumKeys`.
    package init(keys: [MessageSignatureKey], policy: MessageSignaturePolicy) {
        precondition(keys.count <= Self.maximumKeys)
        self.keys = keys
        self.policy = policy
    }

    /// Verifies the message: one of its signatures must satisfy the policy under one of the keys.
    ///
    /// - Throws: why the first signature that a key is known for is refused, or the first of all.
    package func verify(_ message: SignedMessage, now: Timestamp) throws(MessageSignatureRefusal)
        -> MessageSignatureProof
    {
        try first(in: message.fields) { input throws(MessageSignatureRefusal) in
            try verify(input, in: message, now: now)
        }
    }

    /// Holds the head of the message to everything but the signature and the content, which is not looked at. These are
    /// the first steps of `verify`.
    package func checkHead(_ message: SignedMessage, now: Timestamp) throws(MessageSignatureRefusal) {
        _ = try first(in: message.fields) { input throws(MessageSignatureRefusal) in
            try readHead(input, in: message, now: now)
        }
    }

    /// What `read` makes of the first signature that it takes.
    private func first<Result>(
        in fields: HeaderFields, _ read: (MessageSignatureInput) throws(MessageSignatureRefusal) -> Result
    ) throws(MessageSignatureRefusal) -> Result {
        var refusal: MessageSignatureRefusal?
        for input in try candidates(in: fields) {
            do throws(MessageSignatureRefusal) {
                return try read(input)
            } catch {
                if refusal == nil || refusal == .unknownKey { refusal = error }
            }
        }
        throw refusal ?? .missing(.signature)
    }

    private func candidates(in fields: HeaderFields) throws(MessageSignatureRefusal) -> [MessageSignatureInput] {
        let all = try MessageSignatureInput.all(in: fields)
        guard let tag = policy.tag else { return all }
        let tagged = all.filter { $0.tag == tag }
        if tagged.isEmpty { throw .tagMissing }
        if tagged.count > 1 { throw .tagRepeated }
        return tagged
    }

    private func verify(
        _ input: MessageSignatureInput, in message: SignedMessage, now: Timestamp
    ) throws(MessageSignatureRefusal) -> MessageSignatureProof {
        let (attempts, base) = try readHead(input, in: message, now: now)
        // Every key is tried, whatever the first said: time must not tell which of two secrets is in use.
        var valid: Attempt?
        for attempt in attempts {
            let isValid = try keys[attempt.keyIndex].isValid(input.signature, for: base, by: attempt.algorithm)
            if isValid, valid == nil { valid = attempt }
        }
        guard let valid else { throw .mismatch }
        try checkContent(of: message)
        return MessageSignatureProof(
            input: input, keyIndex: valid.keyIndex, algorithm: valid.algorithm, message: SHA256.hash(base))
    }

    private func readHead(
        _ input: MessageSignatureInput, in message: SignedMessage, now: Timestamp
    ) throws(MessageSignatureRefusal) -> (attempts: [Attempt], base: [UInt8]) {
        let attempts = try attempts(for: input)
        try checkParameters(of: input, now: now)
        try checkComponents(of: input)
        return (attempts, try input.base(of: message))
    }

    private struct Attempt {
        let keyIndex: Int
        let algorithm: MessageSignatureKey.Algorithm
    }

    /// The keys to try and by which algorithm: the registered one, which `alg` may only repeat (RFC 9421 § 7.3.6).
    private func attempts(for input: MessageSignatureInput) throws(MessageSignatureRefusal) -> [Attempt] {
        var attempts: [Attempt] = []
        var refusal = MessageSignatureRefusal.unknownKey
        for (index, key) in keys.enumerated() {
            guard key.id == nil || input.keyID == nil || key.id == input.keyID else { continue }
            if let name = input.algorithm {
                guard let algorithm = MessageSignatureKey.Algorithm(name: name), key.algorithms.contains(algorithm)
                else {
                    refusal = .algorithmMismatch
                    continue
                }
                attempts.append(Attempt(keyIndex: index, algorithm: algorithm))
            } else if key.algorithms.count == 1 {
                attempts.append(Attempt(keyIndex: index, algorithm: key.algorithms[0]))
            } else {
                refusal = .algorithmUndetermined
            }
        }
        guard !attempts.isEmpty else { throw refusal }
        return attempts
    }

    private func checkParameters(of input: MessageSignatureInput, now: Timestamp) throws(MessageSignatureRefusal) {
        for parameter in policy.requiredParameters where !input.has(parameter) { throw .parameterMissing(parameter) }
        if let nonce = input.nonce, policy.requiresLongNonce {
            guard let bits = NonceStrength.bits(nonce) else { throw .parameterMalformed(.nonce) }
            guard bits >= NonceStrength.minimumBits else { throw .nonceTooShort }
        }
        if let created = input.created {
            let moment = Timestamp(seconds: created)
            if moment.advanced(bySeconds: policy.pastToleranceSeconds) < now { throw .stale }
            if now.advanced(bySeconds: policy.futureToleranceSeconds) < moment { throw .notYetValid }
        }
        guard let expires = input.expires else { return }
        if Timestamp(seconds: expires) < now { throw .expired }
        guard let created = input.created else { return }
        if expires < created { throw .lifetime }
        if let longest = policy.maximumLifetimeSeconds, expires - created > longest { throw .lifetime }
    }

    private func checkComponents(of input: MessageSignatureInput) throws(MessageSignatureRefusal) {
        if !policy.takesComponentParameters {
            for component in input.components where component.hasParameters {
                throw .componentParameter(name: component.name)
            }
        }
        for required in policy.requiredComponents where !input.components.contains(required) {
            throw .componentMissing(name: required.name)
        }
    }

    /// A digest that came is checked even when it is not signed: a wrong one is never ignored.
    private func checkContent(of message: SignedMessage) throws(MessageSignatureRefusal) {
        guard let field = message.fields.combined("content-digest".utf8) else { return }
        do throws(ContentDigestRefusal) {
            try ContentDigest.verify(field: field, content: message.body)
        } catch {
            throw .contentDigest(error)
        }
    }
}

extension MessageSignatureInput {
    fileprivate func has(_ parameter: MessageSignatureRefusal.Parameter) -> Bool {
        switch parameter {
        case .created: created != nil
        case .expires: expires != nil
        case .nonce: nonce != nil
        case .alg: algorithm != nil
        case .keyid: keyID != nil
        case .tag: tag != nil
        }
    }
}

/// How many bits a nonce can hold, by its alphabet: four a character for hexadecimal (hyphens of a UUID do not count),
/// six for base64 and base64url.
enum NonceStrength {
    /// Source: THREATS § 3.4.
    static let minimumBits = 128

    /// Nil for an empty nonce and one with other characters.
    static func bits(_ nonce: String) -> Int? {
        var characters = Array(nonce.utf8)
        for _ in 0..<2 where characters.last == UInt8(ascii: "=") { characters.removeLast() }
        guard !characters.isEmpty, characters.allSatisfy(isBase64) else { return nil }
        let digits = characters.filter { $0 != UInt8(ascii: "-") }
        return digits.allSatisfy(isHexadecimal) ? 4 * digits.count : 6 * characters.count
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private static func isBase64(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"), UInt8(ascii: "-"),
            UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
