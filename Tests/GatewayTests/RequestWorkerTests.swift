import Bus
import Cryptography
import Domain
import Registry
import TestKit
import Testing

@testable import Gateway

private let content = #"{"Entries":[{"Source":"com.acme.orders","DetailType":"OrderPlaced","Detail":"{}"}]}"#

/// A gateway with a connection to it and a key that may publish.
private func withGateway(
    settings: Services.Settings = .init(), patienceSeconds: Int = 10,
    _ body: (TestGateway, RawClient, SigV4Signer) async throws -> Void
) async throws {
    try await TestGateway.with(
        try Scene.snapshotWithOrders([Scene.admitsSender()]), settings: settings, patienceSeconds: patienceSeconds, body)
}

@Suite("Requests through a real listener")
struct RequestWorkerTests {
    @Test("a signed entry is stored once its commit is done, under the id it is answered with")
    func stored() async throws {
        try await withGateway { gateway, client, signer in
            let answer = try client.call(gateway, "PutEvents", content, signer)
            #expect(answer.status == 200)
            let number = try #require(gateway.registry.snapshot.bus(Scene.bus("default", of: Scene.sender))).number
            let events = gateway.log.events(of: number)
            #expect(events.count == 1)
            let id = gateway.services.eventIDs.id(of: events[0].position)
            #expect(answer.body == #"{"FailedEntryCount":0,"Entries":[{"EventId":"\#(id)"}]}"#)
            #expect(answer.head.contains("x-amzn-requestid: \(events[0].frame.requestID)"))
            #expect(events[0].frame.publisher.principal == Scene.publisher.arn)
            #expect(events[0].frame.publisher.accessKeyID == signer.accessKeyID)
        }
    }

