/// Every way a call into this module can fail.
///
/// `malformed`, `unsupported`, `wrongLength` and `notAuthentic` are their bytes; `library` is the world (OpenSSL out of
/// memory, its random generator unseeded, a provider missing) and is not worth a retry with the same input.
package enum CryptographyError: Error, Hashable, Sendable {
    /// The thing whose bytes were given.
    package enum Item: String, Hashable, Sendable {
        case certificate, revocationList = "certificate revocation list", signingRequest = "signing request"
        case privateKey = "private key", publicKey = "public key", signature, digest, key, nonce, output, block
        case subjectName = "subject name", alternativeName = "subject alternative name", validity, plaintext
    }

    /// The OpenSSL call that failed although its input was sound.
    package enum Operation: String, Hashable, Sendable {
        case allocate, random, encrypt, decrypt, derive, generateKey = "generate key", sign, encode
        case buildStore = "build the certificate store"
    }

    /// The bytes are not a well-formed `Item`.
    case malformed(Item)
    /// Well formed, but of a kind this module refuses, such as an RSA key where only Ed25519 and P-256 are used.
    case unsupported(Item)
    /// A fixed-length `Item` of another length, or one beyond its limit. Both counts in bytes.
    case wrongLength(Item, expected: Int, actual: Int)
    /// A sealed box whose tag does not match: wrong key, wrong nonce, wrong additional data, or changed bytes.
    case notAuthentic
    /// OpenSSL's configuration is not there or, from `line` on, no configuration; 0 when no line is to blame.
    /// `isNamed`: whether OPENSSL_CONF names it.
    case configurationUnreadable(path: String, line: Int, isNamed: Bool)
    /// The configuration activates a provider that did not load.
    case providerMissing(name: String, path: String)
    /// No provider that the configuration at `path` leaves offers this algorithm.
    case algorithmMissing(name: String, path: String)
    /// OpenSSL refused; `code` is its packed error code (`openssl errstr`), 0 when it gave none.
    case library(Operation, code: UInt)
}

extension CryptographyError: CustomStringConvertible {
    /// One line for a log: lower case, no secret.
    package var description: String {
        switch self {
        case .malformed(let item): "malformed \(item.rawValue)"
        case .unsupported(let item): "unsupported \(item.rawValue)"
        case .wrongLength(let item, let expected, let actual):
            "\(item.rawValue) of \(actual) bytes, expected \(expected)"
        case .notAuthentic: "ciphertext is not authentic: wrong key or changed bytes"
        case .configurationUnreadable(let path, let line, let isNamed):
            "openssl's configuration `\(path)` cannot be read\(line > 0 ? ", line \(line)" : ""): mend it"
                + (isNamed ? ", or unset OPENSSL_CONF" : "")
        case .providerMissing(let name, let path):
            "openssl's configuration `\(path)` activates the provider `\(name)`, which did not load: install its "
                + "module, or take it out of the configuration"
        case .algorithmMissing(let name, let path):
            "openssl's providers offer no `\(name)`: activate one that does in `\(path)`, and look at its "
                + "`default_properties`"
        case .library(let operation, let code): "openssl could not \(operation.rawValue): code \(code)"
        }
    }
}
