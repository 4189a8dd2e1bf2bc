import Domain
import Identity
import JSON
import Registry
import Telemetry
import TestKit
import Testing

@testable import Gateway

/// A control plane on fakes, asked as the event loops ask it.
private struct Plane {
    let store = InMemoryControlStore()
    let clock = SettableClock()
    let registry: Registry
    let plane: ControlPlane
    let failures = Failures()

    final class Failures: Sendable {
        let clock = SettableClock(Timestamp(seconds: 0))
        /// How often the process was told to stop.
        var count: Int64 { clock.now.seconds }
    }

    init(_ declaration: Declaration) throws {
        registry = Registry(try Scene.snapshot(declaration))
        let metrics = Metrics()
        let logger = Logger(level: .error, clock: clock.clock, metrics: metrics, sink: { _ in })
        plane = ControlPlane(
            registry: registry, store: store, logger: logger, metrics: metrics, clock: clock.clock,
            decisions: DecisionRecorder(
                archive: InMemoryDecisionArchive().archive, allows: .none, metrics: metrics, logger: logger),
            onFatal: { [failures] _ in failures.clock.advance(bySeconds: 1) })
    }

    init() throws { try self.init(try Scene.declaration()) }

    func ask(
        _ operation: Gateway.Operation, _ content: String, as principal: Principal = Scene.administrator
    ) async -> Answer {
        let request = ControlRequest(
            subject: .operation(operation), content: Array(content.utf8), caller: Callers.caller(principal),
            requestID: UniqueID(high: 1, low: 2), token: 0, answers: AnswerQueue(wake: {}))
        let response = await plane.answer(request)
        return Answer(status: response.status, body: String(decoding: response.body, as: UTF8.self))
    }
}

private struct Answer: Equatable {
    let status: UInt16
    let body: String

    static let done = Answer(status: 200, body: "{}")

    /// A refusal in the words of the JSON protocol.
    static func fault(_ code: String, _ message: String, status: UInt16 = 400) -> Answer {
        var body: [UInt8] = []
        JSONWriter.append(to: &body) { writer in
            writer.object { writer in
                writer.member("__type", code)
                writer.member("message", message)
            }
        }
        return Answer(status: status, body: String(decoding: body, as: UTF8.self))
    }

    /// A parameter that breaks a constraint of the model.
    static func constraint(_ value: String, _ member: String, _ constraint: String) -> Answer {
        .fault(
            "ValidationException",
            "1 validation error detected: Value \(value) at '\(member)' failed to satisfy constraint: \(constraint)")
    }
}

private let orders = Scene.arn("orders")

