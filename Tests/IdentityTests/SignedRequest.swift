import Cryptography
import Domain
import Identity

/// A request to be signed, changed and verified. The signer here is written from AWS's description, apart from the
/// verifier: paths are `/`, queries empty, values need no trimming.
struct SignedRequest {
    static let accessKeyID = "AKIAIOSFODNN7EXAMPLE"
    static let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    static let principal = Principal(.role, path: "orders-publisher", account: AccountID(unchecked: 111_122_223_333))
    /// 2026-11-21T06:00:00Z
    static let now = Timestamp(seconds: 1_795_240_800)

    var version = Request.Version.http2
    var method = "POST"
    var target = "/"
    var authority = "events.eu-central-1.example:8443"
    var fields: [(name: String, value: String)] = [
        ("content-type", "application/x-amz-json-1.1"), ("x-amz-date", "20261121T060000Z"),
        ("x-amz-target", "AWSEvents.PutEvents"), ("amz-sdk-invocation-id", "7f1c7a44-2f9e-4b1f-9b66-0a8b5a6f3d11"),
        ("user-agent", "tests"),
    ]
    var body = Array(#"{"Entries":[{"Source":"com.acme.orders","DetailType":"OrderPlaced","Detail":"{}"}]}"#.utf8)
    var signedHeaders = "amz-sdk-invocation-id;content-type;host;x-amz-date;x-amz-target"
    var scopeDate = "20261121"
    var region = "eu-central-1"
    var service = "events"
    var terminator = "aws4_request"
    /// Used as it is when set.
    var authorization: String?

    subscript(field: String) -> String? {
        get { fields.first { $0.name == field }?.value }
        set {
            fields.removeAll { $0.name == field }
            if let newValue { fields.append((field, newValue)) }
        }
    }

    var scope: String { "\(scopeDate)/\(region)/\(service)/\(terminator)" }

    /// The value of the `Authorization` field.
    func sign(secret: String = SignedRequest.secret, accessKeyID: String = SignedRequest.accessKeyID) -> String {
        let lines = signedHeaders.split(separator: ";").map { name in
            let values = name == "host" ? [authority] : fields.filter { $0.name == name }.map(\.value)
            return "\(name):\(values.joined(separator: ","))\n"
        }
        let canonical =
            "\(method)\n\(target)\n\n\(lines.joined())\n\(signedHeaders)\n\(SHA256.hash(body).hexadecimal)"
        let text =
            "AWS4-HMAC-SHA256\n\(self["x-amz-date"] ?? "")\n\(scope)\n"
            + SHA256.hash(Array(canonical.utf8)).hexadecimal
        var key = Array("AWS4\(secret)".utf8)
        for part in [scopeDate, region, service, terminator] {
            key = HMACSHA256.authenticate(Array(part.utf8), key: key).bytes
        }
        let signature = HMACSHA256.authenticate(Array(text.utf8), key: key).hexadecimal
        return
            "AWS4-HMAC-SHA256 Credential=\(accessKeyID)/\(scope), SignedHeaders=\(signedHeaders), Signature=\(signature)"
    }

    func request() -> Request {
        var all = fields
        if version == .http11 { all.insert(("host", authority), at: 0) }
        all.append(("authorization", authorization ?? sign()))
        return Request(version: version, method: method, target: target, authority: authority, fields: all, body: body)
    }

    static func record(isEnabled: Bool = true, session: AccessKeyRecord.Session? = nil) -> AccessKeyRecord {
        AccessKeyRecord(
            id: accessKeyID, principal: principal, secret: SecretBytes(Array(secret.utf8)), isEnabled: isEnabled,
            session: session)
    }

    static let rules = SigV4Rules(region: "eu-central-1", services: ["events", "sts"])
}

extension SigV4Verifier {
    /// The refusal of a request, nil when it is accepted.
    func refusal(
        of request: Request, now: Timestamp = SignedRequest.now, record: AccessKeyRecord = SignedRequest.record()
    ) -> SigV4Refusal? {
        do throws(SigV4Refusal) {
            _ = try verify(request, now: now) { id, _ in id.equals(record.id) ? record : nil }
            return nil
        } catch {
            return error
        }
    }
}
