import Domain
import JSON
import Testing

@testable import Gateway

/// What a request was decoded to.
private enum Decoded: Equatable {
    case refused(ErrorCode, String)
    /// `nil` for an entry that is fine.
    case entries([String?])
}

private func decode(_ content: [UInt8], entriesBytes: Int = Limits.entriesBytes) -> Decoded {
    var decoder = PutEventsDecoder(entriesBytes: entriesBytes)
    do throws(Fault) {
        return .entries(
            try decoder.decode(content).map {
                switch $0.content {
                case .entry: nil
                case .invalid(let code, let message): "\(code.rawValue): \(message)"
                }
            })
    } catch {
        return .refused(error.code, error.message)
    }
}

private func decode(_ text: String, entriesBytes: Int = Limits.entriesBytes) -> Decoded {
    decode(Array(text.utf8), entriesBytes: entriesBytes)
}

/// A request of entries whose members are given.
private func request(_ entries: String...) -> String { #"{"Entries":[\#(entries.joined(separator: ","))]}"# }

private func entry(_ detail: String = "{}", more: String = "") -> String {
    var text: [UInt8] = []
    JSONWriter.append(to: &text) { $0.string(detail) }
    return #"{"Source":"a","DetailType":"b","Detail":\#(String(decoding: text, as: UTF8.self))\#(more)}"#
}

private func isRefused(_ decoded: Decoded, _ code: ErrorCode) -> Bool {
    if case .refused(code, _) = decoded { true } else { false }
}

@Suite("The content of PutEvents")
struct PutEventsDecoderTests {
    @Test("a request has 1 to 10 entries")
    func counts() {
        #expect(decode(request(entry())) == .entries([nil]))
        let ten = Array(repeating: entry(), count: 10).joined(separator: ",")
        #expect(decode(request(ten)) == .entries(Array(repeating: nil, count: 10)))
        let start = "1 validation error detected: Value "
        let middle = " at 'entries' failed to satisfy constraint: Member must "
        #expect(
            decode(request(ten, entry()))
                == .refused(.validation, "\(start)'[…]'\(middle)have length less than or equal to 10"))
        #expect(
            decode(request()) == .refused(.validation, "\(start)'[]'\(middle)have length greater than or equal to 1"))
        #expect(decode("{}") == .refused(.validation, "\(start)null\(middle)not be null"))
    }

    @Test(
        "what is not a request is refused whole",
        arguments: [
            "", "x", "[]", "null", "\u{FEFF}{}", #"{"Entries":1}"#, #"{"Entries":{}}"#, #"{"Entries":null}"#,
            #"{"Entries":[1]}"#, #"{"Entries":[null]}"#, #"{"Entries":[[]]}"#, #"{"Entries":[],"Entries":[]}"#,
            #"{"Entries":[{}]"#, #"{"Entries":[{}]}}"#, request(entry(more: #","Source":"c""#)),
            request(entry(more: #","Time":1,"Time":1"#)), request(entry(more: #","Resources":[],"Resources":[]"#)),
            request(entry(more: #","Resources":"x""#)), request(entry(more: #","Resources":[1]"#)),
            request(entry(more: #","Resources":[null]"#)), request(entry(more: #","EventBusName":1"#)),
            request(entry(more: #","TraceHeader":{}"#)), request(#"{"Source":1}"#), request(#"{"DetailType":[]}"#),
            request(#"{"Detail":{}}"#),
            "{\"Entries\":" + String(repeating: "[", count: 2000) + String(repeating: "]", count: 2000) + "}",
        ])
    func refusedWhole(_ text: String) {
        #expect(isRefused(decode(text), .serialization))
    }

    @Test("bytes that are no UTF-8 are refused, inside a string as well")
    func notUTF8() {
        #expect(isRefused(decode([0xFF, 0xFE]), .serialization))
        #expect(isRefused(decode([0]), .serialization))
        var bytes = Array(request(entry()).utf8)
        bytes[bytes.firstIndex(of: UInt8(ascii: "a"))!] = 0xC0
        #expect(isRefused(decode(bytes), .serialization))
    }

    @Test("a missing or empty argument fails its entry alone, in EventBridge's words")
    func requiredArguments() {
        func words(_ name: String) -> String {
            "InvalidArgument: Parameter \(name) is not valid. Reason: \(name) is a required argument."
        }
        #expect(
            decode(
                request(
                    #"{"DetailType":"b","Detail":"{}"}"#, #"{"Source":"a","Detail":"{}"}"#,
                    #"{"Source":"a","DetailType":"b"}"#, #"{"Source":"","DetailType":"b","Detail":"{}"}"#,
                    #"{"Source":"a","DetailType":null,"Detail":"{}"}"#, #"{"Source":"a","DetailType":"b","Detail":""}"#,
                    "{}", entry()))
                == .entries([
                    words("Source"), words("DetailType"), words("Detail"), words("Source"), words("DetailType"),
                    words("Detail"), words("Source"), nil,
                ]))
    }

    @Test(
        "a Detail that is not one JSON object fails its entry alone",
        arguments: [
            "x", "[]", "1", "null", "\"{}\"", "{", "{}{}", "{}x", "{'a':1}", #"{"a":18446744073709551616}"#,
            #"{"a":-9223372036854775809}"#, "{\"a\":\"\n\"}", "\u{FEFF}{}", "{}\0",
            "{\"a\":" + String(repeating: "[", count: 200) + "1" + String(repeating: "]", count: 200) + "}",
        ])
    func malformedDetail(_ detail: String) {
        #expect(decode(request(entry(detail), entry())) == .entries(["MalformedDetail: Detail is malformed.", nil]))
    }

    @Test(
        "a Detail that is one JSON object passes byte for byte",
        arguments: [
            "{}", " {\n} ",
            #"{"a":18446744073709551615,"b":-9223372036854775808,"c":1e400}"#.replacing("1e400", with: "1e300"),
            #"{"a":1.0000000000000000000001}"#, #"{"é":"\u00e9\ud83d\ude00"}"#, #"{"a":1,"a":2}"#,
        ])
    func passesDetail(_ detail: String) throws {
        var decoder = PutEventsDecoder()
        let decoded = try decoder.decode(Array(request(entry(detail)).utf8))
        guard case .entry(let entry) = decoded[0].content else {
            Issue.record("`\(detail)` was refused")
            return
        }
        #expect(entry.detail.elementsEqual(detail.utf8))
    }

    @Test("the sizes of all entries together stay below the limit")
    func total() {
        let limit = 1000
        // An entry without Time counts its Source (1), DetailType (1) and Detail.
        func sized(_ bytes: Int) -> String { entry("{\"x\":\"" + String(repeating: "y", count: bytes - 10) + "\"}") }
        let tooLarge = Decoded.refused(.validation, "Total size of the entries in the request is over the limit.")
        #expect(decode(request(sized(999)), entriesBytes: limit) == .entries([nil]))
        #expect(decode(request(sized(1000)), entriesBytes: limit) == tooLarge)
        #expect(decode(request(sized(1001)), entriesBytes: limit) == tooLarge)
        #expect(decode(request(sized(500), sized(499)), entriesBytes: limit) == .entries([nil, nil]))
        #expect(decode(request(sized(500), sized(500)), entriesBytes: limit) == tooLarge)
    }

    @Test("the default limit is 1 MiB, with 14 bytes for a Time and each Resource counted")
    func defaultTotal() {
        let tooLarge = Decoded.refused(.validation, "Total size of the entries in the request is over the limit.")
        func sized(_ bytes: Int, _ more: String) -> String {
            entry("{\"x\":\"" + String(repeating: "y", count: bytes - 10) + "\"}", more: more)
        }
        let limit = 1 << 20
        for (more, extra) in [("", 0), (#","Time":1"#, 14), (#","Resources":["abc","é",""]"#, 5)] {
            #expect(decode(request(sized(limit - 1 - extra, more))) == .entries([nil]))
            #expect(decode(request(sized(limit - extra, more))) == tooLarge)
        }
    }

    @Test("what is not billed is bounded as well: resources without text and a trace header")
    func unbilled() {
        let tooLarge = Decoded.refused(.validation, "Total size of the entries in the request is over the limit.")
        let empty = Array(repeating: "\"\"", count: 690_000).joined(separator: ",")
        #expect(decode(request(entry(more: #","Resources":[\#(empty)]"#))) == tooLarge)
        let fewer = Array(repeating: "\"\"", count: 100_000).joined(separator: ",")
        #expect(decode(request(entry(more: #","Resources":[\#(fewer)]"#))) == .entries([nil]))
    }

    @Test("Time is a number of seconds between 1970 and 9999; milliseconds are kept")
    func times() throws {
        func moment(_ text: String) throws -> Int64? {
            var decoder = PutEventsDecoder()
            let decoded = try decoder.decode(Array(request(entry(more: ",\"Time\":\(text)")).utf8))
            guard case .entry(let entry) = decoded[0].content else { return -1 }
            return entry.time?.milliseconds
        }
        #expect(try moment("0") == 0)
        #expect(try moment("1795240800") == 1_795_240_800_000)
        #expect(try moment("1795240800.123") == 1_795_240_800_123)
        #expect(try moment("1.7952408e9") == 1_795_240_800_000)
        #expect(try moment("253402300799") == 253_402_300_799_000)
        #expect(try moment("253402300799.9999") == 253_402_300_799_999)
        #expect(try moment("null") == nil)
        for text in ["-1", "253402300800", "1e300", "18446744073709551615", "\"2026-11-21T06:00:00Z\"", "true", "[]"] {
            #expect(isRefused(decode(request(entry(more: ",\"Time\":\(text)"))), .serialization), "\(text)")
        }
    }

    @Test("an endpoint is refused, an absent one is not")
    func endpoint() {
        #expect(
            decode(#"{"EndpointId":"abc.veo","Entries":[\#(entry())]}"#)
                == .refused(
                    .validation, "Parameter EndpointId is not valid. Reason: Global endpoints do not exist here."))
        #expect(decode(#"{"EndpointId":null,"Entries":[\#(entry())],"Unknown":1}"#) == .entries([nil]))
    }

    @Test("the decoder forgets the request before")
    func reuse() throws {
        var decoder = PutEventsDecoder()
        #expect(try decoder.decode(Array(request(entry(more: #","Resources":["r"]"#), entry()).utf8)).count == 2)
        #expect(throws: Fault.self) { try decoder.decode(Array("{".utf8)) }
        let last = try decoder.decode(Array(request(entry(more: #","EventBusName":"b""#)).utf8))
        #expect(last.count == 1)
        #expect(last[0].busReference == Array("b".utf8))
        guard case .entry(let entry) = last[0].content else { return }
        #expect(entry.resourceCount == 0)
    }
}
