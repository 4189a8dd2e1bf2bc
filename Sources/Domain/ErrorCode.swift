/// Every error a client can meet, once: its name on the wire, its status, whether a retry can help, one line of help.
///
/// Source: botocore `events/2015-10-07` error shapes,
/// docs.aws.amazon.com/eventbridge/latest/APIReference/CommonErrors.html
package enum ErrorCode: String, CaseIterable, Sendable {
    case accessDenied = "AccessDeniedException"
    case expiredToken = "ExpiredTokenException"
    case incompleteSignature = "IncompleteSignatureException"
    case internalFailure = "InternalFailure"
    case invalidArgument = "InvalidArgument"
    case invalidSignature = "InvalidSignatureException"
    case invalidState = "InvalidStateException"
    case limitExceeded = "LimitExceededException"
    case malformedDetail = "MalformedDetail"
    case malformedPolicyDocument = "MalformedPolicyDocument"
    case missingAuthenticationToken = "MissingAuthenticationTokenException"
    case notAuthorizedForDetailType = "NotAuthorizedForDetailTypeException"
    case notAuthorizedForSource = "NotAuthorizedForSourceException"
    case operationDisabled = "OperationDisabledException"
    case packedPolicyTooLarge = "PackedPolicyTooLarge"
    case policyLengthExceeded = "PolicyLengthExceededException"
    case requestEntityTooLarge = "RequestEntityTooLargeException"
    case resourceAlreadyExists = "ResourceAlreadyExistsException"
    case resourceNotFound = "ResourceNotFoundException"
    case serialization = "SerializationException"
    case serviceUnavailable = "ServiceUnavailable"
    case throttling = "ThrottlingException"
    case unknownOperation = "UnknownOperationException"
    case unrecognizedClient = "UnrecognizedClientException"
    case validation = "ValidationException"

    /// The status of a response that carries this code alone.
    package var httpStatus: UInt16 {
        switch self {
        case .internalFailure: 500
        case .serviceUnavailable: 503
        case .requestEntityTooLarge: 413
        case .unknownOperation: 404
        default: 400
        }
    }

    /// Whether the same request can succeed later.
    package var isRetryable: Bool {
        switch self {
        case .internalFailure, .throttling, .serviceUnavailable: true
        default: false
        }
    }

    /// What it means and what to do.
    package var help: String {
        switch self {
        case .accessDenied:
            "no policy allows the call, or one denies it; the owner of the resource reads why by the decision id: "
                + "`isthmus explain`"
        case .expiredToken: "the session token is past its time; get new temporary credentials"
        case .incompleteSignature: "the Authorization header lacks a part or has one twice; sign again with an AWS SDK"
        case .internalFailure: "the outcome is unknown; retry with the same `Isthmus-Idempotency-Key`"
        case .invalidArgument: "an argument of the entry is missing or malformed; the message names it"
        case .invalidSignature:
            "the signature does not match; check secret, clock, region and that nothing was changed on the way"
        case .invalidState:
            "the event source is not in the state the call needs; the message names the call to make first"
        case .limitExceeded:
            "a quota of the account is used up; delete something or raise the limit in the configuration"
        case .malformedDetail: "Detail must be the text of one JSON object"
        case .malformedPolicyDocument: "the session policy is not one that can be used; the message names the place"
        case .missingAuthenticationToken: "the request has neither a client certificate nor a signature; present one"
        case .notAuthorizedForDetailType: "the caller may not use this DetailType on this bus"
        case .notAuthorizedForSource: "the caller may not use this Source; sources that begin with `aws.` are reserved"
        case .operationDisabled: "the operation exists in EventBridge but is switched off here"
        case .packedPolicyTooLarge: "session policy and session tags are too long together; shorten them"
        case .policyLengthExceeded: "the policy would be longer than the limit; remove statements first"
        case .requestEntityTooLarge: "the content is over the limit on the wire; send fewer or smaller entries"
        case .resourceAlreadyExists: "choose another name or update what exists"
        case .resourceNotFound: "check the name, the account and the region"
        case .serialization: "the content is not the JSON this operation takes; the message names the place"
        case .serviceUnavailable: "nothing was stored; retry after the time in `Retry-After`"
        case .throttling: "slow down and retry after the time in `Retry-After`"
        case .unknownOperation:
            "`X-Amz-Target`, the path or the method names nothing this gateway has; the message says what to send where"
        case .unrecognizedClient: "the access key id is not known here or is disabled"
        case .validation: "a parameter breaks a constraint; the message names it"
        }
    }
}
