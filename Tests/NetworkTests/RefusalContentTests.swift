import Domain
import HTTP2
import TestKit
import Testing

@testable import Network

@Suite("What a refusal says")
struct RefusalContentTests {
    @Test("no message has a character that JSON escapes", arguments: HTTP1Refusal.allCases)
    func escapes(refusal: HTTP1Refusal) {
        #expect(Self.isPlain(refusal.message))
    }

    @Test(
        "an HTTP/2 refusal has words, and those of HTTP/1.1 where both have it",
        arguments: [
            HTTP2Refusal.headersTooLarge, .contentTooLarge, .authorityMismatch, .noTarget, .underscoreInFieldName,
            .tooMuchAtOnce,
        ])
    func http2(refusal: HTTP2Refusal) {
        #expect(Self.isPlain(refusal.message) && refusal.message.count > 20)
    }

    @Test("the limits in the messages are the limits in force")
    func limits() {
        let limits = ConnectionLimits()
        #expect(limits.bodyBytes == 2 * 1024 * 1024 && HTTP1Refusal.bodyTooLarge.message.contains("2 MiB"))
        #expect(limits.headerBytes == 16 * 1024 && HTTP1Refusal.tooManyFields.message.contains("16 KiB"))
        #expect(limits.headerFields == 100 && HTTP1Refusal.tooManyFields.message.contains("100 fields"))
        #expect(limits.targetBytes == 8 * 1024 && HTTP1Refusal.targetTooLong.message.contains("8 KiB"))
    }

    @Test("413 and 503 carry their own codes, every other refusal is a validation error")
    func codes() {
        let busy = String(decoding: RefusalContent.make(status: 503, message: "m"), as: UTF8.self)
        #expect(busy == #"{"__type":"ServiceUnavailable","message":"m"}"#)
        let large = String(decoding: RefusalContent.make(status: 413, message: "m"), as: UTF8.self)
        #expect(large == #"{"__type":"RequestEntityTooLargeException","message":"m"}"#)
        let other = String(decoding: RefusalContent.make(status: 431, message: "m"), as: UTF8.self)
        #expect(other == #"{"__type":"ValidationException","message":"m"}"#)
    }

    @Test("an HTTP/1.1 refusal is answered in the JSON protocol, and the connection closes")
    func answer() async throws {
        let server = try await TestServer.start()
        let client = try RawClient(port: server.port)
        client.send("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2097153\r\n\r\n")
        let answer = client.receiveAll()
        #expect(answer.contains("content-type: application/x-amz-json-1.1\r\n"))
        #expect(answer.contains("connection: close\r\n"))
        #expect(
            answer.contains(#"{"__type":"RequestEntityTooLargeException","message":"the content is over the limit"#))
        #expect(Answers(parsing: answer).statuses == [413])
        await server.stop()
    }

    private static func isPlain(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }
    }
}
