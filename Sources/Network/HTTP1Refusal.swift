/// Why an HTTP/1.1 request is refused. Each is answered once with its status, and the connection closes.
///
/// Source: THREATS 2.2; RFC 9112.
package enum HTTP1Refusal: String, Error, CaseIterable, Sendable {
    case absoluteFormHostDiffers = "the host of the target differs from `Host`"
    case bareCarriageReturn = "a carriage return without a line feed"
    case bareLineFeed = "a line feed without a carriage return"
    case bodyTooLarge = "the content is over the limit of 2 MiB; send fewer or smaller entries"
    case chunkExtensionsTooLong = "the chunk extensions are too long"
    case chunkMalformed = "a chunk is malformed"
    case contentLengthInvalid = "`Content-Length` must be 1 to 19 digits"
    case contentLengthRepeated = "more than one `Content-Length`"
    case decoderDisagrees = "the two parsers of the gateway disagree about the message"
    case expectationUnknown = "`Expect` must be `100-continue`"
    case fieldMalformed = "a field line is malformed"
    case fieldNameInvalid = "a field name has a character that is not allowed"
    case fieldValueInvalid = "a field value has a control character"
    case folded = "a field line is folded"
    case hostInvalid = "`Host` has a character that is not allowed"
    case hostMissing = "no `Host`"
    case hostRepeated = "more than one `Host`"
    case keepAliveInVersion10 = "HTTP/1.0 connections are not kept alive"
    case lengthAndTransferEncoding = "both `Content-Length` and `Transfer-Encoding`"
    case methodInvalid = "the method is malformed"
    case requestLineMalformed = "the request line is malformed"
    case targetInvalid = "the request target is malformed"
    case targetTooLong = "the request target is over the limit of 8 KiB; API calls are sent to `/`"
    case timeout = "the request took too long"
    case tooManyFields = "the header fields are over the limit of 16 KiB and 100 fields; send fewer or shorter ones"
    case trailersRefused = "trailer fields are not taken"
    case transferEncodingInVersion10 = "`Transfer-Encoding` in HTTP/1.0"
    case transferEncodingInvalid = "`Transfer-Encoding` must be `chunked`, once"
    case upgradeRefused = "`Upgrade` is not taken"
    case versionUnsupported = "the version must be HTTP/1.1"

    /// The status of the one answer.
    package var status: UInt16 {
        switch self {
        case .bodyTooLarge: 413
        case .targetTooLong: 414
        case .expectationUnknown: 417
        case .tooManyFields: 431
        case .timeout: 408
        default: 400
        }
    }

    /// One line for the answer and the audit log: no quotation mark, backslash or control character.
    package var message: String { rawValue }
}
