import Domain
import Identity

/// The wire of STS, the AWS query protocol: a form in, XML out.
///
/// Source: botocore `sts/2011-06-15`; docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
enum SecurityTokenService {
    /// What the form asks for.
    enum Action: Equatable {
        case getCallerIdentity
        case assumeRole
    }

    static let version = "2011-06-15"
    private static let namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

    /// Which of the operations that are here the form names, at the one version there is.
    static func action(_ form: QueryForm) throws(Fault) -> Action {
        guard let name = form["Action"] else { throw Fault(.validation, "the form must name exactly one Action") }
        let version = form["Version"] ?? version
        switch (name, version) {
        case ("GetCallerIdentity", Self.version): return .getCallerIdentity
        case ("AssumeRole", Self.version): return .assumeRole
        default:
            throw Fault(
                .unknownOperation, "Could not find operation \(name.prefix(64)) for version \(version.prefix(64))")
        }
    }

    static func callerIdentity(_ caller: Caller, requestID: UniqueID) -> Response {
        answer("GetCallerIdentity", requestID) { xml in
            xml.element("Arn", caller.principal.arn)
            xml.element("UserId", caller.userID)
            xml.element("Account", caller.account.description)
        }
    }

    static func assumedRole(_ granted: RoleAssumption.Granted, requestID: UniqueID) -> Response {
        let session = granted.session
        return answer("AssumeRole", requestID) { xml in
            xml.open("AssumedRoleUser")
            xml.element("AssumedRoleId", "\(PrincipalID.text(of: session.role)):\(session.name)")
            xml.element("Arn", session.principal.arn)
            xml.close("AssumedRoleUser")
            xml.open("Credentials")
            xml.element("AccessKeyId", granted.accessKeyID)
            xml.element("SecretAccessKey", String(decoding: granted.secret.bytes, as: UTF8.self))
            xml.element("SessionToken", String(decoding: granted.token, as: UTF8.self))
            xml.element("Expiration", session.expiresAt.iso8601)
            xml.close("Credentials")
            if let percent = granted.packedPercent { xml.element("PackedPolicySize", "\(percent)") }
            if let identity = session.sourceIdentity { xml.element("SourceIdentity", identity) }
        }
    }

    private static func answer(
        _ action: String, _ requestID: UniqueID, _ result: (inout XMLText) -> Void
    ) -> Response {
        var xml = XMLText()
        xml.open("\(action)Response", " xmlns=\"\(namespace)\"")
        xml.open("\(action)Result")
        result(&xml)
        xml.close("\(action)Result")
        xml.open("ResponseMetadata")
        xml.element("RequestId", "\(requestID)")
        xml.close("ResponseMetadata")
        xml.close("\(action)Response")
        return Response(status: 200, contentType: .xml, requestID: requestID, body: Array(xml.text.utf8))
    }

    /// A fault as the query protocol writes it.
    static func response(_ fault: Fault, requestID: UniqueID) -> Response {
        let (name, status) = wire(fault)
        var xml = XMLText()
        xml.open("ErrorResponse", " xmlns=\"\(namespace)\"")
        xml.open("Error")
        xml.element("Type", status >= 500 ? "Receiver" : "Sender")
        xml.element("Code", name)
        xml.element("Message", fault.message)
        xml.close("Error")
        xml.element("RequestId", "\(requestID)")
        xml.close("ErrorResponse")
        return Response(
            status: status, contentType: .xml, requestID: requestID, retryAfterSeconds: fault.retryAfterSeconds,
            body: Array(xml.text.utf8))
    }

    /// The name and status that STS gives what the JSON protocol names otherwise.
    private static func wire(_ fault: Fault) -> (name: String, status: UInt16) {
        switch fault.code {
        case .accessDenied: ("AccessDenied", 403)
        case .expiredToken: ("ExpiredToken", 403)
        case .invalidSignature: ("SignatureDoesNotMatch", 403)
        case .unrecognizedClient: ("InvalidClientTokenId", 403)
        case .missingAuthenticationToken: ("MissingAuthenticationToken", 403)
        case .incompleteSignature: ("IncompleteSignature", 400)
        case .unknownOperation: ("InvalidAction", 400)
        case .validation: ("ValidationError", 400)
        case .throttling: ("Throttling", 400)
        default: (fault.code.rawValue, fault.status ?? fault.code.httpStatus)
        }
    }
}

/// The little XML that STS answers in.
private struct XMLText {
    private(set) var text = ""

    mutating func open(_ name: String, _ attributes: String = "") { text += "<\(name)\(attributes)>" }
    mutating func close(_ name: String) { text += "</\(name)>" }

    mutating func element(_ name: String, _ content: String) {
        open(name)
        for scalar in content.unicodeScalars {
            switch scalar {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            case let other where other.value < 0x20 || other.value == 0x7F: text += "?"
            default: text.unicodeScalars.append(scalar)
            }
        }
        close(name)
    }
}
