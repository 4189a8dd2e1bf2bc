import Cryptography
import Domain
import JSON

/// Reads the members of a line that the schemes share.
enum BatchLine {
    static func parse(_ line: some Collection<UInt8>, maximumBytes: Int) throws(BatchFault) -> JSONNode {
        do throws(JSONError) {
            return try JSONNode(parsing: line, maximumBytes: maximumBytes)
        } catch {
            throw BatchFault(reason: "the line cannot be read: \(error)")
        }
    }

    /// The request of a line; `method` is `POST` and `target` `/` unless given.
    ///
    /// - Parameter splitsLines: whether a value of several lines is one field for each line.
    static func request(_ node: JSONNode, splitsLines: Bool = false) throws(BatchFault) -> Request {
        let (fields, authority) = try headers(node, splitsLines)
        let text = try optionalText(node, "bodyBase64") ?? ""
        guard let body = Base64Text.bytes(Array(text.utf8)) else {
            throw BatchFault(reason: "`bodyBase64` is not base64 (RFC 4648 section 4)")
        }
        return Request(
            version: .http11, method: try optionalText(node, "method") ?? "POST",
            target: try optionalText(node, "target") ?? "/", authority: authority, fields: fields, body: body)
    }

    private static func headers(
        _ node: JSONNode, _ splitsLines: Bool
    ) throws(BatchFault) -> (fields: [(name: String, value: String)], authority: String) {
        guard let headers = node["headers"]?.array else { throw BatchFault(reason: "`headers` is missing") }
        var fields: [(name: String, value: String)] = []
        var authority = ""
        for header in headers {
            guard let pair = header.array, pair.count == 2, let name = pair[0].string, let value = pair[1].string else {
                throw BatchFault(reason: "`headers` holds something else than [name, value]")
            }
            let lower = String(decoding: name.utf8.map(lowercased), as: UTF8.self)
            if lower == "host" || lower == ":authority" { authority = value }
            if lower.hasPrefix(":") { continue }
            let lines = value.split(
                separator: "\n", maxSplits: splitsLines ? .max : 0, omittingEmptySubsequences: false)
            fields += lines.map { (lower, String($0)) }
        }
        return (fields, authority)
    }

    static func optionalText(_ node: JSONNode, _ key: String) throws(BatchFault) -> String? {
        guard let value = node[key], !value.isNull else { return nil }
        guard let text = value.string else { throw BatchFault(reason: "`\(key)` is no string") }
        return text
    }

    /// `now`: seconds since 1970 as a number, or `YYYYMMDDTHHMMSSZ` with or without hyphens, colons and milliseconds.
    static func now(_ document: JSONNode) throws(BatchFault) -> Timestamp {
        if let seconds = document["now"]?.double, seconds.magnitude < 1e11 {
            return Timestamp(milliseconds: Int64((seconds * 1000).rounded()))
        }
        var text = Array((document["now"]?.string ?? "").utf8).filter {
            $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":")
        }
        var milliseconds: Int64? = 0
        if let point = text.firstIndex(of: UInt8(ascii: ".")), point + 5 == text.count {
            milliseconds = Int64(String(decoding: text[(point + 1)..<(point + 4)], as: UTF8.self))
            text.removeSubrange(point..<(point + 4))
        }
        guard let milliseconds, milliseconds >= 0,
            let moment = text.withUnsafeBufferPointer({ Timestamp(basicISO8601: $0) })
        else { throw BatchFault(reason: "`now` is neither epoch seconds nor ISO 8601 in UTC") }
        return Timestamp(milliseconds: moment.milliseconds + milliseconds)
    }

    /// `toleranceSeconds` reaches into the past; into the future it may only make the 60 seconds less.
    static func tolerance(_ document: JSONNode) throws(BatchFault) -> (past: Int64, future: Int64) {
        let usual = (past: WebhookVerifier.pastToleranceSeconds, future: WebhookVerifier.futureToleranceSeconds)
        guard let node = document["toleranceSeconds"], !node.isNull else { return usual }
        guard let seconds = node.int64, (0...maximumToleranceSeconds).contains(seconds) else {
            throw BatchFault(reason: "`toleranceSeconds` is no count of seconds")
        }
        return (seconds, min(seconds, usual.future))
    }

    /// A hundred years, for recordings of any age.
    private static let maximumToleranceSeconds: Int64 = 3_200_000_000

    static func keys(_ document: JSONNode, atMost limit: Int) throws(BatchFault) -> [JSONNode] {
        guard let keys = document["keys"]?.array else { throw BatchFault(reason: "`keys` is missing") }
        guard keys.count <= limit else { throw BatchFault(reason: "`keys` holds more than \(limit)") }
        return keys
    }

    /// The secret of `{"secretBase64"}`, or nil when there is none.
    static func secret(_ node: JSONNode) throws(BatchFault) -> [UInt8]? {
        guard let text = try optionalText(node, "secretBase64") else { return nil }
        guard let bytes = Base64Text.bytes(unpadded: Array(text.utf8)) else {
            throw BatchFault(reason: "`secretBase64` is not base64")
        }
        return bytes
    }

    static func webhookKey(_ node: JSONNode, for scheme: WebhookScheme) throws(BatchFault) -> WebhookKey {
        do throws(WebhookKey.Fault) {
            if let text = node.string { return try WebhookKey(parsing: text, for: scheme) }
            let pem: String?
            let bytes: [UInt8]?
            do throws(BatchFault) {
                pem = try optionalText(node, "publicKeyPem")
                bytes = try secret(node)
            } catch {
                throw .malformed
            }
            if let pem { return try WebhookKey(pem: Array(pem.utf8), for: scheme) }
            if let bytes { return try WebhookKey(secret: bytes, for: scheme) }
            throw .malformed
        } catch {
            throw BatchFault(reason: error.description)
        }
    }

    /// The description of a generic HMAC scheme.
    static func described(_ node: JSONNode?) throws(BatchFault) -> WebhookHMAC {
        guard let node, let members = node.object else { throw BatchFault(reason: "`scheme` is missing: describe it") }
        let known = ["header", "encoding", "digest", "prefix", "timestampHeader", "idHeader", "template"]
        for member in members where !known.contains(member.key) {
            throw BatchFault(reason: "`\(member.key)` is no member of `scheme`: write some of \(known)")
        }
        guard let header = try optionalText(node, "header") else { throw BatchFault(reason: "`header` is missing") }
        guard let encoding = WebhookHMAC.Encoding(rawValue: try optionalText(node, "encoding") ?? "hex") else {
            throw BatchFault(reason: "`encoding` is neither `hex` nor `base64`")
        }
        guard let hash = WebhookHMAC.Hash(rawValue: try optionalText(node, "digest") ?? "sha256") else {
            throw BatchFault(reason: "`digest` is neither `sha256` nor `sha512`")
        }
        let text = try optionalText(node, "template") ?? "{body}"
        let template: WebhookTemplate
        do throws(WebhookTemplate.Fault) {
            template = try WebhookTemplate(parsing: text)
        } catch {
            throw BatchFault(reason: error.description)
        }
        let prefix = try optionalText(node, "prefix") ?? ""
        let timestampHeader = try optionalText(node, "timestampHeader")
        let idHeader = try optionalText(node, "idHeader")
        do throws(WebhookHMAC.Fault) {
            return try WebhookHMAC(
                header: header, encoding: encoding, hash: hash, prefix: prefix, timestampHeader: timestampHeader,
                idHeader: idHeader, template: template)
        } catch {
            throw BatchFault(reason: error.description)
        }
    }
}
