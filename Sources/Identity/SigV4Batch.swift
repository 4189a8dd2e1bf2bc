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
        do throws(BatchFault) {
            let document = try BatchLine.parse(line, maximumBytes: Self.maximumLineBytes)
            identifier = document["id"] ?? .null
            return answer(identifier, try Case(document))
        } catch {
            return Answer(isVerified: false, line: report(identifier, reason: error.reason, code: nil, verifier: nil))
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

/// One recorded request with what is needed to judge it.
private struct Case {
    let request: Request
    let accessKey: AccessKeyRecord
    let region: String
    let service: String
    let now: Timestamp

    init(_ document: JSONNode) throws(BatchFault) {
        region = try text(document, "region")
        service = try text(document, "service")
        now = try BatchLine.now(document)
        guard let credentials = document["credentials"] else { throw BatchFault(reason: "`credentials` is missing") }
        var session: AccessKeyRecord.Session?
        if let token = try BatchLine.optionalText(credentials, "sessionToken") {
            session = .init(token: SecretBytes(Array(token.utf8)), expires: Timestamp(milliseconds: .max))
        }
        accessKey = AccessKeyRecord(
            id: try text(credentials, "accessKeyId"),
            principal: Principal(.user, path: "recorded", account: AccountID(unchecked: 0)),
            secret: SecretBytes(Array(try text(credentials, "secretAccessKey").utf8)), session: session)
        guard let node = document["request"] else { throw BatchFault(reason: "`request` is missing") }
        for member in ["method", "target"] { _ = try text(node, member) }
        request = try BatchLine.request(node, splitsLines: true)
    }
}

private func text(_ node: JSONNode, _ key: String) throws(BatchFault) -> String {
    guard let text = node[key]?.string else { throw BatchFault(reason: "`\(key)` is missing or no string") }
    return text
}