@Suite("Operations of the control plane, in EventBridge's words")
struct ControlOperationTests {
    @Test("a bus is created, described, updated, listed and deleted")
    func eventBus() async throws {
        let plane = try Plane()
        #expect(
            await plane.ask(.createEventBus, #"{"Name":"orders","Description":"all","Tags":[{"Key":"k","Value":"v"}]}"#)
                == Answer(status: 200, body: #"{"EventBusArn":"\#(orders)","Description":"all"}"#))
        plane.clock.advance(bySeconds: 1)
        let made =
            #"{"Name":"orders","Arn":"\#(orders)","Description":"all","CreationTime":1795240800.0,"LastModifiedTime":"#
        for name in ["orders", orders] {
            let described = await plane.ask(.describeEventBus, #"{"Name":"\#(name)"}"#)
            #expect(described.status == 200)
            #expect(
                described.body.replacing(".0", with: "").hasPrefix(made.replacing(".0", with: "")), "\(described.body)")
        }
        #expect(
            await plane.ask(.updateEventBus, #"{"Name":"orders","Description":"more"}"#)
                == Answer(status: 200, body: #"{"Arn":"\#(orders)","Name":"orders","Description":"more"}"#))
        #expect(plane.registry.snapshot.bus(Scene.bus("orders"))?.properties.modifiedAt == plane.clock.now)
        #expect(await plane.ask(.deleteEventBus, #"{"Name":"orders"}"#) == .done)
        #expect(await plane.ask(.deleteEventBus, #"{"Name":"orders"}"#) == .done, "deleting an unknown bus succeeds")
        #expect(
            await plane.ask(.describeEventBus, #"{"Name":"orders"}"#)
                == .fault("ResourceNotFoundException", "Event bus orders does not exist."))
        #expect(
            await plane.ask(.updateEventBus, #"{"Name":"orders"}"#)
                == .fault("ResourceNotFoundException", "Event bus orders does not exist."))
        #expect(await plane.ask(.describeEventBus, "").status == 200, "without a name it is the default bus")
    }

    @Test("what EventBridge refuses of a bus is refused in its words")
    func refusedBuses() async throws {
        let plane = try Plane()
        #expect(
            await plane.ask(.createEventBus, #"{"Name":"default"}"#)
                == .fault("ResourceAlreadyExistsException", "Event bus default already exists."))
        #expect(
            await plane.ask(.deleteEventBus, #"{"Name":"default"}"#)
                == .fault("ValidationException", "Cannot delete event bus default."))
        for operation in [Gateway.Operation.createEventBus, .deleteEventBus] {
            #expect(await plane.ask(operation, "{}") == .constraint("null", "name", "Member must not be null"))
            #expect(
                await plane.ask(operation, #"{"Name":""}"#)
                    == .constraint("''", "name", "Member must have length greater than or equal to 1"))
        }
        #expect(
            await plane.ask(.createEventBus, #"{"Name":"a b"}"#)
                == .constraint("'a b'", "name", #"Member must satisfy regular expression pattern: [/\.\-_A-Za-z0-9]+"#))
        #expect(await plane.ask(.createEventBus, #"{"Name":"aws.partner/a/b"}"#).status == 400)
        #expect(await plane.ask(.createEventBus, #"{"Name":"x","EventSourceName":"aws.partner/a/b"}"#).status == 400)
        let long = String(repeating: "x", count: 257)
        let refused = await plane.ask(.createEventBus, #"{"Name":"\#(long)"}"#)
        #expect(refused.body.contains("Member must have length less than or equal to 256"))
        #expect(await plane.ask(.createEventBus, #"{"Name":"\#(long.dropLast())"}"#).status == 200)
    }

    @Test("a text of one endless character is not sent back whole")
    func endlessCharacter() async throws {
        let plane = try Plane()
        let text = "e" + String(repeating: "\u{301}", count: 100_000)
        let answer = await plane.ask(.createEventBus, #"{"Name":"\#(text)"}"#)
        #expect(answer.status == 400)
        #expect(answer.body.utf8.count < 1000)
    }

    @Test("content that is not an object, or has a member of the wrong type, is a serialization fault")
    func serialization() async throws {
        let plane = try Plane()
        for (operation, content) in [
            (Gateway.Operation.describeEventBus, "["), (.describeEventBus, "[]"), (.describeEventBus, #"{"Name":1}"#),
            (.describeEventBus, #"{"Name":"a","Name":"b"}"#), (.listEventBuses, #"{"Limit":"5"}"#),
            (.listEventBuses, #"{"Limit":1.5}"#), (.listEventBuses, #"{"Limit":1e300}"#),
            (.tagResource, #"{"ResourceARN":"\#(orders)","Tags":{}}"#),
            (.tagResource, #"{"ResourceARN":"\#(orders)","Tags":[{"Key":1,"Value":""}]}"#),
            (.untagResource, #"{"ResourceARN":"\#(orders)","TagKeys":[1]}"#),
            (.removePermission, #"{"RemoveAllPermissions":"true"}"#),
        ] {
            let answer = await plane.ask(operation, content)
            #expect(answer.status == 400)
            #expect(
                answer.body.hasPrefix(#"{"__type":"SerializationException""#), "\(operation) \(content): \(answer.body)"
            )
        }
    }

    @Test("buses are listed in pages, by prefix, of the caller's account alone")
    func listing() async throws {
        let plane = try Plane()
        for name in ["a1", "a2", "a3", "b1"] { _ = await plane.ask(.createEventBus, #"{"Name":"\#(name)"}"#) }
        func names(_ content: String) async throws -> ([String], String?) {
            let node = try JSONNode(parsing: await plane.ask(.listEventBuses, content).body)
            return ((node["EventBuses"]?.array ?? []).compactMap { $0["Name"]?.string }, node["NextToken"]?.string)
        }
        var (page, token) = try await names("{}")
        #expect(page == ["a1", "a2", "a3", "b1", "default"])
        #expect(token == nil)
        (page, token) = try await names(#"{"NamePrefix":"a","Limit":2}"#)
        #expect(page == ["a1", "a2"])
        (page, token) = try await names(#"{"NamePrefix":"a","Limit":2,"NextToken":"\#(try #require(token))"}"#)
        #expect(page == ["a3"])
        #expect(token == nil)
        #expect(
            await plane.ask(.listEventBuses, #"{"Limit":0}"#)
                == .constraint("'0'", "limit", "Member must have value greater than or equal to 1"))
        #expect(
            await plane.ask(.listEventBuses, #"{"Limit":101}"#)
                == .constraint("'101'", "limit", "Member must have value less than or equal to 100"))
        #expect(await plane.ask(.listEventBuses, #"{"NextToken":"a b"}"#).status == 400)
    }

    @Test("tags are set, listed and removed by ARN")
    func tags() async throws {
        let plane = try Plane()
        _ = await plane.ask(.createEventBus, #"{"Name":"orders"}"#)
        let resource = #""ResourceARN":"\#(orders)""#
        #expect(await plane.ask(.tagResource, #"{\#(resource),"Tags":[{"Key":"k","Value":"v"}]}"#) == .done)
        #expect(
            await plane.ask(.listTagsForResource, "{\(resource)}")
                == Answer(status: 200, body: #"{"Tags":[{"Key":"k","Value":"v"}]}"#))
        #expect(await plane.ask(.untagResource, #"{\#(resource),"TagKeys":["k","unknown"]}"#) == .done)
        #expect(await plane.ask(.listTagsForResource, "{\(resource)}") == Answer(status: 200, body: #"{"Tags":[]}"#))
        #expect(
            await plane.ask(.tagResource, "{\(resource)}") == .constraint("null", "tags", "Member must not be null"))
        let rule = await plane.ask(.listTagsForResource, #"{"ResourceARN":"orders"}"#)
        #expect(rule.body.contains("Provided Arn is not in correct format."))
        let elsewhere = await plane.ask(
            .listTagsForResource, #"{"ResourceARN":"\#(orders.replacing("eu-central-1", with: "us-east-1"))"}"#)
        #expect(elsewhere.status == 400)
        #expect(elsewhere.body.contains("`us-east-1`"))
    }

    @Test("a flood of tags is refused without asking for its time")
    func tagFlood() async throws {
        let plane = try Plane()
        let tags = (0..<50_000).map { #"{"Key":"\#($0)","Value":""}"# }.joined(separator: ",")
        let start = ContinuousClock.now
        let answer = await plane.ask(.tagResource, #"{"ResourceARN":"\#(Scene.arn("default"))","Tags":[\#(tags)]}"#)
        #expect(
            answer == .fault("LimitExceededException", "The requested resource exceeds the maximum number allowed."))
        #expect(ContinuousClock.now - start < .seconds(2))
    }

    @Test("permissions are put and removed as EventBridge does it")
    func permissions() async throws {
        let plane = try Plane()
        _ = await plane.ask(.createEventBus, #"{"Name":"orders"}"#)
        let bus = #""EventBusName":"orders""#
        #expect(
            await plane.ask(
                .putPermission,
                #"{\#(bus),"Action":"events:PutEvents","Principal":"111122223333","StatementId":"one"}"#) == .done)
        let described = try JSONNode(parsing: await plane.ask(.describeEventBus, #"{"Name":"orders"}"#).body)
        #expect(
            described["Policy"]?.string
                == #"{"Version":"2012-10-17","Statement":[{"Sid":"one","Effect":"Allow","#
                + #""Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"events:PutEvents","Resource":"\#(orders)"}]}"#
        )
        #expect(
            await plane.ask(.removePermission, #"{\#(bus),"StatementId":"two"}"#)
                == .fault("ResourceNotFoundException", "Statement with the provided id does not exist."))
        #expect(await plane.ask(.removePermission, #"{\#(bus),"StatementId":"one"}"#) == .done)
        let bare = try JSONNode(parsing: await plane.ask(.describeEventBus, #"{"Name":"orders"}"#).body)
        #expect(bare["Policy"] == nil)
        #expect(await plane.ask(.removePermission, #"{\#(bus),"RemoveAllPermissions":true}"#) == .done)
        #expect(
            await plane.ask(.removePermission, "{\(bus)}")
                == .constraint("null", "statementId", "Member must not be null"))
        #expect(
            await plane.ask(.putPermission, #"{"EventBusName":"nope","StatementId":"a"}"#)
                == .fault("ResourceNotFoundException", "Event bus nope does not exist."))
    }

    @Test(
        "a short form that breaks the model is refused",
        arguments: [
            (
                #""Action":"events:PutRule","Principal":"111122223333","StatementId":"a""#,
                "'events:PutRule' at 'action'"
            ),
            (
                #""Action":"events:PutEvents","Principal":"11112222333","StatementId":"a""#,
                "'11112222333' at 'principal'"
            ),
            (#""Action":"events:PutEvents","Principal":"111122223333","StatementId":"a b""#, "'a b' at 'statementId'"),
            (#""Action":"events:PutEvents","Principal":"111122223333""#, "null at 'statementId'"),
            (
                #""Action":"events:PutEvents","Principal":"*","StatementId":"a","Condition":{"Type":"StringLike","Key":"aws:PrincipalOrgID","Value":"o-1"}"#,
                "Type must be StringEquals"
            ),
            (#""Policy":"{","StatementId":"a""#, "Policy cannot be combined"), (#""Policy":"{""#, "Reason: "),
        ])
    func refusedShortForms(_ members: String, _ words: String) async throws {
        let plane = try Plane()
        let answer = await plane.ask(.putPermission, "{\(members)}")
        #expect(answer.status == 400)
        #expect(answer.body.contains("ValidationException"))
        #expect(answer.body.contains(words), "\(answer.body)")
    }

    @Test("nobody without a policy may do anything, and a bus elsewhere reads like one that is missing")
    func denied() async throws {
        let plane = try Plane()
        _ = await plane.ask(.createEventBus, #"{"Name":"orders"}"#)
        for operation in Gateway.Operation.allCases where !operation.isOfPartners && operation != .putEvents {
            let content =
                #"{"Name":"orders","EventBusName":"orders","StatementId":"a","ResourceARN":"\#(orders)","Tags":[],"TagKeys":[]}"#
            let answer = await plane.ask(operation, content, as: Scene.nobody)
            #expect(
                answer.body.hasPrefix(
                    #"{"__type":"AccessDeniedException","message":"User: \#(Scene.nobody) is not authorized to perform: events:\#(operation.rawValue) on resource: "#
                ),
                "\(answer.body)")
        }
        for principal in [Scene.publisher, Scene.stranger] {
            let there = await plane.ask(.describeEventBus, #"{"Name":"\#(orders)"}"#, as: principal)
            let absent = await plane.ask(.describeEventBus, #"{"Name":"\#(Scene.arn("ordirs"))"}"#, as: principal)
            #expect(there.body.contains("AccessDeniedException"))
            #expect(absent.body == there.body.replacing("/orders", with: "/ordirs"))
        }
    }

    @Test("a caller whose key was disabled while the call waited is refused")
    func staleCaller() async throws {
        let plane = try Plane()
        let id = try #require(Callers.caller(Scene.administrator).accessKeyID)
        try await plane.plane.change { snapshot throws(ControlFault) in
            try snapshot.adding(
                AccessKey(
                    id: id, principal: Scene.administrator, isEnabled: true, createdAt: SettableClock.start,
                    sealedSecret: []))
        }
        #expect(await plane.ask(.createEventBus, #"{"Name":"orders"}"#).status == 200)
        try await plane.plane.change { snapshot throws(ControlFault) in try snapshot.disablingAccessKey(id) }
        let answer = await plane.ask(.createEventBus, #"{"Name":"later"}"#)
        #expect(answer.body.contains("UnrecognizedClientException"))
        #expect(plane.registry.snapshot.bus(Scene.bus("later")) == nil)
    }
}

@Suite("Commits of the control plane")
struct ControlCommitTests {
    @Test("when the disk is full nothing changes and the answer is 503; afterwards it goes on")
    func full() async throws {
        let plane = try Plane()
        let before = plane.registry.snapshot
        plane.store.failNext(.full)
        #expect(
            await plane.ask(.createEventBus, #"{"Name":"orders"}"#)
                == .fault(
                    "ServiceUnavailable", "the disk is full: nothing was changed; free space and retry", status: 503))
        #expect(plane.registry.snapshot === before)
        #expect(plane.failures.count == 0)
        #expect(await plane.ask(.createEventBus, #"{"Name":"orders"}"#).status == 200)
        #expect(plane.store.commits == 1)
    }

    @Test("when the outcome is unknown the process is told to stop and the answer is 500")
    func unknownOutcome() async throws {
        let plane = try Plane()
        let before = plane.registry.snapshot
        plane.store.failNext(.unknownOutcome(reason: "disk I/O error"))
        let answer = await plane.ask(.createEventBus, #"{"Name":"orders"}"#)
        #expect(answer.status == 500)
        #expect(answer.body.contains("InternalFailure"))
        #expect(!answer.body.contains("disk I/O error"), "the reason is for the log")
        #expect(plane.failures.count == 1)
        #expect(plane.registry.snapshot === before, "nothing is put in force that may not be stored")
    }

    @Test("a call that changes nothing commits nothing")
    func reading() async throws {
        let plane = try Plane()
        _ = await plane.ask(.describeEventBus, "")
        _ = await plane.ask(.deleteEventBus, #"{"Name":"nope"}"#)
        #expect(plane.store.commits == 0)
    }

    @Test("a declaration is adopted as a whole or not at all")
    func adoption() async throws {
        let plane = try Plane()
        let before = plane.registry.snapshot
        let seed = Declaration.Seed(id: Scene.bus("seeded"), description: nil, policy: nil, tags: [])
        let stray = Declaration.Seed(id: Scene.bus("stray", of: Scene.foreign), description: nil, policy: nil, tags: [])
        let wrong = try Scene.declaration(seeds: [seed, stray])
        await #expect(throws: ControlFault.self) { try await plane.plane.adopt(wrong) }
        #expect(plane.registry.snapshot === before)
        #expect(plane.store.commits == 0)
        plane.store.failNext(.full)
        let right = try Scene.declaration(seeds: [seed])
        await #expect(throws: ControlFault.self) { try await plane.plane.adopt(right) }
        #expect(plane.registry.snapshot === before)
        try await plane.plane.adopt(right)
        #expect(plane.registry.snapshot.bus(Scene.bus("seeded")) != nil)
    }

    @Test("the line before the control plane is bounded in calls and in bytes")
    func line() async throws {
        let answers = AnswerQueue(wake: {})
        func request(_ bytes: Int, _ principal: Principal = Scene.administrator) -> ControlRequest {
            ControlRequest(
                subject: .operation(.describeEventBus), content: [UInt8](repeating: 0x20, count: bytes),
                caller: Callers.caller(principal), requestID: UniqueID(high: 0, low: 1), token: 0,
                answers: answers)
        }
        let small = ControlLine()
        for number in 0..<ControlLine.capacity {
            let principal = Principal(.role, path: "caller-\(number / 8)", account: Scene.owner)
            #expect(small.offer(request(2, principal)))
        }
        #expect(!small.offer(request(2)))
        let large = ControlLine()
        let half = ControlLine.waitingBytesLimit / 2
        #expect(large.offer(request(half)))
        #expect(large.offer(request(half)))
        #expect(!large.offer(request(1)))
        large.close()
        await large.run(with: try Plane().plane)
        #expect(answers.drain().count == 2)
        #expect(!large.offer(request(1)), "a closed line takes nothing")
    }
}
