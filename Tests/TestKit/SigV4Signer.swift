import Cryptography
package import Domain
package import Identity

/// Signs as AWS's SDKs do, written from AWS's description apart from the verifier: paths are `/`, no query.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package struct SigV4Signer: Sendable {
    package var accessKeyID: String
    package var secret: String
    package var region = "eu-central-1"
    package var service = "events"

    package init(accessKeyID: String, secret: String) {
        self.accessKeyID = accessKeyID
        self.secret = secret
    }

    /// The fields of a signed request: `fields` with host, date and authorization added.
    package func sign(
        _ fields: [(name: String, value: String)], method: String = "POST", target: String = "/", authority: String,
        body: [UInt8], at now: Timestamp
    ) -> [(name: String, value: String)] {
        let moment = now.iso8601.filter { $0 != "-" && $0 != ":" }
        let day = String(moment.prefix(8))
        var all = fields + [("host", authority), ("x-amz-date", moment)]
        all.sort { $0.name < $1.name }
        let names = all.map(\.name).joined(separator: ";")
        let lines = all.map { "\($0.name):\($0.value)\n" }.joined()
        let canonical = "\(method)\n\(target)\n\n\(lines)\n\(names)\n\(SHA256.hash(body).hexadecimal)"
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let text = "AWS4-HMAC-SHA256\n\(moment)\n\(scope)\n" + SHA256.hash(Array(canonical.utf8)).hexadecimal
        var key = Array("AWS4\(secret)".utf8)
        for part in [day, region, service, "aws4_request"] {
            key = HMACSHA256.authenticate(Array(part.utf8), key: key).bytes
        }
        let signature = HMACSHA256.authenticate(Array(text.utf8), key: key).hexadecimal
        let credential = "AWS4-HMAC-SHA256 Credential=\(accessKeyID)/\(scope)"
        return all + [("authorization", "\(credential), SignedHeaders=\(names), Signature=\(signature)")]
    }
}

/// Callers for tests, proven by the real `Authenticator`: it alone makes one.
package enum Callers {
    /// The caller that a correct signature of `principal` makes, arriving by listener `endpoint`.
    package static func caller(_ principal: Principal, endpoint: String = Scene.listener) -> Caller {
        let signer = SigV4Signer(accessKeyID: "AKIAIOSFODNN7EXAMPLE", secret: "secret of \(principal)")
        let fields = signer.sign(
            [("x-amz-target", "AWSEvents.PutEvents")], authority: "gateway.example", body: [], at: SettableClock.start)
        let request = Request(
            version: .http11, method: "POST", target: "/", authority: "gateway.example", fields: fields, body: [])
        let record = AccessKeyRecord(
            id: signer.accessKeyID, principal: principal, secret: SecretBytes(Array(signer.secret.utf8)))
        let directory = IdentityDirectory(
            accessKey: { _, _ in record }, trustDomain: { _ in nil }, organizationPath: { _ in nil })
        let arrival = Authenticator.Arrival(
            endpoint: endpoint, clientCertificate: .optional, sourceAddress: "192.0.2.7", certificate: nil)
        let rules = SigV4Rules(region: Scene.region, services: ["events", "sts"])
        let outcome = Authenticator(rules: rules).authenticate(
            request, from: arrival, directory: directory, now: SettableClock.start)
        switch outcome {
        case .caller(let caller): return caller
        case .refused(let refusal): preconditionFailure("the signer signs wrongly: \(refusal)")
        }
    }
}
