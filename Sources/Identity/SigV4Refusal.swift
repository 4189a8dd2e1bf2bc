package import Domain

/// Why a request's AWS signature is refused. Each case has one code on the wire and one line that says what to do.
///
/// - Source: THREATS §3.3; https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
package enum SigV4Refusal: Error, Equatable, Sendable {
    /// No `Authorization` field at all.
    case missing
    /// Authentication in the query, as presigned URLs carry it.
    case queryAuthentication
    /// Authentication in the `Authorization` field and in the query at once.
    case twoLocations
    /// A field that decides something stands twice.
    case repeatedField(StaticField)
    /// The request target does not begin with `/`.
    case malformedTarget
    /// The `Authorization` field names another scheme: SigV2, SigV4A, Bearer.
    case unsupportedAlgorithm
    /// The field does not read `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
    case malformed(Part)
    /// `SignedHeaders` holds an upper-case letter.
    case signedHeadersUpperCase
    /// `SignedHeaders` is not in ascending order.
    case signedHeadersUnsorted
    /// `SignedHeaders` names a field twice.
    case signedHeadersRepeat
    /// More names than `SigV4Authorization.maximumSignedHeaders`.
    case signedHeadersTooMany
    /// `SignedHeaders` names a field that did not arrive.
    case signedHeaderAbsent(name: String)
    /// A field that must be signed is not.
    case unsigned(name: String)
    /// `Host` and `:authority` differ.
    case hostMismatch
    /// No `x-amz-date`.
    case missingDate
    /// `x-amz-date` is not `YYYYMMDDTHHMMSSZ`.
    case malformedDate
    /// The scope's date is not that of `x-amz-date`.
    case scopeDate(scope: String, date: String)
    /// The scope names another Region.
    case scopeRegion(scope: String, expected: String)
    /// The scope names a service this gateway is not.
    case scopeService(scope: String, expected: [String])
    /// The scope ends in something else than `aws4_request`.
    case scopeTerminator(scope: String)
    /// The date is too far in the past.
    case expired(date: String, now: String, toleranceSeconds: Int64)
    /// The date is too far in the future.
    case notYetValid(date: String, now: String, toleranceSeconds: Int64)
    /// `x-amz-content-sha256: UNSIGNED-PAYLOAD`.
    case unsignedPayload
    /// `x-amz-content-sha256: STREAMING-…`.
    case streamingPayload
    /// `x-amz-content-sha256` is not the hash of the content received.
    case payloadMismatch
    /// The key is not known, or disabled.
    case unknownKey
    /// The key's sealed secret cannot be opened: this gateway's fault, not the caller's.
    case secretUnavailable
    /// A session token came with a key that has none, or the key's token did not come.
    case token
    /// The signature is not the one this request and key make.
    case mismatch
    /// The signature is right; the session token is past its time.
    case expiredToken
    /// The signature is right; the role takes back sessions that were issued when this one was.
    case revokedToken

    /// The parts of the `Authorization` field.
    package enum Part: String, Sendable {
        case field = "Authorization"
        case credential = "Credential"
        case accessKeyID = "access key id"
        case signedHeaders = "SignedHeaders"
        case signature = "Signature"
    }

    /// The fields that may stand once only.
    package enum StaticField: String, Sendable, CaseIterable {
        case authorization
        case host
        case date = "x-amz-date"
        case token = "x-amz-security-token"
        case payloadHash = "x-amz-content-sha256"
        case target = "x-amz-target"
        case contentType = "content-type"
    }
}

extension SigV4Refusal {
    /// The error's name on the wire.
    package var code: ErrorCode {
        switch self {
        case .missing: .missingAuthenticationToken
        case .queryAuthentication, .twoLocations, .repeatedField, .malformedTarget, .unsupportedAlgorithm, .malformed,
            .signedHeadersUpperCase, .signedHeadersUnsorted, .signedHeadersRepeat, .signedHeadersTooMany, .missingDate,
            .malformedDate:
            .incompleteSignature
        case .signedHeaderAbsent, .unsigned, .hostMismatch, .scopeDate, .scopeRegion, .scopeService, .scopeTerminator,
            .expired, .notYetValid, .unsignedPayload, .streamingPayload, .payloadMismatch, .mismatch:
            .invalidSignature
        case .unknownKey, .token: .unrecognizedClient
        case .secretUnavailable: .internalFailure
        case .expiredToken, .revokedToken: .expiredToken
        }
    }

