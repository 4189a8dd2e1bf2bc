import AccessPolicy
import JSON
import Testing

@Suite("Batch simulation")
struct SimulationTests {
    static let bus = "arn:aws:events:eu-central-1:222222222222:event-bus/orders"

    static func answer(_ line: String, _ simulation: Simulation = Simulation()) throws -> JSONNode {
        try JSONNode(parsing: simulation.answer(Array(line.utf8)))
    }

    static func request(_ more: String, principal: String = #"{"arn":"arn:aws:iam::222222222222:user/ann"}"#) -> String
    {
        #"{"id":7,"principal":\#(principal),"action":"events:PutEvents","resource":{"arn":"\#(bus)"},\#(more)}"#
    }

    static let all = #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#
    static let anyone =
        #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#

    @Test("a question is answered with its id, the decision, the side and the reasons")
    func allows() throws {
        let answer = try Self.answer(Self.request(#""context":{},"identityPolicies":[\#(Self.all)]"#))
        #expect(answer["id"] == 7)
        #expect(answer["decision"] == "allow")
        #expect(answer["side"] == "sender identity")
        #expect(answer["reasons"]?.array?.count == 1)
    }

    @Test("a refusal names the element that failed, what was wanted and what was there")
    func explains() throws {
        let policy =
            #"""
            {"Version":"2012-10-17","Statement":[{"Sid":"One","Effect":"Allow","Action":"events:*","Resource":"*",
             "Condition":{"StringEquals":{"aws:SourceVpce":"vpce-a"}}}]}
            """#
        let answer = try Self.answer(Self.request(#""context":{},"identityPolicies":[\#(policy)]"#))
        #expect(answer["decision"] == "implicitDeny")
        let reasons = answer["reasons"]?.array?.compactMap(\.string) ?? []
        #expect(
            reasons.contains(
                "identity policy 0 statement 0 (One) Allow: "
                    + "Condition StringEquals aws:SourceVpce wanted `vpce-a`, got absent"
            ))
        #expect(
            reasons.first?.hasPrefix("User: arn:aws:iam::222222222222:user/ann is not authorized to perform:") == true)
    }

    @Test("nobody's request does not say whether a service made it; everybody else's does", arguments: [
        ("null", "implicitDeny"), (#"{"arn":"arn:aws:iam::111111111111:user/ann"}"#, "allow"),
        (#"{"service":"events.amazonaws.com"}"#, "allow"),
    ])
    func isService(principal: String, decision: String) throws {
        let policy = Self.anyone.replacing(
            #""Resource":"*""#, with: #""Resource":"*","Condition":{"Null":{"aws:PrincipalIsAWSService":"false"}}"#)
        let request = Self.request(#""identityPolicies":[\#(Self.all)]"#, principal: principal).replacing(
            #"event-bus/orders"}"#, with: #"event-bus/orders","policy":\#(policy)}"#)
        let answer = try Self.answer(request, Simulation(compatibility: .aws))
        #expect(answer["decision"]?.string == decision, "\(answer)")
    }

    @Test("nobody and services are decided by the resource policy alone")
    func anonymous() throws {
        let simulation = Simulation(compatibility: .aws)
        let open = Self.request("", principal: "null").replacing(
            #""resource":{"arn":"\#(Self.bus)"},}"#,
            with: #""resource":{"arn":"\#(Self.bus)","policy":\#(Self.anyone)},"identityPolicies":[]}"#)
        #expect(try Self.answer(open, simulation)["decision"] == "allow")
        #expect(try Self.answer(open)["error"]?["code"] == "RefusedPolicyDocument")
        let service = open.replacing("\"principal\":null", with: #""principal":{"service":"events.amazonaws.com"}"#)
        #expect(try Self.answer(service, simulation)["decision"] == "allow")
    }

    @Test("every layer of a request is read")
    func layers() throws {
        func decision(_ more: String) throws -> JSONNode? {
            try Self.answer(
                Self.request(#""identityPolicies":[\#(Self.all)],"# + more), Simulation(compatibility: .aws))["side"]
        }
        let none = #"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:*","Resource":"*"}]}"#
        let noneNamed =
            Self.anyone.replacing("\"Action\":\"*\"", with: "\"Action\":\"sqs:*\"")
        #expect(try decision(#""serviceControlPolicies":[[\#(Self.all)],[\#(none)]]"#) == "control policy")
        #expect(try decision(#""serviceControlPolicies":[[]]"#) == "control policy")
        #expect(try decision(#""resourceControlPolicies":[[\#(noneNamed)]]"#) == "control policy")
        #expect(try decision(#""endpointPolicies":[\#(noneNamed)]"#) == "endpoint")
        #expect(try decision(#""permissionBoundaries":[\#(none)]"#) == "sender identity")
        #expect(try decision(#""sessionPolicies":[\#(none)]"#) == "sender identity")
    }

    @Test(
        "a question or a document that is wrong is answered with an error",
        arguments: [
            ("{", "InvalidRequest"), ("[]", "InvalidRequest"), (#"{"id":1}"#, "InvalidRequest"),
            (request(#""extra":1"#), "InvalidRequest"), (request(#""context":[]"#), "InvalidRequest"),
            (request(#""context":{}"#, principal: #"{"arn":"ann"}"#), "InvalidRequest"),
            (request(#""identityPolicies":[{}]"#), "MalformedPolicyDocument"),
            (request(#""identityPolicies":[\#(anyone)]"#), "MalformedPolicyDocument"),
            (
                request(
                    #""identityPolicies":[{"Version":"2012-10-17","Statement":{"Effect":"Maybe"}}]"#
                ), "MalformedPolicyDocument"
            ),
        ])
    func errors(line: String, code: String) throws {
        let answer = try Self.answer(line)
        #expect(answer["error"]?["code"]?.string == code)
        #expect(answer["error"]?["message"]?.string?.isEmpty == false)
        #expect(answer["decision"] == nil)
    }
}