    @Test("one denied entry never fails the others; the denial carries a decision id and is logged")
    func partlyDenied() async throws {
        try await withGateway { gateway, client, signer in
            let mixed =
                #"{"Entries":[{"Source":"aws.ec2","DetailType":"b","Detail":"{}"},{"Source":"a","DetailType":"b","Detail":"{}"},"#
                + #"{"Source":"a","DetailType":"b"},{"Source":"a","DetailType":"b","Detail":"{}","EventBusName":"nope"}]}"#
            let answer = try client.call(gateway, "PutEvents", mixed, signer)
            #expect(answer.status == 200)
            #expect(
                answer.body.hasPrefix(
                    #"{"FailedEntryCount":3,"Entries":[{"ErrorCode":"NotAuthorizedForSourceException""#))
            #expect(answer.body.contains("(decision id: "))
            #expect(answer.body.contains(#""ErrorMessage":"Event bus nope does not exist."}"#))
            #expect(gateway.log.masks == [0b0010])
            #expect(gateway.lines.text.contains("entry-denied"))
            #expect(
                gateway.lines.text.split(separator: "\n").filter {
                    $0.contains(#""event":"entry-refused""#) && $0.contains(#""entry":2,"#)
                        && $0.contains(#""code":"InvalidArgument""#)
                }.count == 1)
            #expect(!gateway.lines.text.contains("OrderPlaced"))
        }
    }

    @Test("what the log says of a repeated key is what the client reads")
    func outcomes() async throws {
        try await withGateway { gateway, client, signer in
            let key = [(name: "isthmus-idempotency-key", value: "k-1")]
            func answer() throws -> Answer {
                try client.call(gateway, "PutEvents", content, signer, more: key)
            }
            #expect(try answer().status == 200)
            let old = Position(bus: BusNumber(9), sequence: Sequence(77))
            gateway.log.answerNext(.repeated(Positions([old]), entryMask: 1))
            let repeated = try answer()
            #expect(repeated.body.contains("\(gateway.services.eventIDs.id(of: old))"))
            gateway.log.answerNext(.keyMismatch)
            let mismatch = try answer()
            #expect(mismatch.status == 400)
            #expect(mismatch.body.contains("ValidationException"))
            for (reason, cause) in [
                (AppendOutcome.FullReason.queue, "too much waits for the disk"), (.disk, "the disk is full"),
                (.keys, "there is no room for another idempotency key or message id"),
                (.stopped, "the gateway takes no more events, it stops"),
            ] {
                gateway.log.answerNext(.full(reason))
                let full = try answer()
                #expect(full.status == 503)
                #expect(full.head.contains("retry-after: 1"))
                #expect(full.body.contains("ServiceUnavailable"))
                #expect(full.body.contains("nothing was stored: \(cause); retry later"))
            }
            gateway.log.answerNext(.unknownOutcome)
            let unknown = try answer()
            #expect(unknown.status == 500)
            #expect(unknown.body.contains("InternalFailure"))
            #expect(Set(gateway.log.guards).count == 1, "the same key and content is the same request")
        }
    }

    @Test("a retry that would be denied by now still gets the answer of the first try")
    func deniedRetry() async throws {
        try await withGateway { gateway, client, signer in
            let key = [(name: "isthmus-idempotency-key", value: "k-1")]
            let denied = content.replacing(#""Detail""#, with: #""EventBusName":"gone","Detail""#)
            let old = Position(bus: BusNumber(9), sequence: Sequence(77))
            gateway.log.answerNext(.repeated(Positions([old]), entryMask: 1))
            let repeated = try client.call(gateway, "PutEvents", denied, signer, more: key)
            #expect(repeated.body.contains("\(gateway.services.eventIDs.id(of: old))"))
            #expect(gateway.log.masks == [0])
            let first = try client.call(gateway, "PutEvents", denied, signer, more: key)
            #expect(first.status == 200)
            #expect(first.body.contains(#""ErrorCode":"ResourceNotFoundException""#))
            gateway.log.answerNext(.keyMismatch)
            #expect(try client.call(gateway, "PutEvents", denied, signer, more: key).status == 400)
            #expect(try client.call(gateway, "PutEvents", denied, signer).status == 200)
            #expect(gateway.log.masks.count == 3, "what has no key is answered without asking the log")
        }
    }

    @Test("an idempotency key has 1 to 64 printable characters; an invocation id guards without one")
    func keys() async throws {
        try await withGateway { gateway, client, signer in
            func status(_ name: String, _ value: String) throws -> Int {
                try client.call(gateway, "PutEvents", content, signer, more: [(name: name, value: value)]).status
            }
            let longest = try status("isthmus-idempotency-key", String(repeating: "k", count: 64))
            #expect(longest == 200)
            #expect(try status("isthmus-idempotency-key", String(repeating: "k", count: 65)) == 400)
            #expect(try status("isthmus-idempotency-key", "a b") == 400)
            #expect(gateway.log.guards.count == 1)
            #expect(try status("amz-sdk-invocation-id", "7f1c7a44-2f9e-4b1f-9b66-0a8b5a6f3d11") == 200)
            #expect(try status("amz-sdk-invocation-id", String(repeating: "x", count: 65)) == 200)
            guard case .implicit = gateway.log.guards[1], gateway.log.guards[2] == .none else {
                Issue.record("the guards are \(gateway.log.guards)")
                return
            }
        }
    }

    @Test("a disabled key is refused at the next request of an open connection")
    func disabledKey() async throws {
        try await withGateway { gateway, client, signer in
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 200)
            try await gateway.plane.change { snapshot throws(ControlFault) in
                try snapshot.disablingAccessKey(signer.accessKeyID)
            }
            let refused = try client.call(gateway, "PutEvents", content, signer)
            #expect(refused.status == 400)
            #expect(refused.body.contains("UnrecognizedClientException"))
            #expect(gateway.lines.text.contains("authentication-refused"))
            #expect(!gateway.lines.text.contains(signer.secret))
        }
    }

    @Test("what is no signed API call is refused with the code for it")
    func refusals() async throws {
        try await withGateway { gateway, client, signer in
            let signed = gateway.fields("PutEvents", content, signer)
            let bytes = Array(content.utf8)
            func ask(
                _ method: String, _ target: String, _ fields: [(name: String, value: String)], _ body: [UInt8]
            ) throws -> (Int, String) {
                try client.send(method, target, fields, body)
                let answer = try client.receive()
                return (answer.status, answer.body)
            }
            let bare = [(name: "host", value: TestGateway.authority)]
            #expect(try ask("POST", "/x", signed, bytes).0 == 404)
            #expect(try ask("PUT", "/", signed, bytes).0 == 405)
            #expect(
                try ask("POST", "/", bare + [("x-amz-target", "AWSEvents.PutEvents")], bytes).1.contains(
                    "MissingAuthenticationTokenException"))
            #expect(try ask("POST", "/", signed, bytes + [0x20]).1.contains("InvalidSignatureException"))
            let unknown = try client.call(gateway, "Nope", "{}", signer)
            #expect(unknown.status == 400)
            #expect(unknown.body.contains("UnknownOperationException"))
            #expect(unknown.body.contains("names no operation of this gateway: `AWSEvents.Nope`"))
            #expect(
                try client.call(gateway, "CreateEndpoint", "{}", signer).body.contains("OperationDisabledException"))
            gateway.clock.advance(bySeconds: 1000)
            #expect(try ask("POST", "/", signed, bytes).0 == 400)
        }
    }

