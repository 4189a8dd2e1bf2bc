import Cryptography
import Testing

@testable import Targets

@Suite struct OutboundRequestTests {
    private let files: ServerFiles

    init() throws { files = try ServerFiles() }

    private static let done = answer("200 OK", body: Array("{}".utf8))

    private static func answer(_ status: String, _ fields: String = "", body: [UInt8]) -> [UInt8] {
        Array("HTTP/1.1 \(status)\r\n\(fields)content-length: \(body.count)\r\n\r\n".utf8) + body
    }

    private static func request(
        _ url: String, _ trust: OutboundRequest.ServerTrust, client: OutboundRequest.ClientCertificate? = nil
    ) -> OutboundRequest {
        OutboundRequest(
            url: url, fields: [("Content-Type", "application/json")], body: Array("hello".utf8), trust: trust,
            client: client)
    }

    /// What the request fails with; nil when there was an answer.
    private func failure(_ request: OutboundRequest) -> OutboundError? {
        do throws(OutboundError) {
            _ = try request.send()
            return nil
        } catch {
            return error
        }
    }

    private func isUntrusted(_ error: OutboundError?) -> Bool {
        if case .notTrusted = error { true } else { false }
    }

    @Test("a request arrives as it was described, and the answer is given whatever its status")
    func exchange() throws {
        for (status, body) in [("200 OK", ""), ("201 Created", "{}"), ("403 Forbidden", "no"), ("503 Later", "x")] {
            let server = try files.server(.answers(Self.answer(status, body: Array(body.utf8))))
            let answer = try Self.request(server.url, .init(pin: files.pin, bundlePath: files.bundle)).send()
            #expect("\(answer.status)" == status.prefix(3))
            #expect(answer.body == Array(body.utf8))
            let seen = try #require(server.received.first)
            #expect(server.received.count == 1)
            #expect(seen.text.hasPrefix("POST /join HTTP/1.1\r\n"))
            #expect(seen.text.hasSuffix("\r\n\r\nhello"))
            #expect(seen.text.contains("\r\nContent-Type: application/json\r\n"))
            #expect(!seen.text.lowercased().contains("expect:"))
            #expect(seen.certificate == nil)
        }
    }

    @Test("a server with another key than the pinned one gets nothing, whoever vouches for it")
    func pin() throws {
        let server = try files.server(.answers(Self.done))
        let other = SHA256.hash([1])
        for trust in [
            OutboundRequest.ServerTrust(pin: other), .init(pin: other, bundlePath: try files.bundle),
        ] {
            #expect(failure(Self.request(server.url, trust)) == .wrongPin(url: server.url))
        }
        #expect(server.received.isEmpty)
        #expect(failure(Self.request(server.url, .init(pin: try files.pin))) == nil)
        #expect(server.received.count == 1)
    }

    @Test("a server that the bundle does not vouch for gets nothing, also with the pinned key")
    func bundle() throws {
        let (pin, bundle) = (try files.pin, try files.bundle)
        let others = try files.file("others.pem", ServerFiles().authority.certificate.pem())
        let good = try files.server(.answers(Self.done))
        #expect(failure(Self.request(good.url, .init(bundlePath: bundle))) == nil)
        #expect(isUntrusted(failure(Self.request(good.url, .init(pin: pin, bundlePath: others)))))
        #expect(good.received.count == 1)
        for server in [
            try files.server(.answers(Self.done), name: "other.example"),
            try files.server(.answers(Self.done), from: -3600, to: -60),
            try files.server(.answers(Self.done), from: 600, to: 3600),
        ] {
            for trust in [OutboundRequest.ServerTrust(bundlePath: bundle), .init(pin: pin, bundlePath: bundle)] {
                #expect(isUntrusted(failure(Self.request(server.url, trust))))
            }
            #expect(server.received.isEmpty)
            #expect(failure(Self.request(server.url, .init(pin: pin))) == nil, "the pin alone says: this very key")
        }
    }

    @Test("a bundle that is missing, empty or no PEM trusts nobody")
    func brokenBundle() throws {
        let server = try files.server(.answers(Self.done))
        for path in [
            "/nonexistent/bundle.pem", try files.file("empty.pem", []), try files.file("text.pem", Array("hello".utf8)),
        ] {
            #expect(isUntrusted(failure(Self.request(server.url, .init(bundlePath: path)))), "\(path)")
        }
        #expect(server.received.isEmpty)
    }

