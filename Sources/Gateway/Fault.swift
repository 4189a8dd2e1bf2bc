import Domain
import JSON
import Registry

/// An answer that refuses the whole request: a code of the catalogue and what to do.
struct Fault: Error, Equatable {
    let code: ErrorCode
    let message: String
    /// The status, where it differs from the code's own.
    var status: UInt16?
    var retryAfterSeconds: Int?
    /// What the path takes, of a request with another method.
    private(set) var allow: Response.AllowedMethod?
    /// Whether a log line tells of it already, under a name of its own.
    var isLogged = false

    init(_ code: ErrorCode, _ message: String, status: UInt16? = nil, retryAfterSeconds: Int? = nil) {
        self.code = code
        self.message = message
        self.status = status
        self.retryAfterSeconds = retryAfterSeconds
    }

    init(_ fault: ControlFault) { self.init(fault.code, fault.message) }

    /// A method that the path does not take, and the one that it takes.
    static func methodNotAllowed(_ message: String, allow: Response.AllowedMethod) -> Fault {
        var fault = Fault(.unknownOperation, message, status: 405)
        fault.allow = allow
        return fault
    }

    /// The same, told by a log line that has more to say than `request-refused`.
    var logged: Fault {
        var fault = self
        fault.isLogged = true
        return fault
    }

    /// The answer in the JSON protocol. Source: awslabs smithy `awsJson1_1`, "Operation error serialization".
    func response(_ requestID: UniqueID) -> Response {
        var body: [UInt8] = []
        JSONWriter.append(to: &body) { writer in
            writer.object { writer in
                writer.member("__type", code.rawValue)
                writer.member("message", message)
            }
        }
        return Response(
            status: status ?? code.httpStatus, contentType: .amzJSON, requestID: requestID,
            retryAfterSeconds: retryAfterSeconds, allow: allow, body: body)
    }
}