    @Test("each refusal is one log line, by its code and without a word of its content")
    func refusalLines() async throws {
        try await withGateway { gateway, client, signer in
            func lines(of event: String) -> [Substring] {
                gateway.lines.text.split(separator: "\n").filter { $0.contains("\"event\":\"\(event)\"") }
            }
            let refused = [
                ("PutEvents", #"{"Entries":[{"Canary":"#, "SerializationException"),
                ("PutEvents", #"{"Entries":[],"Entries":[{"Canary":1}]}"#, "SerializationException"),
                ("PutEvents", #"{"Entries":[]}"#, "ValidationException"),
                ("Canary", "{}", "UnknownOperationException"), ("CreateEndpoint", "{}", "OperationDisabledException"),
            ]
            for (count, (operation, body, code)) in refused.enumerated() {
                #expect(try client.call(gateway, operation, body, signer).status == 400)
                #expect(lines(of: "request-refused").count == count + 1, "\(operation) \(body)")
                let line = try #require(lines(of: "request-refused").last)
                #expect(line.contains(#""principal":"\#(Scene.publisher.arn)","code":"\#(code)""#))
                #expect(!line.contains("the message"), "the line has none: \(line)")
            }
            try client.send("POST", "/", [(name: "host", value: TestGateway.authority)], Array("{}".utf8))
            #expect(try client.receive().status == 400)
            #expect(lines(of: "authentication-refused").count == 1)
            #expect(lines(of: "request-refused").count == refused.count, "what has a line of its own has no second")
            #expect(!gateway.lines.text.contains("Canary"))
            try client.send("POST", "/x", [(name: "host", value: TestGateway.authority)], Array("{}".utf8))
            #expect(try client.receive().status == 404)
            let line = try #require(lines(of: "request-refused").last)
            #expect(line.contains(#""principal":"","code":"UnknownOperationException""#), "whose it is nobody asked")
            gateway.log.answerNext(.full(.disk))
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 503)
            let late = try #require(lines(of: "request-refused").last)
            #expect(late.contains(#""principal":"\#(Scene.publisher.arn)","code":"ServiceUnavailable""#))
        }
    }

    @Test("the reason in a log line names no message that the line has not", arguments: ErrorCode.allCases)
    func reasons(code: ErrorCode) {
        #expect(!code.reason.replacing("the answer's message", with: "").contains("message"))
        #expect(code.reason.hasPrefix(code.help.prefix { $0 != ";" }))
    }

    @Test("GetCallerIdentity is answered over the wire, and refused with 403")
    func tokenService() async throws {
        try await withGateway { gateway, client, signer in
            let form = Array("Action=GetCallerIdentity&Version=2011-06-15".utf8)
            var signer = signer
            signer.service = "sts"
            let type = [(name: "content-type", value: "application/x-www-form-urlencoded; charset=utf-8")]
            func fields() -> [(name: String, value: String)] {
                signer.sign(type, authority: TestGateway.authority, body: form, at: gateway.clock.now)
            }
            try client.send("POST", "/", fields(), form)
            let answer = try client.receive()
            #expect(answer.status == 200)
            #expect(answer.body.contains("<Arn>\(Scene.publisher)</Arn>"))
            signer.secret += "x"
            try client.send("POST", "/", fields(), form)
            #expect(try client.receive().status == 403)
        }
    }

    @Test("a control operation is answered on the connection it came by")
    func control() async throws {
        try await withGateway { gateway, client, signer in
            let answer = try client.call(gateway, "CreateEventBus", #"{"Name":"mine"}"#, signer)
            #expect(answer.body == #"{"EventBusArn":"\#(Scene.arn("mine", of: Scene.sender))"}"#)
            let put = content.replacing(#""Detail""#, with: #""EventBusName":"mine","Detail""#)
            #expect(try client.call(gateway, "PutEvents", put, signer).body.contains("EventId"))
        }
    }

    @Test("resources without text do not end the process")
    func emptyResources() async throws {
        try await withGateway { gateway, client, signer in
            let empty = Array(repeating: "\"\"", count: 690_000).joined(separator: ",")
            let large = content.replacing(#""Detail""#, with: #""Resources":[\#(empty)],"Detail""#)
            let refused = try client.call(gateway, "PutEvents", large, signer)
            #expect(refused.status == 400)
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 200)
        }
    }

    @Test("a loop that was answered reads on, though other loops still wait for the disk")
    func readsOn() async throws {
        var settings = Services.Settings()
        settings.logHighWaterBytes = 1000
        settings.logLowWaterBytes = 100
        try await withGateway(settings: settings, patienceSeconds: 5) { gateway, client, signer in
            gateway.log.setBytesOfOthers(5000)
            let first = try client.call(gateway, "PutEvents", content, signer)
            #expect(first.status == 200)
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 200)
            gateway.log.setBytesOfOthers(0)
            #expect(try client.call(gateway, "PutEvents", content, signer).status == 200)
        }
    }
}
