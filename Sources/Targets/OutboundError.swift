/// Why an outbound request has no answer. What the other side answered, whatever its status, is no error.
package enum OutboundError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The URL is not `https://HOST…`.
    case notHTTPS(url: String)
    /// The server's key is not the pinned one: somebody else answers there. Never retry by leaving the pin out.
    case wrongPin(url: String)
    /// The server's certificate cannot be verified with the bundle given.
    case notTrusted(url: String, cause: String)
    /// The client's certificate or key cannot be read or do not belong together.
    case clientCertificate(cause: String)
    /// The answer is longer than the limit.
    case answerTooLong(limitBytes: Int)
    /// No connection, or it broke. What the server did with the request is unknown; retry.
    case unreachable(url: String, cause: String)
    /// The time was up. What the server did with the request is unknown; retry.
    case timedOut(url: String, seconds: Int)
    /// The library refused a setting.
    case library(cause: String)

    package var description: String {
        switch self {
        case .notHTTPS(let url): "`\(url)` is not an https URL: write https://HOST:PORT"
        case .wrongPin(let url):
            "the server at `\(url)` has another key than the pinned one: somebody else answers there, or its key was "
                + "changed; ask its operator"
        case .notTrusted(let url, let cause): "the certificate of `\(url)` is not trusted: \(cause)"
        case .clientCertificate(let cause): "the client certificate or its key cannot be used: \(cause)"
        case .answerTooLong(let limit): "the answer is over \(limit) bytes: is it a gateway that answers there"
        case .unreachable(let url, let cause): "no answer from `\(url)`: \(cause): try again"
        case .timedOut(let url, let seconds): "no answer from `\(url)` within \(seconds) s: try again"
        case .library(let cause): "an outbound request cannot be made: \(cause)"
        }
    }
}