    @Test("a redirect is an answer, not a way", arguments: [301, 302, 303, 307, 308])
    func redirect(status: Int) throws {
        let elsewhere = try files.server(.answers(Self.done))
        let server = try files.server(
            .answers(Self.answer("\(status) Elsewhere", "location: \(elsewhere.url)\r\n", body: [])))
        let answer = try Self.request(server.url, .init(bundlePath: files.bundle)).send()
        #expect(answer.status == status)
        #expect(elsewhere.received.isEmpty)
        #expect(server.received.count == 1)
    }

    @Test("an answer has so many bytes and no more, with a length, in chunks, or until its end")
    func sizes() throws {
        let limit = OutboundRequest.answerBytesLimit
        for count in [limit - 1, limit, limit + 1] {
            let body = [UInt8](repeating: 0x61, count: count)
            let chunk = Array("\(String(count, radix: 16))\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8)
            for bytes in [
                Self.answer("200 OK", body: body),
                Array("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".utf8) + chunk,
                Array("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".utf8) + body,
            ] {
                let server = try files.server(.answers(bytes))
                let request = Self.request(server.url, .init(pin: try files.pin))
                if count > limit {
                    #expect(failure(request) == .answerTooLong(limitBytes: limit))
                } else {
                    #expect(try request.send().body == body)
                }
            }
        }
    }

    @Test(
        "an answer that is cut off, no HTTP or nothing at all is none",
        arguments: [
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", "HTTP/1.1 20", "hello\r\n\r\n",
            "SSH-2.0-x\r\n", "\r\n",
        ])
    func cut(answer: String) throws {
        let server = try files.server(.answers(Array(answer.utf8)))
        let said = failure(Self.request(server.url, .init(pin: try files.pin)))?.description ?? ""
        #expect(said.hasPrefix("no answer from `\(server.url)`: "), "\(said)")
    }

    @Test("who keeps silent, before the handshake or after the request, is left when the time is up")
    func timeout() throws {
        for behaviour in [TLSAnswerer.Behaviour.keepsSilent, .takesNoHandshake] {
            let server = try files.server(behaviour)
            var request = Self.request(server.url, .init(pin: try files.pin))
            #expect(request.timeoutSeconds == OutboundRequest.timeoutSeconds)
            request.timeoutSeconds = 1
            #expect(failure(request) == .timedOut(url: server.url, seconds: 1))
        }
    }

    @Test("where nobody listens nothing answers")
    func unreachable() throws {
        let url = try files.server(.answers(Self.done)).url
        files.stop()
        let error = failure(Self.request(url, .init(pin: try files.pin)))
        #expect(error?.description.hasSuffix(": try again") == true, "\(String(describing: error))")
    }

    @Test(
        "no other scheme is spoken",
        arguments: [
            "http://localhost:1/", "file:///etc/passwd", "ftp://localhost/", "localhost:1", "", "HTTP://localhost:1/",
            "https://", "https://:1/", "https://a b/",
        ])
    func schemes(url: String) throws {
        #expect(failure(Self.request(url, .init(pin: SHA256.hash([1])))) == .notHTTPS(url: url))
    }

    @Test("the client's certificate is shown, and one that cannot be used is said to be so before anything is sent")
    func clientCertificate() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        let leaf = try files.authority.issueClient(
            uri: "spiffe://partners.example/account/111122223333/role/partner/acme.com", name: "partner",
            key: key.publicKey(), validity: ServerFiles.validity(-60, 600), random: .system)
        let certificatePath = try files.file("partner.pem", leaf.pem())
        let keyPath = try files.file("partner.key", key.pem())
        let server = try files.server(.answers(Self.done), asksForCertificate: true)
        let trust = OutboundRequest.ServerTrust(pin: try files.pin)
        let good = OutboundRequest.ClientCertificate(certificatePath: certificatePath, keyPath: keyPath)
        #expect(try Self.request(server.url, trust, client: good).send().status == 200)
        #expect(server.received.map(\.certificate) == [leaf.fingerprint])
        let otherKey = try files.file("other.key", PrivateKey.generate(.ecdsaP256).pem())
        for (certificate, key) in [
            ("/nonexistent.pem", keyPath), (certificatePath, "/nonexistent.key"), (certificatePath, otherKey),
            (keyPath, keyPath),
        ] {
            let client = OutboundRequest.ClientCertificate(certificatePath: certificate, keyPath: key)
            let error = failure(Self.request(server.url, trust, client: client))
            #expect(error?.description.hasPrefix("the client certificate or its key cannot be used: ") == true)
        }
        #expect(server.received.count == 1)
    }
}
