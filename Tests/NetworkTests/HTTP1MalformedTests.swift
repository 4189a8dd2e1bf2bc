import TestKit
import Testing

@testable import Network

/// One refused request, byte for byte.
struct Malformed: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    let status: Int

    init(_ name: String, _ text: String, _ status: Int = 400) {
        self.name = name
        bytes = Array(text.utf8)
        self.status = status
    }

    init(_ name: String, bytes: [UInt8], _ status: Int = 400) {
        self.name = name
        self.bytes = bytes
        self.status = status
    }

    var testDescription: String { name }

    private static let host = "Host: a.example\r\n"

    static let corpus: [Malformed] = lines + framing + fields + targets + chunks + limits

    static let lines: [Malformed] = [
        Malformed("HTTP/0.9", "GET /\r\n"),
        Malformed("HTTP/0.9 with fields", "GET /\r\n\(host)\r\n"),
        Malformed("HTTP/1.0 kept alive", "GET / HTTP/1.0\r\n\(host)Connection: keep-alive\r\n\r\n"),
        Malformed("HTTP/1.0 kept alive in a list", "GET / HTTP/1.0\r\n\(host)Connection: x, Keep-Alive\r\n\r\n"),
        Malformed("HTTP/1.0 without host", "GET / HTTP/1.0\r\n\r\n"),
        Malformed("HTTP/1.2", "GET / HTTP/1.2\r\n\(host)\r\n"),
        Malformed("HTTP/2.0", "GET / HTTP/2.0\r\n\(host)\r\n"),
        Malformed("the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Malformed("lower-case http", "GET / http/1.1\r\n\(host)\r\n"),
        Malformed("version with leading zero", "GET / HTTP/01.1\r\n\(host)\r\n"),
        Malformed("space after version", "GET / HTTP/1.1 \r\n\(host)\r\n"),
        Malformed("two spaces after method", "GET  / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("two spaces after target", "GET /  HTTP/1.1\r\n\(host)\r\n"),
        Malformed("tab between parts", "GET\t/\tHTTP/1.1\r\n\(host)\r\n"),
        Malformed("space before method", " GET / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("empty line first", "\r\nGET / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("line feed first", "\nGET / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("method with colon", "G:T / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("unknown method", "EXTERMINATE / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("lower-case method", "get / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("method of 33 letters", String(repeating: "A", count: 33) + " / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("bare line feeds", "GET / HTTP/1.1\nHost: a.example\n\n"),
        Malformed("bare line feed ends the request line", "GET / HTTP/1.1\n\(host)\r\n"),
        Malformed("bare line feed ends a field", "GET / HTTP/1.1\r\nHost: a.example\nA: b\r\n\r\n"),
        Malformed("bare line feed ends the block", "GET / HTTP/1.1\r\n\(host)\n"),
        Malformed("bare carriage return in a field", "GET / HTTP/1.1\r\n\(host)A: b\rC: d\r\n\r\n"),
        Malformed("bare carriage return in the line", "GET /\r HTTP/1.1\r\n\(host)\r\n"),
        Malformed("two carriage returns", "GET / HTTP/1.1\r\r\n\(host)\r\n"),
        Malformed("a TLS hello", bytes: [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x0D, 0x0A]),
    ]

    static let framing: [Malformed] = [
        Malformed(
            "length and chunked",
            "POST / HTTP/1.1\r\n\(host)Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Malformed(
            "chunked and length",
            "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
        Malformed(
            "length 0 and chunked",
            "POST / HTTP/1.1\r\n\(host)Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Malformed("two equal lengths", "POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
        Malformed(
            "two different lengths", "POST / HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        Malformed("length with plus", "POST / HTTP/1.1\r\n\(host)Content-Length: +1\r\n\r\na"),
        Malformed("length with minus", "POST / HTTP/1.1\r\n\(host)Content-Length: -1\r\n\r\na"),
        Malformed("length in hexadecimal", "POST / HTTP/1.1\r\n\(host)Content-Length: 0x1\r\n\r\na"),
        Malformed("length list", "POST / HTTP/1.1\r\n\(host)Content-Length: 1, 1\r\n\r\na"),
        Malformed("length with inner space", "POST / HTTP/1.1\r\n\(host)Content-Length: 1 1\r\n\r\na"),
        Malformed("length with underscore", "POST / HTTP/1.1\r\n\(host)Content-Length: 1_0\r\n\r\na"),
        Malformed("length with point", "POST / HTTP/1.1\r\n\(host)Content-Length: 1.0\r\n\r\na"),
        Malformed("empty length", "POST / HTTP/1.1\r\n\(host)Content-Length:\r\n\r\na"),
        Malformed("length of 20 digits", "POST / HTTP/1.1\r\n\(host)Content-Length: 00000000000000000001\r\n\r\na"),
        Malformed("length with a letter", "POST / HTTP/1.1\r\n\(host)Content-Length: 1a\r\n\r\na"),
        Malformed("length quoted", "POST / HTTP/1.1\r\n\(host)Content-Length: \"1\"\r\n\r\na"),
        Malformed("length with a vertical tab", "POST / HTTP/1.1\r\n\(host)Content-Length: \u{0B}1\r\n\r\na"),
        Malformed("identity", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: identity\r\n\r\n"),
        Malformed("gzip, chunked", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        Malformed(
            "chunked twice in a list", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        Malformed(
            "chunked twice",
            "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Malformed("chunked in capitals", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"),
        Malformed(
            "chunked with parameter", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
        Malformed("xchunked", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        Malformed("chunked quoted", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
        Malformed("empty transfer coding", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
        Malformed(
            "chunked after vertical tab", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: \u{0B}chunked\r\n\r\n0\r\n\r\n"),
        Malformed("chunked in HTTP/1.0", "POST / HTTP/1.0\r\n\(host)Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        Malformed(
            "folded transfer coding", "POST / HTTP/1.1\r\n\(host)Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        Malformed(
            "space before the colon of a transfer coding",
            "POST / HTTP/1.1\r\n\(host)Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        Malformed("underscored length", "POST / HTTP/1.1\r\n\(host)Content_Length: 1\r\n\r\na"),
    ]

    static let fields: [Malformed] = [
        Malformed("folded field", "GET / HTTP/1.1\r\n\(host)A: b\r\n c\r\n\r\n"),
        Malformed("field folded by a tab", "GET / HTTP/1.1\r\n\(host)A: b\r\n\tc\r\n\r\n"),
        Malformed("first field folded", "GET / HTTP/1.1\r\n \(host)\r\n"),
        Malformed("space before colon", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n"),
        Malformed("tab before colon", "GET / HTTP/1.1\r\n\(host)A\t: b\r\n\r\n"),
        Malformed("no colon", "GET / HTTP/1.1\r\n\(host)A\r\n\r\n"),
        Malformed("empty name", "GET / HTTP/1.1\r\n\(host): b\r\n\r\n"),
        Malformed("underscore in name", "GET / HTTP/1.1\r\n\(host)X_Amz_Date: b\r\n\r\n"),
        Malformed("space in name", "GET / HTTP/1.1\r\n\(host)A B: c\r\n\r\n"),
        Malformed("NUL in name", "GET / HTTP/1.1\r\n\(host)A\0: b\r\n\r\n"),
        Malformed("NUL in value", "GET / HTTP/1.1\r\n\(host)A: b\0c\r\n\r\n"),
        Malformed("escape in value", "GET / HTTP/1.1\r\n\(host)A: b\u{1B}[0m\r\n\r\n"),
        Malformed("DEL in value", "GET / HTTP/1.1\r\n\(host)A: b\u{7F}\r\n\r\n"),
        Malformed(
            "high byte in name", bytes: Array("GET / HTTP/1.1\r\n\(host)A".utf8) + [0xFF] + Array(": b\r\n\r\n".utf8)),
        Malformed("parenthesis in name", "GET / HTTP/1.1\r\n\(host)A(b): c\r\n\r\n"),
        Malformed("no host", "GET / HTTP/1.1\r\n\r\n"),
        Malformed("two equal hosts", "GET / HTTP/1.1\r\n\(host)\(host)\r\n"),
        Malformed("two hosts", "GET / HTTP/1.1\r\n\(host)Host: b.example\r\n\r\n"),
        Malformed("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        Malformed("host list", "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n"),
        Malformed("host with user", "GET / HTTP/1.1\r\nHost: u@a.example\r\n\r\n"),
        Malformed("host with path", "GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n"),
        Malformed("host with space", "GET / HTTP/1.1\r\nHost: a.example x\r\n\r\n"),
        Malformed(
            "upgrade to h2c",
            "GET / HTTP/1.1\r\n\(host)Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        ),
        Malformed("upgrade without connection", "GET / HTTP/1.1\r\n\(host)Upgrade: h2c\r\n\r\n"),
        Malformed("upgrade to websocket", "GET / HTTP/1.1\r\n\(host)Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
        Malformed("connection names upgrade", "GET / HTTP/1.1\r\n\(host)Connection: upgrade\r\n\r\n"),
        Malformed(
            "expect something else", "POST / HTTP/1.1\r\n\(host)Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", 417),
        Malformed(
            "expect in capitals", "POST / HTTP/1.1\r\n\(host)Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", 417),
        Malformed(
            "expect with more", "POST / HTTP/1.1\r\n\(host)Expect: 100-continue, x\r\nContent-Length: 1\r\n\r\na", 417),
        Malformed(
            "expect twice",
            "POST / HTTP/1.1\r\n\(host)Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", 417),
        Malformed("empty expect", "POST / HTTP/1.1\r\n\(host)Expect:\r\nContent-Length: 1\r\n\r\na", 417),
    ]

    static let targets: [Malformed] = [
        Malformed("absolute form with another host", "GET http://b.example/ HTTP/1.1\r\n\(host)\r\n"),
        Malformed("absolute form with another port", "GET http://a.example:81/ HTTP/1.1\r\n\(host)\r\n"),
        Malformed("absolute form with user", "GET http://u@a.example/ HTTP/1.1\r\n\(host)\r\n"),
        Malformed("absolute form without host", "GET http:/// HTTP/1.1\r\n\(host)\r\n"),
        Malformed("absolute form of ftp", "GET ftp://a.example/ HTTP/1.1\r\n\(host)\r\n"),
        Malformed("relative target", "GET a HTTP/1.1\r\n\(host)\r\n"),
        Malformed("query only", "GET ?a=b HTTP/1.1\r\n\(host)\r\n"),
        Malformed("asterisk for GET", "GET * HTTP/1.1\r\n\(host)\r\n"),
        Malformed("CONNECT", "CONNECT a.example:443 HTTP/1.1\r\n\(host)\r\n"),
        Malformed("CONNECT to a path", "CONNECT / HTTP/1.1\r\n\(host)\r\n"),
        Malformed("fragment", "GET /a#b HTTP/1.1\r\n\(host)\r\n"),
        Malformed("space in target", "GET /a b HTTP/1.1\r\n\(host)\r\n"),
        Malformed("NUL in target", "GET /\0 HTTP/1.1\r\n\(host)\r\n"),
        Malformed("tab in target", "GET /a\tb HTTP/1.1\r\n\(host)\r\n"),
        Malformed("high byte in target", bytes: Array("GET /".utf8) + [0xC3] + Array(" HTTP/1.1\r\n\(host)\r\n".utf8)),
        Malformed("backslash in target", "GET /a\\b HTTP/1.1\r\n\(host)\r\n"),
        Malformed("no target", "GET HTTP/1.1\r\n\(host)\r\n"),
    ]

    private static func chunked(_ name: String, _ body: String, _ status: Int = 400) -> Malformed {
        Malformed(name, "POST / HTTP/1.1\r\n\(host)Transfer-Encoding: chunked\r\n\r\n" + body, status)
    }

    static let chunks: [Malformed] = [
        chunked("chunk size with underscore", "1_0\r\na\r\n0\r\n\r\n"),
        chunked("chunk size with 0x", "0x1\r\na\r\n0\r\n\r\n"),
        chunked("chunk size with plus", "+1\r\na\r\n0\r\n\r\n"),
        chunked("chunk size with minus", "-1\r\na\r\n0\r\n\r\n"),
        chunked("space before chunk size", " 1\r\na\r\n0\r\n\r\n"),
        chunked("space after chunk size", "1 \r\na\r\n0\r\n\r\n"),
        chunked("empty chunk size", "\r\na\r\n0\r\n\r\n"),
        chunked("chunk size ends in a bare line feed", "1\na\r\n0\r\n\r\n"),
        chunked("chunk size ends in a bare carriage return", "1\ra\r\n0\r\n\r\n"),
        chunked("extension ends in a bare line feed", "1;a=b\na\r\n0\r\n\r\n"),
        chunked("control character in an extension", "1;a=\u{01}\r\na\r\n0\r\n\r\n"),
        chunked("content longer than its size", "1\r\nab\r\n0\r\n\r\n"),
        chunked("content ends in a bare line feed", "1\r\na\n0\r\n\r\n"),
        chunked("trailer", "1\r\na\r\n0\r\nA: b\r\n\r\n"),
        chunked("trailer that changes the length", "0\r\nContent-Length: 5\r\n\r\n"),
        chunked("empty trailer line is no line", "0\r\n\n"),
        chunked("folded trailer", "0\r\n a\r\n\r\n"),
        chunked("chunk size that overflows", "FFFFFFFFFFFFFFFFF\r\na\r\n0\r\n\r\n", 413),
        chunked(
            "extensions over the limit",
            "1;" + String(repeating: "a", count: HTTP1Chunks.overheadLimit + 1) + "\r\na\r\n0\r\n\r\n"),
        chunked("zeros over the limit", String(repeating: "0", count: HTTP1Chunks.overheadLimit + 2) + "\r\n\r\n"),
    ]

    static let limits: [Malformed] = [
        Malformed("101 fields", "GET / HTTP/1.1\r\n\(host)" + String(repeating: "A: b\r\n", count: 100) + "\r\n", 431),
        Malformed(
            "one byte of fields too many",
            "GET / HTTP/1.1\r\n\(host)A: " + String(repeating: "b", count: 16_384 - 13) + "\r\n\r\n", 431),
        Malformed(
            "17 KiB without an end", "GET / HTTP/1.1\r\n\(host)A: " + String(repeating: "b", count: 26 * 1024), 431),
        Malformed(
            "target of 8193 bytes", "GET /" + String(repeating: "a", count: 8192) + " HTTP/1.1\r\n\(host)\r\n", 414),
        Malformed("target without an end", "GET /" + String(repeating: "a", count: 9000), 414),
        Malformed("declared content over the limit", "POST / HTTP/1.1\r\n\(host)Content-Length: 2097153\r\n\r\n", 413),
        Malformed(
            "declared content far over the limit",
            "POST / HTTP/1.1\r\n\(host)Content-Length: 9999999999999999999\r\n\r\n", 413),
        Malformed(
            "expect before content over the limit",
            "POST / HTTP/1.1\r\n\(host)Expect: 100-continue\r\nContent-Length: 2097153\r\n\r\n", 413),
    ]
}

@Suite("HTTP/1.1 refusals")
struct HTTP1MalformedTests {
    @Test("a malformed request gets one answer and the connection closes, whatever follows it")
    func refusesTheCorpus() async throws {
        let server = try await TestServer.start()
        let smuggled = Array("GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8)
        var accepted = 0
        for malformed in Malformed.corpus {
            let client = try RawClient(port: server.port)
            client.send(malformed.bytes + smuggled)
            let answers = Answers(parsing: client.receiveAll())
            #expect(
                answers.statuses == [malformed.status], "\(malformed.name): \(answers.bodies.map { $0.prefix(80) })")
            if answers.statuses.contains(200) { accepted += 1 }
        }
        print("S1: \(accepted) of \(Malformed.corpus.count) accepted")
        #expect(server.seen.requests == 0)
        #expect(server.seen.refusals.count == Malformed.corpus.count)
        await server.stop()
    }

    @Test("a malformed request sent byte by byte is refused the same")
    func refusesTheCorpusByteByByte() {
        for malformed in Malformed.corpus {
            let session = HTTP1Session(limits: ConnectionLimits())
            var refusals: [HTTP1Refusal] = []
            for byte in malformed.bytes {
                withUnsafeBytes(of: byte) { session.receive($0) }
                drive(session, refusals: &refusals)
            }
            #expect(refusals.map { Int($0.status) } == [malformed.status], "\(malformed.name)")
            // NIO's parser would refuse most of it, too: the rules must be our own, but for the methods it knows.
            let isLeftToIt = ["unknown method", "lower-case method"].contains(malformed.name)
            #expect(refusals.contains(.decoderDisagrees) == isLeftToIt, "\(malformed.name)")
        }
    }

    /// Runs a session without the decoder: what the scanner lets pass is refused with 400 for lack of agreement.
    private func drive(_ session: HTTP1Session, refusals: inout [HTTP1Refusal]) {
        while true {
            switch session.next() {
            case .wait: return
            case .decode: break
            case .request: return
            case .refused(let refusal): refusals.append(refusal)
            }
        }
    }
}
