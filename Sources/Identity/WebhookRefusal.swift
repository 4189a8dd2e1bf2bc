/// Why a webhook's signature is refused. Each case has one stable label and one line that says what to do.
package enum WebhookRefusal: Error, Equatable, Sendable {
    /// A field that the scheme needs did not come.
    case missing(field: String)
    /// A field that may stand once only stands twice.
    case repeated(field: String)
    /// A field is longer than is read.
    case tooLong(field: String)
    /// A field cannot be read.
    case malformed(field: String)
    /// The message's id is empty, too long, or holds a `.` or another character that it may not.
    case malformedID
    /// The timestamp is no count of seconds, or stands twice.
    case malformedTimestamp
    /// More signatures in the field than are tried.
    case tooManySignatures
    /// The field holds no signature of a version that is verified.
    case noKnownVersion
    /// The timestamp is too far in the past.
    case stale
    /// The timestamp is too far in the future.
    case notYetValid
    /// There is no key, or none for the versions that came.
    case noKey
    /// The signature is not the one that this request and key make.
    case mismatch
    /// The cryptographic library failed: this gateway's fault, not the caller's.
    case unavailable

    /// One stable word for metrics, logs and audit records.
    package var label: StaticString {
        switch self {
        case .missing: "webhook-field-missing"
        case .repeated: "webhook-field-repeated"
        case .tooLong: "webhook-field-too-long"
        case .malformed: "webhook-field-malformed"
        case .malformedID: "webhook-id-malformed"
        case .malformedTimestamp: "webhook-timestamp-malformed"
        case .tooManySignatures: "webhook-too-many-signatures"
        case .noKnownVersion: "webhook-unknown-version"
        case .stale: "webhook-stale"
        case .notYetValid: "webhook-not-yet-valid"
        case .noKey: "webhook-no-key"
        case .mismatch: "webhook-mismatch"
        case .unavailable: "webhook-unavailable"
        }
    }
}

extension WebhookRefusal: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let field): "the request has no `\(field)`: the scheme signs with it"
        case .repeated(let field): "`\(field)` stands twice: send it once"
        case .tooLong(let field):
            "`\(field)` is longer than the \(WebhookField.maximumBytes) bytes that are read: send less"
        case .malformed(let field): "`\(field)` cannot be read: send it as the scheme writes it"
        case .malformedID: "the id is empty, too long or holds a character that it may not, such as `.`: send another"
        case .malformedTimestamp: "the timestamp is no count of seconds since 1970: send it once, in decimal digits"
        case .tooManySignatures: "there are more signatures than are tried: send one for each active secret"
        case .noKnownVersion:
            "there is no signature of a version that is verified: see the vendor's description of the scheme"
        case .stale: "the timestamp is too far in the past: sign when the request is sent, and check the clock"
        case .notYetValid: "the timestamp is in the future: check the clock"
        case .noKey: "there is no key for the signatures that came: register one"
        case .mismatch: "the signature is not the one that this request and secret make: sign the bytes as sent"
        case .unavailable: "the signature could not be checked: try again"
        }
    }
}
