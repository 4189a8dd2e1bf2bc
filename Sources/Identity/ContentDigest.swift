import Cryptography

/// Why a `Content-Digest` does not vouch for the content.
package enum ContentDigestRefusal: Error, Equatable, Sendable {
    /// The field is no dictionary of byte sequences, or names an algorithm twice.
    case malformed
    /// Neither `sha-256` nor `sha-512` is among its algorithms.
    case unsupported
    /// A digest is not the content's.
    case mismatch

    /// One stable word for metrics, logs and audit records.
    package var label: StaticString {
        switch self {
        case .malformed: "content-digest-malformed"
        case .unsupported: "content-digest-unsupported"
        case .mismatch: "content-digest-mismatch"
        }
    }
}

extension ContentDigestRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed: "`content-digest` is no dictionary of byte sequences: see RFC 9530 section 2"
        case .unsupported: "`content-digest` holds neither `sha-256` nor `sha-512`: send one of them"
        case .mismatch: "`content-digest` is not the digest of the content received: hash the bytes as they are sent"
        }
    }
}

/// The digests of a message's content.
///
/// - Source: RFC 9530 §§ 2, 5; https://www.iana.org/assignments/http-digest-hash-alg
package enum ContentDigest {
    /// The field is a list of a few hashes; more is not read.
    package static let limits = StructuredFieldLimits(bytes: 1024, members: 8, parameters: 4, refusesRepetition: true)

    /// Checks every `sha-256` and `sha-512` of the field against the content; other algorithms are passed over.
    ///
    /// - Parameters:
    ///   - field: the field's lines joined by `, `.
    ///   - content: the bytes as received, before anything parses them.
    package static func verify(field: [UInt8], content: [UInt8]) throws(ContentDigestRefusal) {
        let dictionary = try parse(field)
        var known = 0
        var isMatch = true
        for entry in dictionary.entries {
            guard case .item(let item) = entry.member, case .bytes(let digest) = item.value else { throw .malformed }
            let expected: [UInt8]
            switch entry.key {
            case "sha-256": expected = SHA256.hash(content).withUnsafeBytes { Array($0) }
            case "sha-512": expected = SHA512.hash(content)
            default: continue
            }
            known += 1
            isMatch = ConstantTime.isEqual(expected, digest) && isMatch
        }
        guard known > 0 else { throw .unsupported }
        guard isMatch else { throw .mismatch }
    }

    private static func parse(_ field: [UInt8]) throws(ContentDigestRefusal) -> StructuredFieldDictionary {
        do throws(StructuredFieldFault) {
            return try StructuredFieldParser.dictionary(field, limits: limits)
        } catch {
            throw .malformed
        }
    }
}