    /// One stable word for metrics, logs and audit records.
    package var label: StaticString {
        switch self {
        case .missing: "missing"
        case .queryAuthentication: "query-authentication"
        case .twoLocations: "two-locations"
        case .repeatedField: "repeated-field"
        case .malformedTarget: "malformed-target"
        case .unsupportedAlgorithm: "unsupported-algorithm"
        case .malformed: "malformed"
        case .signedHeadersUpperCase: "signed-headers-upper-case"
        case .signedHeadersUnsorted: "signed-headers-unsorted"
        case .signedHeadersRepeat: "signed-headers-repeat"
        case .signedHeadersTooMany: "signed-headers-too-many"
        case .signedHeaderAbsent: "signed-header-absent"
        case .unsigned: "unsigned-header"
        case .hostMismatch: "host-mismatch"
        case .missingDate: "missing-date"
        case .malformedDate: "malformed-date"
        case .scopeDate: "scope-date"
        case .scopeRegion: "scope-region"
        case .scopeService: "scope-service"
        case .scopeTerminator: "scope-terminator"
        case .expired: "expired"
        case .notYetValid: "not-yet-valid"
        case .unsignedPayload: "unsigned-payload"
        case .streamingPayload: "streaming-payload"
        case .payloadMismatch: "payload-mismatch"
        case .unknownKey: "unknown-key"
        case .secretUnavailable: "secret-unavailable"
        case .token: "token"
        case .mismatch: "mismatch"
        case .expiredToken: "expired-token"
        case .revokedToken: "revoked-token"
        }
    }
}

extension SigV4Refusal: CustomStringConvertible {
    /// The message a client sees; AWS's words where AWS has some, then what to do. Holds no secret and no signature.
    package var description: String {
        switch self {
        case .missing: "Missing Authentication Token: sign the request with AWS Signature Version 4"
        case .queryAuthentication: "presigned URLs are not accepted: sign in the `Authorization` header"
        case .twoLocations: "the query and the `Authorization` header both authenticate: sign in the header only"
        case .repeatedField(let field): "the `\(field.rawValue)` header stands twice: send it once"
        case .malformedTarget: "the request target must begin with `/`"
        case .unsupportedAlgorithm: "Unsupported AWS 'algorithm': sign with `AWS4-HMAC-SHA256`"
        case .malformed(.accessKeyID): "the access key id in `Credential` is 1 to 128 letters, digits and underscores"
        case .malformed(.credential):
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term"
        case .malformed(let part):
            "Authorization header requires `Credential`, `SignedHeaders` and `Signature` once each in this order: "
                + "`\(part.rawValue)` is malformed"
        case .signedHeadersUpperCase: "`SignedHeaders` must be in lower case"
        case .signedHeadersUnsorted: "`SignedHeaders` must be sorted"
        case .signedHeadersRepeat: "`SignedHeaders` names a header twice: name it once"
        case .signedHeadersTooMany: "`SignedHeaders` names over \(SigV4Authorization.maximumSignedHeaders) headers"
        case .signedHeaderAbsent(let name): "the signed header `\(name)` did not arrive: a proxy may have removed it"
        case .unsigned(let name): "'\(name)' must be a 'SignedHeader' in the AWS Authorization: sign it"
        case .hostMismatch: "`Host` and `:authority` differ: send one of them or the same in both"
        case .missingDate: "Authorization header requires existence of a 'X-Amz-Date' header"
        case .malformedDate: "Date must be in ISO-8601 'basic format': set `X-Amz-Date` to `YYYYMMDDTHHMMSSZ`"
        case .scopeDate(let scope, let date):
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
                + "'\(scope)' != '\(date)'"
        case .scopeRegion(let scope, let expected):
            "Credential should be scoped to a valid region, not '\(scope)': this gateway serves '\(expected)'"
        case .scopeService(let scope, let expected):
            "Credential should be scoped to correct service, not '\(scope)': expected "
                + expected.map { "'\($0)'" }.joined(separator: " or ")
        case .scopeTerminator(let scope):
            "Credential should be scoped with a valid terminator: 'aws4_request', not '\(scope)'"
        case .expired(let date, let now, let tolerance):
            "Signature expired: \(date) is over \(tolerance) s earlier than \(now): check the clock and sign again"
        case .notYetValid(let date, let now, let tolerance):
            "Signature not yet current: \(date) is over \(tolerance) s later than \(now): check the clock"
        case .unsignedPayload: "`UNSIGNED-PAYLOAD` is not accepted: sign the content"
        case .streamingPayload: "`STREAMING-…` payloads are not accepted: sign the whole content"
        case .payloadMismatch: "The value of 'x-amz-content-sha256' is not the SHA-256 of the content received"
        case .unknownKey, .token: "The security token included in the request is invalid: check the access key id"
        case .secretUnavailable: "the secret of this access key cannot be opened: tell the gateway's operator"
        case .mismatch:
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                + "Access Key and signing method. Consult the service documentation for details."
        case .expiredToken: "The security token included in the request is expired: get new temporary credentials"
        case .revokedToken:
            "The security token included in the request is expired: the role ends the sessions of its time, get new "
                + "temporary credentials"
        }
    }
}
