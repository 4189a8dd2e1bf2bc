import CNghttp2
import Domain
import Testing

@testable import HTTP2

@Suite("The header fields of an answer")
struct ResponseTextTests {
    private static let id = UniqueID(high: 1, low: 2)

    private static func fields(_ response: Response) -> [String] {
        func text(_ start: UnsafePointer<UInt8>?, _ count: Int) -> String {
            String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
        }
        return ResponseText(response, isFirst: true).withFields { fields in
            fields.map { text($0.name, $0.namelen) + ": " + text($0.value, $0.valuelen) }
        }
    }

    @Test("a 405 names the method that the path takes")
    func methodNotAllowed() {
        for (method, name) in [(Response.AllowedMethod.get, "GET"), (.post, "POST")] {
            let response = Response(
                status: 405, contentType: .text, requestID: Self.id, allow: method, body: Array("no".utf8))
            #expect(
                Self.fields(response) == [
                    ":status: 405", "content-type: text/plain; charset=utf-8", "content-length: 2",
                    "x-amzn-requestid: \(Self.id)", "allow: \(name)",
                ])
        }
    }

    @Test("there is room for every field that an answer may have")
    func most() {
        let response = Response(
            status: 405, contentType: .text, requestID: Self.id, retryAfterSeconds: .max, allow: .post, body: [])
        #expect(Self.fields(response).suffix(2) == ["retry-after: \(Int.max)", "allow: POST"])
    }

    @Test("no method is named where none was refused")
    func others() {
        for (status, seconds) in [(200, nil), (400, nil), (404, nil), (503, 1)] as [(UInt16, Int?)] {
            let response = Response(
                status: status, contentType: .json, requestID: Self.id, retryAfterSeconds: seconds, body: [])
            let names = Self.fields(response).map { $0.prefix { $0 != " " } }
            let all = [":status:", "content-type:", "content-length:", "x-amzn-requestid:", "retry-after:"]
            #expect(names.elementsEqual(all.prefix(seconds == nil ? 4 : 5), by: ==))
        }
    }
}
