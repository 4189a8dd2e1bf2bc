import Cryptography
import Domain
import JSON

/// Verifies recorded requests, one JSON line each, with the gateway's own verifier: `isthmus signature verify --batch`.
///
/// A line is `{"id","request":{"method","target","headers":[["name","value"],…],"bodyBase64"},"credentials":
/// {"accessKeyId","secretAccessKey","sessionToken"?},"region","service","now"}`; `now` is epoch seconds, ISO 8601 basic
/// or extended; a value of several lines is one field for each line, as AWS's signing test suite reads folded lines.
/// The answer is `{"id","verified","reason"?,"code"?,"canonicalRequest","stringToSign"}`.
package struct SigV4Batch: Sendable {
    private let normalizesPath: Bool
    private let encodesPathAgain: Bool

    /// The longest line: a request at the gateway's limits, in base64, and room for its fields.
    package static let maximumLineBytes = 4 * 1024 * 1024

    package init(normalizesPath: Bool = true, encodesPathAgain: Bool = true) {
        self.normalizesPath = normalizesPath
        self.encodesPathAgain = encodesPathAgain
    }

    /// What became of one line.
    package struct Answer: Sendable {
        package let isVerified: Bool
        /// The answer as one line of JSON, without the line's end.
        package let line: [UInt8]
    }

    /// Verifies one line. A line that cannot be read is answered as not verified, with what is missing.
    package func verify(line: some Collection<UInt8>) -> Answer {
        var identifier = JSONNode.null
        do throws(Fault) {
            let document = try parse(line)
            identifier = document["id"] ?? .null
            return answer(identifier, try Case(document))
        } catch {
            return Answer(isVerified: false, line: report(identifier, reason: error.reason, code: nil, verifier: nil))
        }
    }

    private func parse(_ line: some Collection<UInt8>) throws(Fault) -> JSONNode {
        do throws(JSONError) {
            return try JSONNode(parsing: line, maximumBytes: Self.maximumLineBytes)
        } catch {
            throw Fault(reason: "the line cannot be read: \(error)")
        }
    }

    private func answer(_ identifier: JSONNode, _ recorded: Case) -> Answer {
        let verifier = SigV4Verifier(
            rules: SigV4Rules(
                region: recorded.region, services: [recorded.service], normalizesPath: normalizesPath,
                encodesPathAgain: encodesPathAgain))
        do throws(SigV4Refusal) {
            _ = try verifier.verify(recorded.request, now: recorded.now) { id, _ in
                id.equals(recorded.accessKey.id) ? recorded.accessKey : nil
            }
            return Answer(isVerified: true, line: report(identifier, reason: nil, code: nil, verifier: verifier))
        } catch {
            let line = report(identifier, reason: error.description, code: error.code.rawValue, verifier: verifier)
            return Answer(isVerified: false, line: line)
        }
    }

    private func report(_ identifier: JSONNode, reason: String?, code: String?, verifier: SigV4Verifier?) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("id", identifier)
            writer.member("verified", reason == nil)
            if let reason { writer.member("reason", reason) }
            if let code { writer.member("code", code) }
            writer.member("canonicalRequest", String(decoding: verifier?.canonicalRequest ?? [], as: UTF8.self))
            writer.member("stringToSign", String(decoding: verifier?.stringToSign ?? [], as: UTF8.self))
        }
        return writer.bytes
    }
}

private struct Fault: Error {
    let reason: String
}

/// One recorded request with what is needed to judge it.
private struct Case {
    let request: Request
    let accessKey: AccessKeyRecord
    let region: String
    let service: String
    let now: Timestamp

    init(_ document: JSONNode) throws(Fault) {
        region = try text(document, "region")
        service = try text(document, "service")
        now = try readNow(document["now"])
        guard let credentials = document["credentials"] else { throw Fault(reason: "`credentials` is missing") }
        var session: AccessKeyRecord.Session?
        if let token = credentials["sessionToken"]?.string {
            session = .init(token: SecretBytes(Array(token.utf8)), expires: Timestamp(milliseconds: .max))
        }
        accessKey = AccessKeyRecord(
            id: try text(credentials, "accessKeyId"),
            principal: Principal(.user, path: "recorded", account: AccountID(unchecked: 0)),
            secret: SecretBytes(Array(try text(credentials, "secretAccessKey").utf8)), session: session)
        guard let node = document["request"] else { throw Fault(reason: "`request` is missing") }
        request = try readRequest(node)
    }
}

private func readRequest(_ node: JSONNode) throws(Fault) -> Request {
    guard let headers = node["headers"]?.array else { throw Fault(reason: "`headers` is missing") }
    var fields: [(name: String, value: String)] = []
    var authority = ""
    for header in headers {
        guard let pair = header.array, pair.count == 2, let name = pair[0].string, let value = pair[1].string else {
            throw Fault(reason: "`headers` holds something else than [name, value]")
        }
        let lower = String(decoding: name.utf8.map(lowercased), as: UTF8.self)
        if lower == "host" || lower == ":authority" { authority = value }
        if lower.hasPrefix(":") { continue }
        for line in value.split(separator: "\n", omittingEmptySubsequences: false) {
            fields.append((lower, String(line)))
        }
    }
    let body = node["bodyBase64"]?.string ?? ""
    guard let content = Base64Text.bytes(body.utf8) else {
        throw Fault(reason: "`bodyBase64` is not base64 (RFC 4648 § 4)")
    }
    return Request(
        version: .http11, method: try text(node, "method"), target: try text(node, "target"), authority: authority,
        fields: fields, body: content)
}

private func text(_ node: JSONNode, _ key: String) throws(Fault) -> String {
    guard let text = node[key]?.string else { throw Fault(reason: "`\(key)` is missing or no string") }
    return text
}

private func readNow(_ node: JSONNode?) throws(Fault) -> Timestamp {
    if let seconds = node?.double, seconds.magnitude < 1e11 {
        return Timestamp(milliseconds: Int64((seconds * 1000).rounded()))
    }
    let extended = node?.string.map { Array($0.utf8) } ?? []
    let parts = extended.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: ":") }
        .split(separator: UInt8(ascii: "."), maxSplits: 1)
    let fraction = parts.count == 2 ? parts[1] : []
    let whole = (parts.first.map { Array($0) } ?? []) + (fraction.isEmpty ? [] : [UInt8(ascii: "Z")])
    guard fraction.isEmpty || (fraction.count == 4 && fraction.last == UInt8(ascii: "Z")),
        let moment = whole.withUnsafeBufferPointer({ Timestamp(basicISO8601: $0) }),
        let milliseconds = fraction.isEmpty ? 0 : Int64(String(decoding: fraction.dropLast(), as: UTF8.self))
    else { throw Fault(reason: "`now` is neither epoch seconds nor ISO 8601 in UTC") }
    return Timestamp(milliseconds: moment.milliseconds + milliseconds)
}
