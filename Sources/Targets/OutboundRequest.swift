internal import CCurl
package import Cryptography
import Domain

/// One POST over HTTPS, blocking: for verbs of the command line, never on an event loop.
///
/// No redirect is followed, no other protocol spoken, and the server is known by its pinned key, by a bundle of
/// authorities with its name, or by both.
package struct OutboundRequest: Sendable {
    /// How long the whole exchange may take. Source: the house's limit for what a person waits for.
    package static let timeoutSeconds = 15
    /// The longest answer that is read.
    package static let answerBytesLimit = 1 << 20

    /// How the server proves to be the right one; at least one of both.
    package struct ServerTrust: Sendable {
        /// SHA-256 of the SubjectPublicKeyInfo of the server's certificate.
        package var pin: Digest?
        /// A PEM file of the authorities that may vouch for the server's name; nil asks for the pin alone.
        package var bundlePath: String?

        package init(pin: Digest? = nil, bundlePath: String? = nil) {
            precondition(pin != nil || bundlePath != nil, "a server must prove itself")
            self.pin = pin
            self.bundlePath = bundlePath
        }
    }

    /// The client's certificate chain and key, as PEM files.
    package struct ClientCertificate: Sendable {
        package let certificatePath: String
        package let keyPath: String

        package init(certificatePath: String, keyPath: String) {
            self.certificatePath = certificatePath
            self.keyPath = keyPath
        }
    }

    /// What came back.
    package struct Answer: Sendable {
        package let status: Int
        package let body: [UInt8]
    }

    private let url: String
    private let fields: [(name: String, value: String)]
    private let body: [UInt8]
    private let trust: ServerTrust
    private let client: ClientCertificate?
    var timeoutSeconds = OutboundRequest.timeoutSeconds

    /// Describes a POST of `body` to `url`, an https URL.
    package init(
        url: String, fields: [(name: String, value: String)], body: [UInt8], trust: ServerTrust,
        client: ClientCertificate? = nil
    ) {
        self.url = url
        self.fields = fields
        self.body = body
        self.trust = trust
        self.client = client
    }

    /// Sends it and waits.
    ///
    /// - Throws: `.unreachable` and `.timedOut` leave open whether the server acted.
    package func send() throws(OutboundError) -> Answer {
        guard url.hasPrefix("https://") else { throw .notHTTPS(url: url) }
        guard curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK, let handle = curl_easy_init() else {
            throw .library(cause: "libcurl does not start")
        }
        defer { curl_easy_cleanup(handle) }
        let received = ReceivedBytes(limit: Self.answerBytesLimit)
        let settings = Settings(handle: handle)
        try configure(settings)
        var list: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(list) }
        // An empty `Expect` keeps libcurl from waiting for `100 Continue`.
        for field in fields + [("Expect", "")] { list = curl_slist_append(list, "\(field.name): \(field.value)") }
        try settings.check(isthmus_curl_set_list(handle, CURLOPT_HTTPHEADER, list))
        try settings.check(
            isthmus_curl_set_write(handle, ReceivedBytes.receive, Unmanaged.passUnretained(received).toOpaque()))
        let outcome = withExtendedLifetime(received) {
            body.withUnsafeBytes { bytes in
                let set = isthmus_curl_set_body(handle, bytes.baseAddress ?? UnsafeRawPointer(handle), bytes.count)
                return set == CURLE_OK ? curl_easy_perform(handle) : set
            }
        }
        guard outcome == CURLE_OK else { throw failure(outcome, isTooLong: received.isTooLong) }
        var status = 0
        try settings.check(isthmus_curl_status(handle, &status))
        return Answer(status: status, body: received.bytes)
    }

    private func configure(_ settings: Settings) throws(OutboundError) {
        try settings.set(CURLOPT_URL, url)
        try settings.set(CURLOPT_PROTOCOLS_STR, "https")
        try settings.set(CURLOPT_POST, 1)
        try settings.set(CURLOPT_FOLLOWLOCATION, 0)
        try settings.set(CURLOPT_NOSIGNAL, 1)
        try settings.set(CURLOPT_TIMEOUT, timeoutSeconds)
        try settings.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        if let pin = trust.pin {
            try settings.set(CURLOPT_PINNEDPUBLICKEY, "sha256//" + Base64Text.text(pin.bytes))
        }
        if let bundle = trust.bundlePath {
            try settings.set(CURLOPT_CAINFO, bundle)
            try settings.set(CURLOPT_SSL_VERIFYPEER, 1)
            try settings.set(CURLOPT_SSL_VERIFYHOST, 2)
        } else {
            // The pin, which libcurl still compares, says more than any authority: this very key.
            try settings.set(CURLOPT_SSL_VERIFYPEER, 0)
            try settings.set(CURLOPT_SSL_VERIFYHOST, 0)
        }
        if let client {
            try settings.set(CURLOPT_SSLCERT, client.certificatePath)
            try settings.set(CURLOPT_SSLKEY, client.keyPath)
        }
    }

    private func failure(_ code: CURLcode, isTooLong: Bool) -> OutboundError {
        let cause = String(cString: curl_easy_strerror(code))
        return switch code {
        case CURLE_SSL_PINNEDPUBKEYNOTMATCH: .wrongPin(url: url)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE: .notTrusted(url: url, cause: cause)
        case CURLE_SSL_CERTPROBLEM: .clientCertificate(cause: cause)
        case CURLE_WRITE_ERROR where isTooLong: .answerTooLong(limitBytes: Self.answerBytesLimit)
        case CURLE_OPERATION_TIMEDOUT: .timedOut(url: url, seconds: timeoutSeconds)
        case CURLE_URL_MALFORMAT: .notHTTPS(url: url)
        // The scheme was looked at before: what came looks like HTTP/0.9, which libcurl refuses so.
        case CURLE_UNSUPPORTED_PROTOCOL: .unreachable(url: url, cause: "what came is not HTTP")
        default: .unreachable(url: url, cause: cause)
        }
    }
}

/// Sets options of one handle; the first that is refused ends the request.
private struct Settings {
    let handle: UnsafeMutableRawPointer

    func set(_ option: CURLoption, _ value: Int) throws(OutboundError) {
        try check(isthmus_curl_set_long(handle, option, value))
    }

    func set(_ option: CURLoption, _ value: String) throws(OutboundError) {
        try check(isthmus_curl_set_text(handle, option, value))
    }

    func check(_ code: CURLcode) throws(OutboundError) {
        guard code == CURLE_OK else { throw .library(cause: String(cString: curl_easy_strerror(code))) }
    }
}

/// Where libcurl puts the answer, up to a limit.
private final class ReceivedBytes {
    private let limit: Int
    private(set) var bytes: [UInt8] = []
    private(set) var isTooLong = false

    init(limit: Int) { self.limit = limit }

    private func append(_ more: UnsafeRawBufferPointer) -> Bool {
        isTooLong = isTooLong || bytes.count + more.count > limit
        if !isTooLong { bytes.append(contentsOf: more) }
        return !isTooLong
    }

    /// libcurl's write callback: taking fewer bytes than it gives ends the transfer.
    static let receive: @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int = {
        start, size, count, context in
        guard let start, let context else { return 0 }
        let received = Unmanaged<ReceivedBytes>.fromOpaque(context).takeUnretainedValue()
        return received.append(UnsafeRawBufferPointer(start: start, count: size * count)) ? size * count : 0
    }
}
