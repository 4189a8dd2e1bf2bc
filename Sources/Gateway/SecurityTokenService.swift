import Domain
import Identity

/// `GetCallerIdentity` of STS in the AWS query protocol: a form in, XML out.
///
/// Source: docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
enum SecurityTokenService {
    /// What the form asks for.
    enum Action: Equatable {
        case getCallerIdentity
        case unknown(String)
    }

    private static let maximumFormBytes = 4096
    private static let namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

    /// Reads `Action=…&Version=2011-06-15`.
    static func action(_ form: [UInt8]) throws(Fault) -> Action {
        guard form.count <= maximumFormBytes else {
            throw Fault(.validation, "the form of an STS call has at most \(maximumFormBytes) bytes")
        }
        let pairs = form.split(separator: UInt8(ascii: "&")).filter { $0.starts(with: "Action=".utf8) }
        guard pairs.count == 1, let pair = pairs.first else {
            throw Fault(.validation, "the form must name exactly one Action")
        }
        let name = pair.dropFirst("Action=".utf8.count).text
        return name == "GetCallerIdentity" ? .getCallerIdentity : .unknown(name)
    }

    static func callerIdentity(_ caller: Caller, requestID: UniqueID) -> Response {
        let body = """
            <GetCallerIdentityResponse xmlns="\(namespace)"><GetCallerIdentityResult>\
            <Arn>\(escape(caller.principal.arn))</Arn><UserId>\(escape(userID(caller)))</UserId>\
            <Account>\(caller.account)</Account></GetCallerIdentityResult>\
            <ResponseMetadata><RequestId>\(requestID)</RequestId></ResponseMetadata></GetCallerIdentityResponse>
            """
        return Response(status: 200, contentType: .xml, requestID: requestID, body: Array(body.utf8))
    }

    /// A fault as the query protocol writes it; a refusal is 403 there.
    static func response(_ fault: Fault, requestID: UniqueID) -> Response {
        let code = fault.code.rawValue
        let name = code.hasSuffix("Exception") ? String(code.dropLast("Exception".count)) : code
        let body = """
            <ErrorResponse xmlns="\(namespace)"><Error><Type>Sender</Type><Code>\(name)</Code>\
            <Message>\(escape(fault.message))</Message></Error><RequestId>\(requestID)</RequestId></ErrorResponse>
            """
        let status = fault.status ?? fault.code.httpStatus
        return Response(
            status: status == 400 && fault.code != .validation ? 403 : status, contentType: .xml,
            requestID: requestID, retryAfterSeconds: fault.retryAfterSeconds, body: Array(body.utf8))
    }

    /// IAM shows an opaque id; here it is the access key, or the certificate's fingerprint.
    private static func userID(_ caller: Caller) -> String {
        caller.accessKeyID ?? caller.certificateFingerprint.map { "\($0)" } ?? "\(caller.account)"
    }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case let other where other.value < 0x20 || other.value == 0x7F: escaped += "?"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
