package import Cryptography
package import Domain

/// What a verified webhook proves.
package struct WebhookProof: Sendable {
    /// The place of the key among those given: which of two secrets in rotation was used.
    package let keyIndex: Int
    /// Stands for what was signed: the same for the same text under the same key, and for no other.
    package let message: Digest
    private let idText: Bytes?
    /// The message's id, when it is signed.
    package var id: String? { idText?.text }
    /// When it was signed, when that is signed.
    package let timestamp: Timestamp?
    /// Whoever saw the request can send it again inside no window at all: keep its content's digest and delivery id.
    package let isReplayable: Bool

    fileprivate init(keyIndex: Int, message: Digest, claim: Claim, isReplayable: Bool) {
        self.keyIndex = keyIndex
        self.message = message
        idText = claim.id
        timestamp = claim.timestamp
        self.isReplayable = isReplayable
    }
}

/// Verifies webhooks of one source by its scheme and its active keys.
package struct WebhookVerifier: Sendable {
    package let scheme: WebhookScheme
    private let codes: [Code]
    private let pastToleranceSeconds: Int64
    private let futureToleranceSeconds: Int64

    /// The most keys: two in rotation, and room for a migration.
    package static let maximumKeys = 8
    /// The most signatures in one field: each is compared under each key.
    package static let maximumSignatures = 16
    /// The most signatures by public keys in one field: two for each of two keys in rotation. Each costs about a
    /// hundred times what a code does, and whoever sends them need not be anybody.
    package static let maximumAsymmetricSignatures = 4
    private static let asymmetricSignatureBytes = 64
    /// The longest id. The vendors' have about thirty characters.
    package static let maximumIDBytes = 256
    /// How long ago a webhook may have been signed. Source: THREATS § 3.5.
    package static let pastToleranceSeconds: Int64 = 300
    /// How far in the future. Source: THREATS § 3.5.
    package static let futureToleranceSeconds: Int64 = 60

    /// - Parameter keys: 0 … `maximumKeys`, of kinds that the scheme takes.
    package init(
        scheme: WebhookScheme, keys: [WebhookKey],
        pastToleranceSeconds: Int64 = Self.pastToleranceSeconds,
        futureToleranceSeconds: Int64 = Self.futureToleranceSeconds
    ) {
        precondition(keys.count <= Self.maximumKeys)
        self.scheme = scheme
        codes = keys.map { Code($0, scheme: scheme) }
        self.pastToleranceSeconds = pastToleranceSeconds
        self.futureToleranceSeconds = futureToleranceSeconds
    }

    /// Verifies the request over the bytes of its body as received.
    package func verify(_ request: Request, now: Timestamp) throws(WebhookRefusal) -> WebhookProof {
        let claim = try claim(of: request, now: now)
        let match = try match(claim, request.body)
        return WebhookProof(
            keyIndex: match.keyIndex, message: match.message, claim: claim, isReplayable: scheme.isReplayable)
    }

    /// Holds the head of `request` to everything that needs no content: the fields of the scheme, the time, and that
    /// there is a key. These are the first steps of `verify`; the content is not looked at.
    package func checkHead(_ request: Request, now: Timestamp) throws(WebhookRefusal) {
        _ = try claim(of: request, now: now)
    }

    private func claim(of request: Request, now: Timestamp) throws(WebhookRefusal) -> Claim {
        let claim: Claim
        switch scheme {
        case .standardWebhooks: claim = try standardClaim(request)
        case .stripe: claim = try stripeClaim(request)
        case .hmac(let described): claim = try describedClaim(request, described)
        }
        if let timestamp = claim.timestamp {
            if timestamp.advanced(bySeconds: pastToleranceSeconds) < now { throw .stale }
            if now.advanced(bySeconds: futureToleranceSeconds) < timestamp { throw .notYetValid }
        }
        guard codes.contains(where: { $0.fits(claim) }) else { throw .noKey }
        return claim
    }

    /// The first key that made one of the signatures. Every key is tried against every signature, whatever the others
    /// said: time must not tell which of two secrets is in use.
    private func match(
        _ claim: Claim, _ content: [UInt8]
    ) throws(WebhookRefusal) -> (keyIndex: Int, message: Digest) {
        var found: (keyIndex: Int, message: Digest)?
        for (index, code) in codes.enumerated() {
            var isMatch = false
            let message: Digest
            switch code {
            case .sha256(let key):
                message = key.authenticate(claim.head, content)
                message.withUnsafeBytes { expected in
                    for signature in claim.codes {
                        isMatch = signature.withUnsafeBytes { ConstantTime.isEqual(expected, $0) } || isMatch
                    }
                }
            case .sha512(let key):
                let expected = HMACSHA512.authenticate(claim.head + content, key: key.bytes)
                message = SHA256.hash(expected)
                for signature in claim.codes { isMatch = ConstantTime.isEqual(expected, signature) || isMatch }
            case .ed25519(let key):
                let text = claim.head + content
                message = SHA256.hash(text)
                for signature in claim.signatures {
                    let isValid = try verify(signature, text, key)
                    isMatch = isValid || isMatch
                }
            }
            if isMatch, found == nil { found = (index, message) }
        }
        guard let found else { throw .mismatch }
        return found
    }

    private func verify(
        _ signature: [UInt8], _ text: [UInt8], _ key: VerificationKey
    ) throws(WebhookRefusal) -> Bool {
        do throws(CryptographyError) {
            return try key.isValid(signature: signature, for: text, by: .ed25519)
        } catch {
            throw .unavailable
        }
    }
}

