import Domain

/// Answers as HTTP/1.1 bytes. Source: RFC 9112 section 4.
enum HTTP1Answer {
    /// Appends `response`, its content left out for `HEAD`.
    static func append(_ response: Response, isHead: Bool, closes: Bool, to buffer: inout [UInt8]) {
        appendStatus(response.status, to: &buffer)
        buffer.append("content-type: ")
        buffer.append(response.contentType.text)
        buffer.append("\r\nx-amzn-requestid: ")
        response.requestID.append(to: &buffer)
        if let seconds = response.retryAfterSeconds {
            buffer.append("\r\nretry-after: ")
            buffer.append(decimal: seconds)
        }
        if let method = response.allow {
            buffer.append("\r\nallow: ")
            buffer.append(method.text)
        }
        appendEnd(length: response.body.count, closes: closes, to: &buffer)
        if !isHead { buffer.append(contentsOf: response.body) }
    }

    /// Appends the one answer to a request that is no request.
    static func append(_ refusal: HTTP1Refusal, to buffer: inout [UInt8]) {
        appendStatus(refusal.status, to: &buffer)
        buffer.append("content-type: ")
        buffer.append(RefusalContent.type.text)
        let content = RefusalContent.make(status: refusal.status, message: refusal.message)
        appendEnd(length: content.count, closes: true, to: &buffer)
        buffer.append(contentsOf: content)
    }

    private static func appendStatus(_ status: UInt16, to buffer: inout [UInt8]) {
        buffer.append("HTTP/1.1 ")
        buffer.append(decimal: status)
        buffer.append(HTTP1Syntax.space)
        buffer.append(reason(of: status))
        buffer.append("\r\n")
    }

    private static func appendEnd(length: Int, closes: Bool, to buffer: inout [UInt8]) {
        buffer.append("\r\ncontent-length: ")
        buffer.append(decimal: length)
        if closes { buffer.append("\r\nconnection: close") }
        buffer.append("\r\n\r\n")
    }

    /// The reason phrase, for people. Source: RFC 9110 section 15.
    private static func reason(of status: UInt16) -> StaticString {
        switch status {
        case 200: "OK"
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 417: "Expectation Failed"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 503: "Service Unavailable"
        default: "Unspecified"
        }
    }
}
