import AccessPolicy
import Domain
import Identity
import JSON
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

private let start = #"{"Entries":[{"Source":"com.acme.orders","DetailType":"b","Detail":"{}","EventBusName":"#
private let denied = start + #""\#(Scene.arn("closed"))"}]}"#
private let allowed = start + #""\#(Scene.arn("orders"))"}]}"#

private func withGateway(
    _ policy: [String] = [Scene.admitsSender()],
    _ body: (TestGateway, RawClient, SigV4Signer) async throws -> Void
) async throws {
    try await TestGateway.with(try Scene.snapshotWithOrders(policy), body)
}

extension RawClient {
    fileprivate func read(_ gateway: TestGateway, _ id: UniqueID, _ signer: SigV4Signer) throws -> Answer {
        let fields = signer.sign(
            [], method: "GET", target: "/decisions/\(id)", authority: TestGateway.authority, body: [],
            at: gateway.clock.now)
        try send("GET", "/decisions/\(id)", fields, [])
        return try receive()
    }
}

extension TestGateway {
    /// The records that were kept, read back.
    fileprivate var decisions: [DecisionRecord] {
        get throws { try archive.records.map { try DecisionRecord(parsing: $0) } }
    }
}

@Suite("Decisions on record")
struct DecisionTests {
    @Test("a denied entry is on record under the id its sender reads; an allow is not")
    func deniedEntry() async throws {
        try await withGateway { gateway, client, signer in
            let answer = try client.call(gateway, "PutEvents", denied, signer)
            #expect(try client.call(gateway, "PutEvents", allowed, signer).body.contains("EventId"))
            let records = try gateway.decisions
            #expect(records.count == 1)
            let record = try #require(records.first)
            #expect(answer.body.contains("(decision id: \(record.id))"))
            #expect(answer.head.contains("x-amzn-requestid: \(record.requestID)"))
            #expect(record.entry == 0 && record.effect == .implicitDeny && record.side == .busPolicy)
            #expect(record.revision == gateway.registry.revision)
            #expect(record.caller.principal == Scene.publisher.arn && record.caller.accessKeyID == signer.accessKeyID)
            #expect(record.answer?.code == "AccessDeniedException" && !record.resourceExists)
        }
    }

    @Test("a call of the control plane that is denied is on record under its request id")
    func deniedCall() async throws {
        try await withGateway { gateway, client, signer in
            let call = #"{"Name":"\#(Scene.arn("orders"))"}"#
            let answer = try client.call(gateway, "DeleteEventBus", call, signer)
            #expect(answer.status == 400)
            let record = try #require(try gateway.decisions.last)
            #expect(answer.body.contains("(decision id: \(record.id))") && record.id == record.requestID)
            #expect(record.question.action == "events:DeleteEventBus" && record.entry == nil)
            #expect(record.question.resource == Scene.arn("orders"))
        }
    }

