import Domain
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

private let content = #"{"Entries":[{"Source":"com.acme.orders","DetailType":"OrderPlaced","Detail":"{}"}]}"#

/// A request with one thing wrong that its head shows.
private struct Row: CustomTestStringConvertible {
    typealias Fields = [(name: String, value: String)]

    let testDescription: String
    let code: String
    var method = "POST"
    var target = "/"
    var change: @Sendable (inout Fields) -> Void = { _ in }

    init(
        _ name: String, _ code: String, method: String = "POST", target: String = "/",
        change: @escaping @Sendable (inout Fields) -> Void = { _ in }
    ) {
        testDescription = name
        self.code = code
        self.method = method
        self.target = target
        self.change = change
    }

    /// With another `Authorization`.
    static func authorization(
        _ name: String, _ code: String, _ change: @escaping @Sendable (String) -> String
    ) -> Row {
        Row(name, code) { fields in
            guard let index = fields.firstIndex(where: { $0.name == "authorization" }) else { return }
            fields[index].value = change(fields[index].value)
        }
    }

    /// With another `x-amz-date`, on the same day.
    static func date(_ name: String, _ code: String, _ value: String?) -> Row {
        Row(name, code) { fields in
            guard let index = fields.firstIndex(where: { $0.name == "x-amz-date" }) else { return }
            if let value {
                fields[index].value = fields[index].value.prefix(9) + value
            } else {
                fields.remove(at: index)
            }
        }
    }

    static let all = [
        Row("an unknown path", "UnknownOperationException", target: "/nowhere"),
        Row("another method", "UnknownOperationException", method: "PUT"),
        Row(
            "another method at a bus", "UnknownOperationException", method: "PUT",
            target: "/accounts/111122223333/buses/default/events"),
        Row("another method of joining", "UnknownOperationException", method: "PUT", target: "/join"),
        Row("an unknown webhook", "UnknownOperationException", target: "/webhooks/aws.partner/none.example/a/b"),
        Row(
            "a decision by POST", "UnknownOperationException",
            target: "/decisions/00000000-0000-0000-0000-000000000000"),
        Row("no way to authenticate", "MissingAuthenticationTokenException") { fields in
            fields.removeAll { $0.name == "authorization" }
        },
        Row("no way to renew", "MissingAuthenticationTokenException", target: "/renew") { fields in
            fields.removeAll { $0.name == "authorization" }
        },
        Row("a call of STS without authentication", "<Code>MissingAuthenticationToken</Code>") { fields in
            fields.removeAll { $0.name == "authorization" || $0.name == "x-amz-target" || $0.name == "content-type" }
            fields.append(("content-type", "application/x-www-form-urlencoded"))
        },
        Row("a path with a query", "UnknownOperationException", target: "/?X-Amz-Signature=0"),
        authorization("another scheme", "IncompleteSignatureException") { _ in "Bearer x" },
        authorization("no signature", "IncompleteSignatureException") { "\($0.prefix(60))" },
        authorization("another region", "InvalidSignatureException") {
            $0.replacing("/eu-central-1/", with: "/us-east-1/")
        },
        authorization("another service", "InvalidSignatureException") { $0.replacing("/events/", with: "/s3/") },
        authorization("another terminator", "InvalidSignatureException") {
            $0.replacing("/aws4_request", with: "/aws5_request")
        },
        authorization("an unknown key", "UnrecognizedClientException") {
            $0.replacing("AKIAIOSFODNN7EXAMPLE", with: "AKIANOBODYKNOWSTHIS0")
        },
        authorization("a disabled key", "UnrecognizedClientException") {
            $0.replacing("AKIAIOSFODNN7EXAMPLE", with: "AKIADISABLED00000000")
        },
        date("no date", "IncompleteSignatureException", nil),
        date("a date that is none", "IncompleteSignatureException", "noon"),
        date("a date of another hour", "InvalidSignatureException", "235959Z"),
        Row("a stated hash that is none", "InvalidSignatureException") { fields in
            fields.append(("x-amz-content-sha256", "UNSIGNED-PAYLOAD"))
        },
    ]
}

