/// Why a message's signature (RFC 9421) is refused. Each case has one stable label and one line that says what to do.
package enum MessageSignatureRefusal: Error, Equatable, Sendable {
    /// The fields that carry signatures.
    package enum Field: String, Sendable {
        case signature = "signature"
        case signatureInput = "signature-input"
    }

    /// The parameters of a signature.
    package enum Parameter: String, Sendable, CaseIterable {
        case created, expires, nonce, alg, keyid, tag
    }

    /// Neither, or only one, of the two fields came.
    case missing(Field)
    /// A field is longer, or holds more, than is read.
    case tooLarge(Field)
    /// A field is no dictionary of what it should hold.
    case malformed(Field)
    /// A label, component parameter or signature parameter stands twice.
    case repeated(Field)
    /// A label stands in one of the two fields only.
    case unpairedLabel
    /// No signature has the tag that is asked for.
    case tagMissing
    /// More than one signature has it.
    case tagRepeated
    /// A parameter that must be there is not.
    case parameterMissing(Parameter)
    /// A parameter is of another type or out of range.
    case parameterMalformed(Parameter)
    /// The nonce has less than 128 bits.
    case nonceTooShort
    /// `created` is too far in the past.
    case stale
    /// `created` is in the future.
    case notYetValid
    /// `expires` has passed.
    case expired
    /// `expires` is before `created`, or too long after it.
    case lifetime
    /// A component identifier that is none, or has a parameter it may not have.
    case componentMalformed(name: String)
    /// A component parameter that this policy, or this verifier, does not take.
    case componentParameter(name: String)
    /// A component stands twice in the list.
    case componentRepeated(name: String)
    /// A component that must be covered is not.
    case componentMissing(name: String)
    /// A covered component is not in the message, or not exactly once.
    case componentAbsent(name: String)
    /// A covered component's value cannot stand in a signature base.
    case componentValue(name: String)
    /// `Host` stands twice, or differs from the request target's authority.
    case authority
    /// The signature base would be longer than is built.
    case baseTooLong
    /// No key, or none of that `keyid`.
    case unknownKey
    /// `alg` is not the key's registered algorithm.
    case algorithmMismatch
    /// Neither the key nor the signature says which of the key's algorithms it is.
    case algorithmUndetermined
    /// The content is not what was signed.
    case contentDigest(ContentDigestRefusal)
    /// The signature is not the one this message and key make.
    case mismatch
    /// The cryptographic library failed: this gateway's fault, not the caller's.
    case unavailable

    /// One stable word for metrics, logs and audit records.
    package var label: StaticString {
        switch self {
        case .missing: "signature-missing"
        case .tooLarge: "signature-too-large"
        case .malformed: "signature-malformed"
        case .repeated: "signature-repeated-key"
        case .unpairedLabel: "signature-unpaired-label"
        case .tagMissing: "signature-tag-missing"
        case .tagRepeated: "signature-tag-repeated"
        case .parameterMissing: "signature-parameter-missing"
        case .parameterMalformed: "signature-parameter-malformed"
        case .nonceTooShort: "signature-nonce-short"
        case .stale: "signature-stale"
        case .notYetValid: "signature-not-yet-valid"
        case .expired: "signature-expired"
        case .lifetime: "signature-lifetime"
        case .componentMalformed: "signature-component-malformed"
        case .componentParameter: "signature-component-parameter"
        case .componentRepeated: "signature-component-repeated"
        case .componentMissing: "signature-component-missing"
        case .componentAbsent: "signature-component-absent"
        case .componentValue: "signature-component-value"
        case .authority: "signature-authority"
        case .baseTooLong: "signature-base-too-long"
        case .unknownKey: "signature-unknown-key"
        case .algorithmMismatch: "signature-algorithm-mismatch"
        case .algorithmUndetermined: "signature-algorithm-undetermined"
        case .contentDigest(let refusal): refusal.label
        case .mismatch: "signature-mismatch"
        case .unavailable: "signature-unavailable"
        }
    }
}

extension MessageSignatureRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let field): "the message has no `\(field.rawValue)`: sign it as RFC 9421 says"
        case .tooLarge(let field): "`\(field.rawValue)` is longer or holds more than is read: send fewer signatures"
        case .malformed(let field): "`\(field.rawValue)` cannot be read: see RFC 9421 section 4 for its form"
        case .repeated(let field): "`\(field.rawValue)` holds a key twice: each label and parameter stands once"
        case .unpairedLabel: "`signature` and `signature-input` have different labels: send both for each signature"
        case .tagMissing: "no signature has the tag that is asked for: add `tag`"
        case .tagRepeated: "more than one signature has the tag that is asked for: send one"
        case .parameterMissing(let name): "the signature has no `\(name.rawValue)`: add it"
        case .parameterMalformed(let name):
            "`\(name.rawValue)` is of another type or out of range: see RFC 9421 section 2.3"
        case .nonceTooShort: "the nonce has less than 128 bits: send 22 characters of base64 or 32 of hexadecimal"
        case .stale: "`created` is too far in the past: sign when the message is sent, and check the clock"
        case .notYetValid: "`created` is in the future: check the clock"
        case .expired: "`expires` has passed: sign again"
        case .lifetime: "`expires` is before `created` or too long after it: set it at most 300 s later"
        case .componentMalformed(let name): "`\(name)` is no component identifier: see RFC 9421 section 2"
        case .componentParameter(let name):
            "the component `\(name)` has a parameter that is not taken: cover it without"
        case .componentRepeated(let name): "the component `\(name)` is covered twice: cover it once"
        case .componentMissing(let name): "the component `\(name)` must be covered and is not: sign it"
        case .componentAbsent(let name):
            "the covered component `\(name)` is not in the message exactly once: send it or cover it no more"
        case .componentValue(let name): "the value of `\(name)` cannot be signed: only one line of ASCII can"
        case .authority: "`host` stands twice or is not the authority of the request target: send it once and the same"
        case .baseTooLong: "the covered components are too long: cover less"
        case .unknownKey: "no key has that `keyid`: send the id that the key was registered with"
        case .algorithmMismatch: "`alg` is not the algorithm that is registered for the key: leave it out"
        case .algorithmUndetermined: "the key's algorithm is not registered: register it, or send `alg`"
        case .contentDigest(let refusal): refusal.description
        case .mismatch:
            "the signature is not the one that this message and key make: check the key and the signature base"
        case .unavailable: "the signature could not be checked: try again"
        }
    }
}
