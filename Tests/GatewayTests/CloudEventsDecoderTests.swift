import Bus
import Domain
import JSON
import Testing

@testable import Gateway

/// What one event became: `source|type|resources|detail|kept`, or its error.
private func show(_ decoded: DecodedEntry) -> String {
    switch decoded.content {
    case .invalid(let code, let message): return "\(code.rawValue): \(message)"
    case .entry(let entry):
        let subject = entry.resourceCount == 0 ? "" : entry.resources.dropFirst(4).text
        let time = entry.time.map(\.iso8601) ?? ""
        return "\(entry.source.text)|\(entry.detailType.text)|\(subject)|\(time)|\(entry.detail.text)|"
            + entry.traceHeader.text
    }
}

private func publication(
    _ type: String?, _ body: String, _ fields: [(name: String, value: String)] = [],
    entriesBytes: Int = Limits.entriesBytes, bus: String = "arn:b", principal: String = "arn:p"
) throws(Fault) -> Publication {
    let parser = JSONParser(maximumBytes: Limits.wireBodyBytes)
    var decoder = CloudEventsDecoder(
        body: parser, detail: JSONParser(maximumBytes: Limits.wireBodyBytes), entriesBytes: entriesBytes)
    let request = Request(
        method: "POST", target: "/", authority: "a",
        fields: (type.map { [("content-type", $0)] } ?? []) + fields, body: Array(body.utf8))
    return try decoder.decode(request, for: .init(bus: Array(bus.utf8), principal: principal))
}

private func structured(_ body: String) throws(Fault) -> String {
    show(try publication("application/cloudevents+json; charset=utf-8", body).entries[0])
}

private func binary(
    _ fields: [(name: String, value: String)], type: String? = "application/json", _ body: String = "{}"
) throws(Fault) -> String {
    show(try publication(type, body, fields).entries[0])
}

