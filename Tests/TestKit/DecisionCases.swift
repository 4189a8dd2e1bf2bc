package import AccessPolicy
import Domain

/// Decisions whose cost is held: their policies, and the question that is asked of them.
package enum DecisionCases {
    /// One kind of decision.
    package struct Case: Sendable {
        /// For the report.
        package var name: String
        /// What it is decided by.
        package var layers: PolicyLayers
    }

    private static let bus = "arn:aws:events:eu-central-1:222222222222:event-bus/orders"

    /// A compiled policy of these statements, as long as one may be.
    package static func policy(_ statements: [String], _ kind: PolicyKind = .resource) throws -> CompiledPolicy {
        try CompiledPolicy(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#, kind: kind,
            limits: PolicyLimits(characters: PolicyLimits.largestDocument, conditions: 1_000))
    }

    /// A statement about one account's events.
    package static func allow(_ account: String, _ conditions: String, effect: String = "Allow") -> String {
        #"""
        {"Effect":"\#(effect)","Principal":{"AWS":"\#(account)"},"Action":"events:PutEvents",
         "Resource":"\#(bus)","Condition":{\#(conditions)}}
        """#
    }

    /// Ten conditions that all could hold; the last one, on a tag that is not there, fails.
    package static func ten(_ index: Int, last: String) -> String {
        #"""
        "StringEquals":{"events:source":"com.acme.orders","aws:PrincipalOrgID":"o-exampleorgid",
          "aws:PrincipalAccount":"111111111111","aws:SourceVpce":"vpce-partners","isthmus:TrustDomain":"acme.example",
          "isthmus:SignatureScheme":"certificate"},
        "StringLike":{"events:detail-type":"Order*"},
        "Bool":{"aws:SecureTransport":"true"},
        "Null":{"aws:SourceIp":"false"},
        "StringNotEquals":{"aws:UserAgent":"\#(last)"}
        """#
    }

    /// Ten conditions whose values no other statement has: each must be looked at for itself. All but the last hold.
    package static func ownTen(_ index: Int, last: String) -> String {
        #"""
        "StringEquals":{"events:source":["com.own.s\#(index)","com.acme.orders"],
          "aws:PrincipalOrgID":["o-own0000\#(index)","o-exampleorgid"],
          "aws:PrincipalAccount":["\#(200_000_000_000 + index)","111111111111"],
          "aws:SourceVpce":["vpce-own\#(index)","vpce-partners"],
          "isthmus:TrustDomain":["own\#(index).example","acme.example"],
          "isthmus:SignatureScheme":["own\#(index)","certificate"]},
        "StringLike":{"events:detail-type":["Own\#(index)*","Order*"]},
        "NumericLessThan":{"isthmus:Hops":"\#(index + 5)"},
        "IpAddress":{"aws:SourceIp":["192.0.\#(index).0/24","10.20.0.0/16"]},
        "StringNotLike":{"aws:UserAgent":["own\#(index)*","\#(last)*"]}
        """#
    }

    /// A publisher's question, without the fields of an event.
    package static func context() -> RequestContext {
        let context = RequestContext()
        context.setPrincipal(
            PrincipalFacts(
                kind: .role, arn: "arn:aws:iam::111111111111:role/publisher",
                account: AccountID(parsing: "111111111111"),
                organization: .member(id: "o-exampleorgid", paths: ["o-exampleorgid/r-ab12/ou-ab12-11111111/"])))
        context.setResource(ResourceFacts(arn: bus))
        var connection = ContextFacts()
        connection.set(.sourceVpce, "vpce-partners")
        connection.set(.sourceIp, "10.20.1.1")
        connection.set(.secureTransport, "true")
        connection.set(.isthmusTrustDomain, "acme.example")
        connection.set(.isthmusSignatureScheme, "certificate")
        connection.set(.userAgent, "aws-sdk")
        connection.set(.isthmusHops, "1")
        context.setConnection(connection)
        context.beginRequest(action: "events:PutEvents")
        return context
    }

    /// What the five kinds of an allow cost: each is allowed by its last statement.
    package static func allows() throws -> [Case] {
        let everything = #"{"Effect":"Allow","Action":"*","Resource":"*"}"#
        let own = PrincipalPolicies(
            identity: [try policy([everything], .identity)],
            boundaries: [try policy([everything], .permissionsBoundary)],
            session: [try policy([everything], .session)])
        let organization = #""StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}"#
        let ours = allow("111111111111", organization)
        let statements = (0..<9).map { allow("33333333333\($0)", organization) } + [ours]
        let everyone = #"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#
        let control = [[try policy([everything], .serviceControl)]]
        let remote = [[try policy([everyone], .resourceControl)]]
        let endpoint = [try policy([everyone], .endpoint)]
        let rare = #"""
            "ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorgid/*"},
            "StringEqualsIgnoreCase":{"events:source":"COM.ACME.ORDERS"},
            "ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/pub*"},
            "StringLike":{"events:source":"com.acme.${aws:PrincipalTag/none, 'orders'}"},
            "DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"NumericLessThan":{"isthmus:Hops":"5"}
            """#
        let shared = (0..<63).map { allow("111111111111", ten($0, last: "aws-sdk")) }
        let apart = (0..<63).map { allow("111111111111", ownTen($0, last: "aws-sdk")) }
        let last = allow("111111111111", ten(63, last: "curl"))
        return [
            Case(name: "ten statements", layers: PolicyLayers(resource: try policy(statements))),
            Case(
                name: "every layer",
                layers: PolicyLayers(
                    resource: try policy(statements), principal: own, endpoint: endpoint, serviceControl: control,
                    resourceControl: remote)),
            Case(name: "64 statements alike", layers: PolicyLayers(resource: try policy(shared + [last]))),
            Case(name: "64 statements apart", layers: PolicyLayers(resource: try policy(apart + [last]))),
            Case(
                name: "rare conditions",
                layers: PolicyLayers(resource: try policy([allow("111111111111", rare)]))),
        ]
    }

    /// Asks `layers` so often, each time with the fields of another event set anew.
    ///
    /// - Returns: how often they allowed.
    package static func decide(_ layers: PolicyLayers, _ context: RequestContext, rounds: Int) -> Int {
        let source: StaticString = "com.acme.orders"
        let type: StaticString = "OrderPlaced"
        var allowed = 0
        for _ in 0..<rounds {
            context.set(
                .eventsSource,
                borrowing: UnsafeBufferPointer(start: source.utf8Start, count: source.utf8CodeUnitCount))
            context.set(
                .eventsDetailType,
                borrowing: UnsafeBufferPointer(start: type.utf8Start, count: type.utf8CodeUnitCount))
            if Authorizer.decide(context, layers).isAllowed { allowed += 1 }
        }
        return allowed
    }

    /// A publisher's question, and the time of the connection it came by.
    package static func timedContext() -> RequestContext {
        let context = context()
        var connection = ContextFacts()
        connection.set(.currentTime, "2026-11-21T06:00:00Z")
        context.add(connection)
        return context
    }
}
