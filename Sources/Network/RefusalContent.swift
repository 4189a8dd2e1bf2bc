import Domain
import HTTP2

/// The content of an answer that the network gives by itself, in the JSON protocol of the API.
///
/// Only words of this program go into it, none with a character that JSON escapes: a test holds them to that.
/// Source: awslabs smithy `awsJson1_1`, "Operation error serialization".
enum RefusalContent {
    static let type = Response.ContentType.amzJSON

    static func make(status: UInt16, message: String) -> [UInt8] {
        let own: [ErrorCode] = [.requestEntityTooLarge, .serviceUnavailable]
        let code = own.first { $0.httpStatus == status } ?? .validation
        var content: [UInt8] = []
        content.append("{\"__type\":\"")
        content.append(contentsOf: code.rawValue.utf8)
        content.append("\",\"message\":\"")
        content.append(contentsOf: message.utf8)
        content.append("\"}")
        return content
    }
}

extension HTTP2Refusal {
    /// What is wrong and what to do.
    var message: String {
        switch self {
        case .headersTooLarge: HTTP1Refusal.tooManyFields.message
        case .contentTooLarge: HTTP1Refusal.bodyTooLarge.message
        case .authorityMismatch: "`Host` and `:authority` differ; send one of them"
        case .noTarget: "the request has no `:authority` or no `:path`; send both"
        case .underscoreInFieldName: "a field name has an underscore; write it with a hyphen"
        case .tooMuchAtOnce:
            "more than 4 MiB of unfinished requests wait on this connection; send fewer at once, and this again"
        }
    }
}
