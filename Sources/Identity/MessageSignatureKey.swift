package import Cryptography

/// A key that HTTP message signatures are verified with, and what it is registered for.
package struct MessageSignatureKey: Sendable {
    /// The registered algorithms, by their names on the wire.
    package enum Algorithm: Hashable, Sendable {
        /// Whoever verifies with it could sign with it.
        case hmacSHA256
        case asymmetric(SignatureAlgorithm)

        /// - Parameter name: `hmac-sha256`, `ed25519`, …; nil for any other.
        package init?(name: String) {
            if name == "hmac-sha256" {
                self = .hmacSHA256
            } else if let algorithm = SignatureAlgorithm(rawValue: name) {
                self = .asymmetric(algorithm)
            } else {
                return nil
            }
        }

        package var name: String {
            switch self {
            case .hmacSHA256: "hmac-sha256"
            case .asymmetric(let algorithm): algorithm.rawValue
            }
        }
    }

    enum Material: Sendable {
        case secret(HMACSHA256)
        case key(VerificationKey)
    }

    /// Compared with `keyid`; nil matches any.
    package let id: String?
    /// What it is registered for: one algorithm, or two for an RSA key registered for neither.
    package let algorithms: [Algorithm]
    let material: Material

    /// A shared secret for `hmac-sha256`: 1 … 1024 bytes.
    ///
    /// - Returns: nil for a secret of another length.
    package init?(id: String?, secret: SecretBytes) {
        guard Self.secretBytes.contains(secret.bytes.count) else { return nil }
        self.id = id
        algorithms = [.hmacSHA256]
        material = .secret(HMACSHA256(key: secret.bytes))
    }

    /// A public key.
    ///
    /// - Parameter algorithm: the one it is registered for; nil takes what the kind of key allows.
    /// - Returns: nil when the key cannot be used with `algorithm`.
    package init?(id: String?, key: VerificationKey, algorithm: SignatureAlgorithm?) {
        if let algorithm, !key.algorithms.contains(algorithm) { return nil }
        self.id = id
        algorithms = (algorithm.map { [$0] } ?? key.algorithms).map { .asymmetric($0) }
        material = .key(key)
    }

    /// Lengths of a shared secret. Whether it is long enough is for whoever registers it; an empty one is no secret.
    package static let secretBytes = 1...1024

    /// Whether `signature` is this key's over `base`.
    func isValid(
        _ signature: [UInt8], for base: [UInt8], by algorithm: Algorithm
    ) throws(MessageSignatureRefusal) -> Bool {
        switch (material, algorithm) {
        case (.secret(let code), .hmacSHA256):
            return signature.withUnsafeBytes { signature in
                base.withUnsafeBytes { code.isAuthentic(signature, for: $0) }
            }
        case (.key(let key), .asymmetric(let algorithm)):
            do throws(CryptographyError) {
                return try key.isValid(signature: signature, for: base, by: algorithm)
            } catch {
                throw .unavailable
            }
        case (.secret, .asymmetric), (.key, .hmacSHA256):
            return false
        }
    }
}
