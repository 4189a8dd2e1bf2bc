import Domain
import Testing

@Suite struct RequestTests {
    @Test("header fields keep every byte and their order, and are found by name")
    func fields() {
        let request = Request(
            method: "POST", target: "/?a=b", authority: "gw:8443",
            fields: [("x-amz-target", "A"), ("x-amz-target", " B "), ("content-type", "")], body: [1, 2])
        #expect(request.method.equals("POST"))
        #expect(request.target.equals("/?a=b"))
        #expect(request.authority.equals("gw:8443"))
        #expect(request.fields.count == 3)
        #expect(request.fields.value(of: "x-amz-target")?.text == "A")
        #expect(request.fields.value(at: 1).text == " B ")
        #expect(request.fields.repeats("x-amz-target"))
        #expect(!request.fields.repeats("content-type"))
        #expect(request.fields.value(of: "content-type")?.isEmpty == true)
        #expect(request.fields.value(of: "host") == nil)
    }

    @Test("a message repeats at most 64 bytes of a peer's words, none of which ends a line or a quotation")
    func excerpt() {
        func excerpt(_ text: String) -> String { Array(text.utf8)[...].excerpt }
        #expect(excerpt("AWSEvents.Nope") == "AWSEvents.Nope")
        #expect(excerpt("a`b\u{1B}[2J\r\né\0") == "a?b?[2J????" + "?")
        for (count, isCut) in [(63, false), (64, false), (65, true)] {
            let text = String(repeating: "x", count: count)
            #expect(excerpt(text) == (isCut ? String(text.prefix(64)) + "…" : text))
        }
    }

    @Test("the size of an entry counts time, source, type, detail and resources, not their frames")
    func entrySize() {
        func entry(_ time: Timestamp?) -> Entry {
            let parts: [[UInt8]] = [Array("s".utf8), Array("dt".utf8), Array("{}".utf8), [3, 0, 0, 0, 65, 66, 67], [9]]
            return parts[0].withUnsafeBufferPointer { source in
                parts[1].withUnsafeBufferPointer { type in
                    parts[2].withUnsafeBufferPointer { detail in
                        parts[3].withUnsafeBufferPointer { resources in
                            parts[4].withUnsafeBufferPointer { trace in
                                Entry(
                                    source: source, detailType: type, detail: detail, resources: resources,
                                    resourceCount: 1, traceHeader: trace, time: time)
                            }
                        }
                    }
                }
            }
        }
        #expect(entry(nil).billedBytes == 1 + 2 + 2 + 3)
        #expect(entry(Timestamp(seconds: 1)).billedBytes == 14 + 8)
        #expect(entry(nil).source.text == "s")
        #expect(entry(nil).detailType.text == "dt")
        #expect(entry(nil).detail.text == "{}")
        #expect(entry(nil).resources.count == 7)
        #expect(Array(entry(nil).traceHeader) == [9])
    }

    @Test("every error code has a status, a line of help and one name")
    func catalogue() {
        #expect(Set(ErrorCode.allCases.map(\.rawValue)).count == ErrorCode.allCases.count)
        for code in ErrorCode.allCases {
            #expect((400...599).contains(code.httpStatus))
            #expect(!code.help.isEmpty)
            #expect(!code.help.hasSuffix("."))
        }
    }
}