    @Test("a denial that cannot be recorded is not told: the request is throttled; allows go on")
    func noRoom() async throws {
        try await withGateway { gateway, client, signer in
            gateway.archive.hasRoom = false
            let refused = try client.call(gateway, "PutEvents", denied, signer)
            #expect(refused.status == 400 && refused.body.contains("ThrottlingException"))
            #expect(refused.head.lowercased().contains("retry-after: 1") && !refused.body.contains("decision id"))
            let mixed = denied.dropLast(2) + "," + allowed.dropFirst(#"{"Entries":["#.count)
            let partly = try client.call(gateway, "PutEvents", String(mixed), signer)
            #expect(partly.status == 200 && partly.body.contains(#""ErrorCode":"ThrottlingException""#))
            #expect(partly.body.contains(#"{"EventId":"#) && partly.body.contains(#""FailedEntryCount":1"#))
            let call = #"{"Name":"\#(Scene.arn("orders"))"}"#
            let control = try client.call(gateway, "DeleteEventBus", call, signer)
            #expect(control.status == 400 && control.body.contains("ThrottlingException"))
            #expect(try client.call(gateway, "PutEvents", allowed, signer).body.contains("EventId"))
            #expect(gateway.archive.records.isEmpty)
        }
    }

    @Test("a decision that takes more steps than one may is denied, on record, counted and told to the operator")
    func overBudget() async throws {
        let values = (0..<60).map { "\"*\(String(repeating: "a", count: 120))b\($0)\"" }.joined(separator: ",")
        let statement = #"""
            {"Effect":"Allow","Principal":{"AWS":"\#(Scene.sender)"},"Action":"events:PutEvents",
             "Resource":"\#(Scene.arn("orders"))","Condition":{"StringLike":{"events:source":[\#(values)]}}}
            """#
        try await withGateway([statement]) { gateway, client, signer in
            let source = String(repeating: "a", count: 256)
            let costly = allowed.replacing("com.acme.orders", with: source)
            let answer = try client.call(gateway, "PutEvents", costly, signer)
            #expect(answer.body.contains("AccessDeniedException"))
            let record = try #require(try gateway.decisions.last)
            #expect(record.effect == .implicitDeny && record.reasons?.isBudgetExceeded == true)
            #expect(gateway.lines.text.contains(#""event":"policy-budget-exceeded""#))
            #expect(gateway.lines.text.contains(#""resource":"\#(Scene.arn("orders"))""#))
            #expect(gateway.services.metrics.value(of: .decisionsOverBudget) == 1)
            #expect(try client.call(gateway, "PutEvents", denied, signer).body.contains("AccessDeniedException"))
            #expect(gateway.services.metrics.value(of: .decisionsOverBudget) == 1)
        }
    }

    @Test("allows are recorded all, one in so many, or none, as the choice in force says")
    func allows() async throws {
        try await withGateway { gateway, client, signer in
            for (choice, expected) in [(DecisionRecorder.Allows.all, 12), (.sampled(oneIn: 4), 3), (.none, 0)] {
                let before = gateway.archive.records.count
                gateway.services.decisions.record(choice)
                for _ in 0..<12 {
                    let answer = try client.call(gateway, "PutEvents", allowed, signer)
                    #expect(answer.body.contains("EventId"))
                }
                #expect(gateway.archive.records.count - before == expected)
            }
            let decisions = try gateway.decisions
            #expect(decisions.allSatisfy { $0.effect == .allow && $0.answer == nil })
        }
    }

    @Test("the owner's account reads everything where its policies allow it, the sender its side, others nothing")
    func views() async throws {
        try await withGateway { gateway, client, signer in
            _ = try client.call(gateway, "PutEvents", denied, signer)
            let id = try #require(try gateway.decisions.last).id
            let owner = try await gateway.signer(Scene.administrator, id: "AKIAOWNEROWNEROWNER0")
            let nobody = try await gateway.signer(Scene.nobody, id: "AKIANOBODYNOBODYNOB0")
            let stranger = try await gateway.signer(Scene.stranger, id: "AKIASTRANGERSTRANGE0")
            let full = try client.read(gateway, id, owner)
            #expect(full.status == 200 && full.body.hasPrefix(#"{"view":"owner""#))
            #expect(full.body.contains("there is no such resource"))
            let half = try client.read(gateway, id, signer)
            #expect(half.status == 200 && half.body.hasPrefix(#"{"view":"sender""#))
            #expect(!half.body.contains("no such resource") && !half.body.contains("does not exist"))
            let unknown = UniqueID(high: 9, low: 9)
            for other in [nobody, stranger] {
                let refused = try client.read(gateway, id, other)
                let missing = try client.read(gateway, unknown, other)
                #expect(refused.status == 404 && missing.status == 404)
                #expect(refused.body.replacing("\(id)", with: "ID") == missing.body.replacing("\(unknown)", with: "ID"))
            }
        }
    }

    @Test("a reading that is refused is one log line: who asked and why, also where its key was disabled meanwhile")
    func refusedReading() async throws {
        try await withGateway { gateway, client, signer in
            let unknown = UniqueID(high: 9, low: 9)
            #expect(try client.read(gateway, unknown, signer).status == 404)
            let caller = Callers.caller(Scene.administrator)
            let key = try #require(caller.accessKeyID)
            try await gateway.plane.change { snapshot throws(ControlFault) in try snapshot.disablingAccessKey(key) }
            let waited = ControlRequest(
                subject: .decision(unknown), content: [], caller: caller, requestID: UniqueID(high: 1, low: 2),
                token: 0, answers: AnswerQueue(wake: {}))
            #expect(await gateway.plane.answer(waited).status == 400)
            let lines = gateway.lines.text.split(separator: "\n").filter { $0.contains("control-operation-refused") }
            try #require(lines.count == 2)
            #expect(lines.allSatisfy { $0.contains(#""action":"isthmus:DescribeDecision""#) })
            let (first, second) = (Scene.publisher.arn, Scene.administrator.arn)
            #expect(lines[0].contains(#""principal":"\#(first)","code":"ResourceNotFoundException""#))
            #expect(lines[1].contains(#""principal":"\#(second)","code":"UnrecognizedClientException""#))
            #expect(lines[1].contains(#""requestId":"\#(waited.requestID)""#))
        }
    }

    @Test("the operator's verb explains a decision in either view and says what is wrong with a question")
    func verb() async throws {
        try await withGateway { gateway, client, signer in
            _ = try client.call(gateway, "PutEvents", denied, signer)
            let id = try #require(try gateway.decisions.last).id
            let verbs = ControlVerbs(services: gateway.services, plane: gateway.plane)
            func ask(_ line: String) async -> String {
                let lines = TestGateway.Lines()
                await verbs.answer(Array(line.utf8)) { line in
                    lines.append(line)
                    return true
                }
                return lines.text
            }
            #expect(await ask(#"{"verb":"explain","id":"\#(id)"}"#).contains("there is no such resource"))
            #expect(await !ask(#"{"verb":"explain","id":"\#(id)","view":"sender"}"#).contains("no such resource"))
            #expect(await ask(#"{"verb":"explain","id":"x"}"#).contains("InvalidRequest"))
            #expect(await ask(#"{"verb":"explain","id":"\#(id)","view":"all"}"#).contains("InvalidRequest"))
            #expect(await ask(#"{"verb":"decisions","since":0}"#).hasSuffix(#"{"records":1}"#))
            #expect(await ask(#"{"verb":"decisions","since":0,"resource":"arn:x"}"#) == #"{"records":0}"#)
        }
    }
}