private func fault(_ body: () throws(Fault) -> Publication) -> Fault? {
    do throws(Fault) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

/// Source: github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md section 3.2
private let jsonEvent = #"""
    {
        "specversion" : "1.0",
        "type" : "com.example.someevent",
        "source" : "/mycontext",
        "subject": null,
        "id" : "C234-1234-1234",
        "time" : "2018-04-05T17:31:00Z",
        "comexampleextension1" : "value",
        "comexampleothervalue" : 5,
        "datacontenttype" : "application/json",
        "data" : {
            "appinfoA" : "abc",
            "appinfoB" : 123,
            "appinfoC" : true
        }
    }
    """#

/// Source: github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md section 3.1.4
private let headers: [(name: String, value: String)] = [
    ("ce-specversion", "1.0"), ("ce-type", "com.example.someevent"), ("ce-time", "2018-04-05T03:56:24Z"),
    ("ce-id", "1234-1234-1234"), ("ce-source", "/mycontext/subcontext"),
]

private let required = #""specversion":"1.0","type":"t","source":"/s","id":"1""#

@Suite("CloudEvents as HTTP requests")
struct CloudEventsDecoderTests {
    @Test("the standard's example in structured mode becomes an entry, its data byte for byte")
    func structuredExample() throws {
        let data = try #require(jsonEvent.split(separator: #""data" : "#).last?.dropLast("\n}".count))
        #expect(
            try structured(jsonEvent)
                == "/mycontext|com.example.someevent||2018-04-05T17:31:00Z|\(data)|"
                + #"{"id":"C234-1234-1234","comexampleextension1":"value","comexampleothervalue":5,"#
                + #""datacontenttype":"application/json"}"#)
    }

    @Test("the standard's example in binary mode becomes an entry")
    func binaryExample() throws {
        #expect(
            try binary(headers, type: "application/json; charset=utf-8", #"{"a": 1}"#)
                == #"/mycontext/subcontext|com.example.someevent||2018-04-05T03:56:24Z|{"a": 1}|"#
                + #"{"id":"1234-1234-1234","datacontenttype":"application/json; charset=utf-8"}"#)
    }

    @Test("numbers that no double holds, escapes and spaces of data pass unchanged")
    func bytesOfData() throws {
        let data = #"{ "n":123456789012345678, "e" : 1.10e+2,"s":"\u00e9}\"]" , "l":[ 1 , {} ] }"#
        #expect(try structured("{\(required),\"data\" : \(data) }").contains("|\(data)|"))
        #expect(try structured("{\"data\":\(data),\(required)}").contains("|\(data)|"))
    }

    @Test("subject becomes the one resource, and what has no other place is kept with the event")
    func mapping() throws {
        let event =
            #"{\#(required),"subject":"order/7","dataschema":"https://s.example/a","traceparent":"00-ab","#
            + #""flag":true,"n":-2147483648,"unset":null,"data":{}}"#
        #expect(
            try structured(event)
                == #"/s|t|order/7||{}|{"id":"1","dataschema":"https://s.example/a","traceparent":"00-ab","#
                + #""flag":true,"n":-2147483648}"#)
    }

    @Test("an event without data has an empty object for its detail")
    func noData() throws {
        #expect(try structured("{\(required)}") == #"/s|t|||{}|{"id":"1"}"#)
        #expect(try structured("{\(required),\"data_base64\":null}").contains("|{}|"))
        #expect(try binary(headers, type: nil, "").contains("|{}|"))
    }

    @Test(
        "data must be one JSON object, however it comes",
        arguments: [
            #""data":"I'm just a string""#, #""data":null"#, #""data":[1]"#, #""data":1"#,
            #""datacontenttype":"application/xml","data":"<much wow=\"xml\"/>""#,
            #""datacontenttype":"application/xml","data":{}"#, #""datacontenttype":"nonsense","data":{}"#,
            #""datacontenttype":"application/json;charset=latin1","data":{}"#,
            #""data_base64":"... base64 encoded string ...""#, #""data_base64":7"#, #""data_base64":"WzFd""#,
            #""datacontenttype":"application/vnd.apache.thrift.binary","data_base64":"e30=""#,
            #""data":{},"data_base64":"e30=""#, #""data_base64":"e30=","data":{}"#, #""data_base64":"e30""#,
        ])
    func wrongData(members: String) throws {
        let shown = try structured("{\(required),\(members)}")
        #expect(shown.hasPrefix("MalformedDetail: "), "\(shown)")
    }

    @Test("data in base64 is decoded, and JSON by any media type that says so")
    func base64() throws {
        #expect(try structured(#"{\#(required),"data_base64":"eyJhIjoxfQ=="}"#).contains(#"|{"a":1}|"#))
        for type in ["application/json", "text/json", "application/vnd.x+json; a=b", "APPLICATION/JSON;charset=UTF-8"] {
            let event = #"{\#(required),"datacontenttype":"\#(type)","data_base64":"eyJhIjoxfQ=="}"#
            #expect(try structured(event).contains(#"|{"a":1}|"#))
            #expect(try binary(headers, type: type, #"{"a":1}"#).contains(#"|{"a":1}|"#))
        }
        #expect(try binary(headers, type: "text/plain", "{}").hasPrefix("MalformedDetail"))
        let foreign = try binary(headers, type: "application/json; a=é", "{}")
        #expect(foreign.hasPrefix("InvalidArgument: Parameter datacontenttype is not valid."), "\(foreign)")
        #expect(try binary(headers, "[]").hasPrefix("MalformedDetail"))
        #expect(try binary(headers, "{").hasPrefix("MalformedDetail"))
    }

    @Test(
        "an attribute that is missing, empty, of another type or twice fails the event by name",
        arguments: [
            (#""type":"t","source":"/s","id":"1""#, "specversion"),
            (#""specversion":"1.0","source":"/s","id":"1""#, "type"),
            (#""specversion":"1.0","type":"t","id":"1""#, "source"),
            (#""specversion":"1.0","type":"t","source":"/s""#, "id"),
            (#""specversion":"0.3","type":"t","source":"/s","id":"1""#, "specversion"),
            (#""specversion":"1.0","type":"","source":"/s","id":"1""#, "type"),
            (#""specversion":"1.0","type":"t","source":"a b","id":"1""#, "source"),
            (#""specversion":"1.0","type":"t","source":"/%zz","id":"1""#, "source"),
            (#""specversion":"1.0","type":"t","source":"/%4","id":"1""#, "source"),
            (#""specversion":"1.0","type":"t","source":"/é","id":"1""#, "source"),
            (#""specversion":"1.0","type":"t","source":"/s","id":7"#, "id"),
            (#""specversion":"1.0","type":"t","source":"/s","id":null"#, "id"),
            (#"\#(required),"id":"1""#, "id"), (#"\#(required),"time":"yesterday""#, "time"),
            (#"\#(required),"time":"1969-12-31T23:59:59Z""#, "time"), (#"\#(required),"subject":"""#, "subject"),
            (#"\#(required),"dataschema":"/relative""#, "dataschema"), (#"\#(required),"ext":[1]"#, "ext"),
            (#"\#(required),"ext":1.5"#, "ext"), (#"\#(required),"ext":2147483648"#, "ext"),
            (#"\#(required),"ext":"a\u0000""#, "ext"), (#"\#(required),"ext":"\uFFFE""#, "ext"),
            (#"\#(required),"ext":"1","ext":"2""#, "ext"), (#"\#(required),"Ext":"1""#, "event"),
            (#"\#(required),"e_x":"1""#, "event"), (#"\#(required),"":"1""#, "event"),
        ] as [(String, String)])
    func wrongAttributes(members: String, name: String) throws {
        let shown = try structured("{\(members)}")
        #expect(shown.hasPrefix("InvalidArgument: Parameter \(name) is not valid. Reason: "), "\(shown)")
    }

    @Test("the number of attributes and the length of a name end at their limits")
    func attributeLimits() throws {
        func event(_ extensions: Int) -> String {
            "{\(required)" + (0..<extensions).map { ",\"e\($0)\":1" }.joined() + "}"
        }
        #expect(try structured(event(CloudEventAttributes.limit - 4)).hasPrefix("/s|"))
        #expect(try structured(event(CloudEventAttributes.limit - 3)).hasPrefix("InvalidArgument"))
        let name = String(repeating: "a", count: CloudEventAttributes.nameBytes)
        #expect(try structured(#"{\#(required),"\#(name)":1}"#).hasPrefix("/s|"))
        #expect(try structured(#"{\#(required),"\#(name)a":1}"#).hasPrefix("InvalidArgument"))
    }

    @Test("header values are unquoted and percent-decoded once")
    func fieldValues() throws {
        func subject(_ value: String) throws -> String {
            try binary(headers + [("ce-subject", value)]).split(separator: "|", omittingEmptySubsequences: false)
                .dropFirst(2).first.map(String.init) ?? ""
        }
        // Source: HTTP binding section 3.1.3.2, its example.
        #expect(try subject("Euro%20%E2%82%AC%20%F0%9F%98%80") == "Euro € 😀")
        #expect(try subject("%e2%82%ac") == "€")
        #expect(try subject(#""a \"b\" %41""#) == #"a "b" A"#)
        #expect(try subject("%2541") == "%41")
        #expect(try subject("%61bc") == "abc")
        #expect(try subject("a b") == "a b")
    }

    @Test(
        "header values that are not what the binding writes fail the event",
        arguments: ["%C0%A0", "%", "%4", "%g1", "é", #""open"#, #""a"b"#, #""a\"#, "%00", "%7F", "%C2%80", "%EF%BF%BE"])
    func wrongFieldValues(value: String) throws {
        let shown = try binary(headers + [("ce-subject", value)])
        #expect(shown.hasPrefix("InvalidArgument: Parameter subject is not valid."), "\(shown)")
    }

    @Test("a ce- field that stands twice, or says the content type again, fails the event")
    func wrongFields() throws {
        #expect(try binary(headers + [("ce-id", "2")]).contains("Parameter id is not valid. Reason: it stands twice"))
        #expect(try binary(headers + [("ce-datacontenttype", "application/json")]).hasPrefix("InvalidArgument"))
        #expect(try binary(headers + [("ce-data", "x")]).hasPrefix("InvalidArgument"))
        #expect(try binary(Array(headers.dropLast())).contains("Parameter source is not valid"))
    }

    @Test("a batch has 0 to 100 events; one that is wrong fails alone")
    func batches() throws {
        func batch(_ events: [String]) throws(Fault) -> [String] {
            try publication("application/cloudevents-batch+json", "[\(events.joined(separator: " , "))]").entries
                .map(show)
        }
        #expect(try batch([]).isEmpty)
        let mixed = try batch(["{\(required),\"data\":{\"a\":1}}", "{}", "{\(required),\"data\":{\"b\":[2]}}"])
        #expect(mixed[0] == #"/s|t|||{"a":1}|{"id":"1"}"#)
        #expect(mixed[1] == "InvalidArgument: Parameter specversion is not valid. Reason: it is a required attribute.")
        #expect(mixed[2] == #"/s|t|||{"b":[2]}|{"id":"1"}"#)
        let event = "{\(required)}"
        #expect(try batch(Array(repeating: event, count: 100)).count == 100)
        #expect(throws: Fault.self) { try batch(Array(repeating: event, count: 101)) }
        #expect(throws: Fault.self) { try batch([event, "1"]) }
    }

    @Test("what is no CloudEvent at all is refused whole, with the code for it")
    func wrongRequests() {
        let json = "application/cloudevents+json"
        #expect(fault { () throws(Fault) in try publication(json, "") }?.code == .serialization)
        #expect(fault { () throws(Fault) in try publication(json, "[]") }?.code == .serialization)
        #expect(fault { () throws(Fault) in try publication(json, "{\(required)") }?.code == .serialization)
        #expect(
            fault { () throws(Fault) in try publication("application/cloudevents-batch+json", "{\(required)}") }?.code
                == .serialization)
        for type in ["application/cloudevents+avro", "application/cloudevents", "\(json); charset=utf-16"] {
            #expect(fault { () throws(Fault) in try publication(type, "{\(required)}") }?.code == .validation)
        }
        #expect(
            fault { () throws(Fault) in try publication(json, "{}", [("content-type", json)]) }?.code == .validation)
    }

    @Test("the sizes of all events together stay below the limit of PutEvents")
    func sizes() throws {
        let size = "/st{}".utf8.count
        let json = "application/cloudevents+json"
        #expect(try publication(json, "{\(required)}", entriesBytes: size + 1).entries.count == 1)
        #expect(
            fault { () throws(Fault) in try publication(json, "{\(required)}", entriesBytes: size) }?.code
                == .validation)
    }

    @Test("an event is told from others by principal, bus, source and id, and by nothing else")
    func guards() throws {
        func guarded(_ event: String, bus: String = "b", principal: String = "p") throws -> RepeatGuard {
            let made = try publication("application/cloudevents+json", event, bus: bus, principal: principal)
            guard case .events(let guards) = made.guards else { return .none }
            return guards[0]
        }
        let one = try guarded("{\(required)}")
        #expect(one.isDurable)
        #expect(try guarded("{\(required),\"data\":{\"other\":1},\"time\":\"2018-04-05T17:31:00Z\"}") == one)
        #expect(try guarded("{\(required)}", bus: "c") != one)
        #expect(try guarded("{\(required)}", principal: "q") != one)
        #expect(try guarded(#"{"specversion":"1.0","type":"t","source":"/s","id":"2"}"#) != one)
        #expect(try guarded(#"{"specversion":"1.0","type":"t","source":"/s1","id":""}"#) == .none)
        #expect(try guarded(#"{"specversion":"1.0","type":"t","source":"/","id":"s1"}"#) != one)
    }
}
