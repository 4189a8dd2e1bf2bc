import Domain
import Testing

@testable import Network

@Suite("Answers as HTTP/1.1 bytes")
struct HTTP1AnswerTests {
    private static let id = UniqueID(high: 1, low: 2)

    private static func text(_ response: Response, isHead: Bool = false) -> String {
        var bytes: [UInt8] = []
        HTTP1Answer.append(response, isHead: isHead, closes: false, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("a 405 names the method that the path takes, without its content for HEAD")
    func methodNotAllowed() {
        for (method, name) in [(Response.AllowedMethod.get, "GET"), (.post, "POST")] {
            let response = Response(
                status: 405, contentType: .text, requestID: Self.id, allow: method, body: Array("no".utf8))
            let head =
                "HTTP/1.1 405 Method Not Allowed\r\ncontent-type: text/plain; charset=utf-8\r\n"
                + "x-amzn-requestid: \(Self.id)\r\nallow: \(name)\r\ncontent-length: 2\r\n\r\n"
            #expect(Self.text(response) == head + "no")
            #expect(Self.text(response, isHead: true) == head)
        }
    }

    @Test("no method is named where none was refused")
    func others() {
        for (status, seconds) in [(UInt16(200), nil), (400, nil), (404, nil), (503, 1)] as [(UInt16, Int?)] {
            let response = Response(
                status: status, contentType: .json, requestID: Self.id, retryAfterSeconds: seconds, body: [])
            let text = Self.text(response)
            #expect(!text.contains("\r\nallow:"))
            #expect(text.contains("\r\nretry-after: 1\r\n") == (seconds != nil))
        }
    }
}
