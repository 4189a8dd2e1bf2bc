import AccessPolicy
import Domain
import Testing

/// IAM: a resource is written as an ARN or as `*`. One that can match nothing makes a deny void without a word.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
@Suite("Resources of a statement")
struct ResourceReadingTests {
    private static let bus = AuthorizerTests.bus
    private static let rest = "aws:events:*:*:event-bus/orders"

    private static func policy(_ element: String, _ resource: String) throws(PolicyError) -> CompiledPolicy {
        try CompiledPolicy(
            parsing: #"""
                {"Version":"2012-10-17","Statement":[
                {"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},
                {"Effect":"Deny","Principal":"*","Action":"*","\#(element)":["\#(bus)","\#(resource)"]}]}
                """#, kind: .resource)
    }

    @Test(
        "a resource that can match nothing is refused, whichever way it is asked for",
        arguments: [
            "**", "***", "?", "*?", "????", "*orders", "*event-bus/orders", "*:event-bus/orders",
            "*:*:*:*:event-bus/orders", "?rn:aws:events:*:event-bus/orders", "?:\(rest)", "??:\(rest)", "????:\(rest)",
            "*x:\(rest)", "?x*:\(rest)", "*ARN:\(rest)", "${aws:username}", "${aws:username}orders",
            "${aws:username}:event-bus/orders", "${aws:username}x:\(rest)", "${aws:username, 'arn:aws:events:::x'}",
            "*${aws:username}", "${aws:PrincipalTag/a}:${aws:PrincipalTag/b}:${aws:PrincipalTag/c}", "event-bus/orders",
            "", "arn:", "a*",
        ])
    func refused(resource: String) {
        for element in ["Resource", "NotResource"] {
            #expect(throws: PolicyError.invalid(place: "/Statement/1/\(element)", .invalidResource(resource))) {
                try Self.policy(element, resource)
            }
        }
    }

    @Test(
        "a resource that begins with a wildcard or a variable and can match is read, and its deny holds",
        arguments: [
            "*", "*:\(rest)", "**:\(rest)", "*n:\(rest)", "???:\(rest)", "?rn:\(rest)", "?*:\(rest)", "*:*:*:*:*:*",
            "${aws:PrincipalTag/whole}:\(rest)", "${aws:PrincipalTag/half}n:\(rest)",
            "?${aws:PrincipalTag/end}:\(rest)", "*${aws:PrincipalTag/end}:\(rest)",
            "${aws:PrincipalTag/none, 'arn'}:\(rest)", "arn:*", "arn:aws:events",
        ])
    func read(resource: String) throws {
        let context = RequestContext()
        let tags = [(key: "whole", value: "arn"), (key: "half", value: "ar"), (key: "end", value: "rn")]
        let principal = try #require(Principal(parsing: "arn:aws:iam::111111111111:role/publisher"))
        context.setPrincipal(PrincipalFacts(principal, tags: tags))
        context.setResource(ResourceFacts(arn: Self.bus))
        context.beginRequest(action: "events:PutEvents")
        let text = #"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"\#(resource)"}"#
        let denies = try AuthorizerTests.policy("\(AuthorizerTests.allowEverybody),\(text)")
        #expect(Authorizer.decide(context, PolicyLayers(resource: denies)).effect == .explicitDeny)
        #expect(throws: Never.self) { try Self.policy("NotResource", resource) }
    }

    @Test("where policies have no variables, what looks like one begins no resource")
    func originalVersion() {
        let resource = "${aws:username}:\(Self.rest)"
        #expect(throws: PolicyError.invalid(place: "/Statement/0/Resource", .invalidResource(resource))) {
            try CompiledPolicy(
                parsing: #"{"Statement":[{"Effect":"Deny","Action":"*","Resource":"\#(resource)"}]}"#, kind: .identity)
        }
    }
}