/// A key made ready.
private enum Code {
    case sha256(HMACSHA256)
    case sha512(SecretBytes)
    case ed25519(VerificationKey)

    init(_ key: WebhookKey, scheme: WebhookScheme) {
        switch key {
        case .publicKey(let key): self = .ed25519(key)
        case .secret(let secret):
            if case .hmac(let described) = scheme, described.hash == .sha512 {
                self = .sha512(secret)
            } else {
                self = .sha256(HMACSHA256(key: secret.bytes))
            }
        }
    }

    /// Whether a signature came that this key could have made.
    func fits(_ claim: Claim) -> Bool {
        switch self {
        case .sha256, .sha512: !claim.codes.isEmpty
        case .ed25519: !claim.signatures.isEmpty
        }
    }
}

/// What a request claims to be signed with.
private struct Claim {
    var codes: [[UInt8]] = []
    var signatures: [[UInt8]] = []
    /// What is signed before the content: every scheme has that last.
    let head: [UInt8]
    let timestamp: Timestamp?
    let id: Bytes?
}

extension WebhookVerifier {
    private func standardClaim(_ request: Request) throws(WebhookRefusal) -> Claim {
        let id = try WebhookField.one("webhook-id", in: request)
        let timestamp = try WebhookField.one("webhook-timestamp", in: request)
        let field = try WebhookField.one("webhook-signature", in: request)
        // `id.timestamp.body`: a point in the id would let one text be read as two messages.
        guard id.count <= Self.maximumIDBytes, id.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ".") })
        else { throw .malformedID }
        var head: [UInt8] = []
        head.reserveCapacity(id.count + timestamp.count + 2)
        head += id
        head.append(UInt8(ascii: "."))
        head += timestamp
        head.append(UInt8(ascii: "."))
        var claim = Claim(head: head, timestamp: try seconds(timestamp), id: id)
        // An entry that cannot be read fits no key; the others of the list still may.
        var isAnyUnreadable = false
        var parts = WebhookParts(field, separator: UInt8(ascii: " "))
        while let entry = parts.next() {
            guard parts.count <= Self.maximumSignatures else { throw .tooManySignatures }
            guard let comma = entry.firstIndex(of: UInt8(ascii: ",")) else {
                isAnyUnreadable = true
                continue
            }
            let version = entry[..<comma]
            // Other versions are to come and are passed over.
            guard version.equals("v1") || version.equals("v1a") else { continue }
            guard let bytes = Base64Text.bytes(entry[(comma + 1)...]) else {
                isAnyUnreadable = true
                continue
            }
            if version.count == 2 {
                claim.codes.append(bytes)
            } else if bytes.count == Self.asymmetricSignatureBytes {
                guard claim.signatures.count < Self.maximumAsymmetricSignatures else { throw .tooManySignatures }
                claim.signatures.append(bytes)
            } else {
                isAnyUnreadable = true
            }
        }
        if claim.codes.isEmpty && claim.signatures.isEmpty {
            throw isAnyUnreadable ? .malformed(field: "webhook-signature") : .noKnownVersion
        }
        return claim
    }

    private func stripeClaim(_ request: Request) throws(WebhookRefusal) -> Claim {
        let field = try WebhookField.one("stripe-signature", in: request)
        var timestamp: Bytes?
        var codes: [[UInt8]] = []
        // As above: Stripe sends one code for each secret in rotation.
        var isAnyUnreadable = false
        var parts = WebhookParts(field, separator: UInt8(ascii: ","))
        while let element = parts.next() {
            // One more than the signatures, for the time.
            guard parts.count <= Self.maximumSignatures + 1 else { throw .tooManySignatures }
            guard let mark = element.firstIndex(of: UInt8(ascii: "=")) else {
                throw .malformed(field: "stripe-signature")
            }
            let key = element[..<mark]
            let value = element[(mark + 1)...]
            if key.equals("t") {
                if timestamp != nil { throw .malformedTimestamp }
                timestamp = value
            } else if key.equals("v1") {
                if let code = lowercaseHexadecimal(value) { codes.append(code) } else { isAnyUnreadable = true }
            }
        }
        guard let timestamp else { throw .malformedTimestamp }
        if codes.isEmpty { throw isAnyUnreadable ? .malformed(field: "stripe-signature") : .noKnownVersion }
        return Claim(
            codes: codes, head: timestamp + [UInt8(ascii: ".")], timestamp: try seconds(timestamp), id: nil)
    }

    private func describedClaim(_ request: Request, _ described: WebhookHMAC) throws(WebhookRefusal) -> Claim {
        let field = try WebhookField.one(described.header, in: request)
        guard let code = described.decode(field) else { throw .malformed(field: described.header) }
        var timestamp: Bytes = []
        var moment: Timestamp?
        if let name = described.timestampHeader {
            timestamp = try WebhookField.one(name, in: request)
            moment = try seconds(timestamp)
        }
        var id: Bytes = []
        if let name = described.idHeader {
            id = try WebhookField.one(name, in: request)
            guard id.count <= Self.maximumIDBytes, id.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                throw .malformedID
            }
        }
        return Claim(
            codes: [code], head: try described.template.head(of: request, timestamp: timestamp, id: id),
            timestamp: moment, id: described.idHeader == nil ? nil : id)
    }

    /// Seconds since 1970 in one spelling: 1 … 11 digits, no sign, point or leading zero.
    private func seconds(_ text: Bytes) throws(WebhookRefusal) -> Timestamp {
        guard (1...11).contains(text.count), text.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            text.count == 1 || text.first != UInt8(ascii: "0")
        else { throw .malformedTimestamp }
        return Timestamp(seconds: text.reduce(0) { $0 * 10 + Int64($1 - UInt8(ascii: "0")) })
    }
}

/// The parts of a field, empty ones too, one after the other: no list of them is made.
private struct WebhookParts {
    private var rest: Bytes?
    private let separator: UInt8
    /// How many were read.
    private(set) var count = 0

    init(_ field: Bytes, separator: UInt8) {
        rest = field
        self.separator = separator
    }

    mutating func next() -> Bytes? {
        guard let field = rest else { return nil }
        count += 1
        guard let end = field.firstIndex(of: separator) else {
            rest = nil
            return field
        }
        rest = field[(end + 1)...]
        return field[..<end]
    }
}

/// HMAC-SHA-512, for the described schemes only.
///
/// - Source: RFC 2104 § 2, RFC 4231
enum HMACSHA512 {
    private static let blockBytes = 128

    /// The 64 bytes of the code of `message`.
    static func authenticate(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        let short = key.count > blockBytes ? SHA512.hash(key) : key
        let block = short + [UInt8](repeating: 0, count: blockBytes - short.count)
        let inner = SHA512.hash(block.map { $0 ^ 0x36 } + message)
        return SHA512.hash(block.map { $0 ^ 0x5C } + inner)
    }
}