@Suite("What the head of a request alone refuses")
struct HeadRefusalTests {
    private static func send(_ row: Row, _ fields: Row.Fields, _ client: RawClient, withContent: Bool) {
        var text = "\(row.method) \(row.target) HTTP/1.1\r\n"
        for field in fields { text += "\(field.name): \(field.value)\r\n" }
        client.send("\(text)content-length: \(content.utf8.count)\r\n\r\n\(withContent ? content : "")")
    }

    /// An XML answer names its request; no two are the same in that.
    private static func withoutID(_ body: String) -> Substring {
        body.prefix { $0 != "\n" }.split(separator: "<RequestId>", maxSplits: 1).first ?? ""
    }

    @Test(
        "is answered before the content comes, with the code and message of the whole request, counted and logged once",
        arguments: Row.all)
    private func agrees(_ row: Row) async throws {
        let gateway = try await TestGateway.start(try Scene.snapshotWithOrders([Scene.admitsSender()]))
        do {
            let signer = try await gateway.signer(Scene.publisher)
            let disabled = AccessKey(
                id: "AKIADISABLED00000000", principal: Scene.publisher, isEnabled: false,
                createdAt: gateway.clock.now, sealedSecret: [1])
            try await gateway.plane.change { snapshot throws(ControlFault) in try snapshot.adding(disabled) }
            var fields = gateway.fields("PutEvents", content, signer)
            row.change(&fields)
            let metrics = gateway.services.metrics
            var counts: [[Int64]] = []
            var answers: [Answer] = []
            for withContent in [true, false] {
                let client = try RawClient(port: gateway.port)
                Self.send(row, fields, client, withContent: withContent)
                answers.append(try client.receive())
                counts.append(
                    [.requestsHTTP1, .requestsRefused, .authenticationFailures].map { metrics.value(of: $0) })
            }
            #expect(answers[0].status == answers[1].status)
            #expect(answers[0].body.contains(row.code))
            #expect(Self.withoutID(answers[0].body) == Self.withoutID(answers[1].body))
            #expect(!answers[0].head.contains("connection: close"))
            #expect(answers[1].head.contains("connection: close"))
            #expect(counts[1] == counts[0].map { $0 * 2 })
            let lines = gateway.lines.text.split(separator: "\n").filter { $0.contains("authentication-refused") }
            #expect(Int64(lines.count) == counts[1][2])
        } catch {
            await gateway.stop()
            throw error
        }
        await gateway.stop()
    }

    @Test("a request to join that declares more than its limit is refused at once, one at the limit is waited for")
    func joins() async throws {
        let gateway = try await TestGateway.start(try Scene.snapshotWithOrders([]))
        func answer(declaring bytes: Int) throws -> String {
            let client = try RawClient(port: gateway.port)
            let head = "POST /join HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: \(bytes)\r\n\r\n"
            client.send(head)
            return String(decoding: client.receiveSome(), as: UTF8.self)
        }
        #expect(try answer(declaring: JoinRequest.contentBytesLimit + 1).hasPrefix("HTTP/1.1 413 "))
        #expect(try answer(declaring: JoinRequest.contentBytesLimit).hasPrefix("HTTP/1.1 100 "))
        await gateway.stop()
    }

    @Test("a good request whose content is late is served as any other and counted once")
    func admits() async throws {
        let gateway = try await TestGateway.start(try Scene.snapshotWithOrders([Scene.admitsSender()]))
        do {
            let signer = try await gateway.signer(Scene.publisher)
            let client = try RawClient(port: gateway.port)
            let fields = gateway.fields("PutEvents", content, signer, more: [("expect", "100-continue")])
            Self.send(Row("", ""), fields, client, withContent: false)
            #expect(String(decoding: client.receiveSome(), as: UTF8.self) == "HTTP/1.1 100 Continue\r\n\r\n")
            client.send(content)
            #expect(try client.receive().status == 200)
            #expect(gateway.services.metrics.value(of: .requestsHTTP1) == 1)
            #expect(gateway.services.metrics.value(of: .requestsRefused) == 0)
        } catch {
            await gateway.stop()
            throw error
        }
        await gateway.stop()
    }
}
