import AccessPolicy
import Domain
import Registry
import TestKit
import Testing

@testable import Gateway

private let trusted = Scene.trust(Scene.nobody.arn)

@Suite("Sessions of roles, as requests use them")
struct RoleSessionTests {
    @Test("a session ends when its time does, and the answer says so")
    func expiry() async throws {
        try await RoleStage.with([try Scene.role(trust: [trusted])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            let credentials = try #require(try stage.assume(signer, more: "&DurationSeconds=900").credentials)
            stage.gateway.clock.advance(bySeconds: 899)
            #expect(try stage.publish(credentials).status == 200)
            stage.gateway.clock.advance(bySeconds: 1)
            let ended = try stage.publish(credentials)
            #expect(ended.status == 400 && ended.body.contains("ExpiredTokenException"))
            let identity = try stage.sts(
                RoleStage.signer(credentials), "Action=GetCallerIdentity", token: credentials.token)
            #expect(identity.status == 403 && identity.body.contains("<Code>ExpiredToken</Code>"))
            var forged = credentials
            forged.secret = String(forged.secret.reversed())
            #expect(try stage.publish(forged).body.contains("InvalidSignatureException"), "asked before the MAC")
        }
    }

    @Test("a role takes its older sessions back, and a role that is gone ends all of them")
    func revocation() async throws {
        try await RoleStage.with([try Scene.role(trust: [trusted])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            let old = try #require(try stage.assume(signer).credentials)
            #expect(try stage.publish(old).body.contains(#""FailedEntryCount":0"#))
            stage.gateway.clock.advance(bySeconds: 10)
            let young = try #require(try stage.assume(signer).credentials)
            let limit = stage.gateway.clock.now
            try await stage.gateway.plane.adopt(
                try Scene.declaration(members: [try Scene.role(trust: [trusted], sessionsNotBefore: limit)]))
            #expect(try stage.publish(old).body.contains("ExpiredTokenException"))
            #expect(try stage.publish(young).body.contains(#""FailedEntryCount":0"#))
            try await stage.gateway.plane.adopt(try Scene.declaration())
            #expect(try stage.publish(young).body.contains("UnrecognizedClientException"))
            try await stage.gateway.plane.adopt(try Scene.declaration(isOwnerLocal: false, members: [
                try Scene.role(trust: [trusted])
            ]))
            #expect(try stage.publish(young).body.contains("UnrecognizedClientException"))
        }
    }

    @Test("a role that goes and comes back by its name has none of its old sessions, and those it gives now are good")
    func recreation() async throws {
        let role = try Scene.role(trust: [trusted])
        let plain = Declaration.Member(principal: role.principal, policies: role.policies)
        for absent in [
            try Scene.declaration(), try Scene.declaration(members: [plain]),
            try Scene.declaration(isOwnerLocal: false, members: [role]),
        ] {
            try await RoleStage.with([role]) { stage in
                let signer = try await stage.gateway.signer(Scene.nobody)
                let old = try #require(try stage.assume(signer).credentials)
                stage.gateway.clock.advance(bySeconds: 1)
                try await stage.gateway.plane.adopt(try Scene.declaration(members: [role]))
                #expect(try stage.publish(old).body.contains(#""FailedEntryCount":0"#), "a reload ends no session")
                try await stage.gateway.plane.adopt(absent)
                stage.gateway.clock.advance(bySeconds: 1)
                try await stage.gateway.plane.adopt(try Scene.declaration(members: [role]))
                #expect(try stage.publish(old).body.contains("ExpiredTokenException"))
                let young = try #require(try stage.assume(signer).credentials)
                #expect(try stage.publish(young).body.contains(#""FailedEntryCount":0"#))
            }
        }
    }

    @Test("a token that is altered, foreign, of another key or not signed is refused")
    func forgery() async throws {
        try await RoleStage.with([try Scene.role(trust: [trusted])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            let credentials = try #require(try stage.assume(signer).credentials)
            let other = try #require(try stage.assume(signer).credentials)
            var wrong: [Credentials] = []
            for place in stride(from: 0, to: credentials.token.utf8.count, by: 29) {
                var bytes = Array(credentials.token.utf8)
                bytes[place] = bytes[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
                var altered = credentials
                altered.token = String(decoding: bytes, as: UTF8.self)
                wrong.append(altered)
            }
            for token in [other.token, "", "A", String(credentials.token.dropLast(4)), credentials.token + "AAAA"] {
                var swapped = credentials
                swapped.token = token
                wrong.append(swapped)
            }
            var renamed = credentials
            renamed.accessKeyID = other.accessKeyID
            wrong.append(renamed)
            for attempt in wrong {
                let answer = try stage.publish(attempt)
                #expect(answer.status == 400 && answer.body.contains("UnrecognizedClientException"), "\(answer.body)")
            }
            let body = #"{"Entries":[]}"#
            let unsigned = try stage.events(
                RoleStage.signer(credentials), "PutEvents", body, token: credentials.token, isTokenSigned: false)
            #expect(unsigned.body.contains("InvalidSignatureException"))
            let without = try stage.events(RoleStage.signer(credentials), "PutEvents", body)
            #expect(without.body.contains("UnrecognizedClientException"))
            let longTerm = try stage.events(signer, "PutEvents", body, token: credentials.token)
            #expect(longTerm.body.contains("UnrecognizedClientException"))
            #expect(try stage.publish(credentials).status == 200)
        }
    }

    @Test("a session policy narrows what the role may, and a boundary what both may")
    func limits() async throws {
        let boundary =
            #"{"Effect":"Allow","Action":"events:PutEvents","Resource":"*","#
            + #""Condition":{"StringLike":{"events:source":"com.globex.*"}}}"#
        try await RoleStage.with([try Scene.role(trust: [trusted], boundary: [boundary])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            let free = try #require(try stage.assume(signer).credentials)
            #expect(try stage.publish(free).body.contains(#""FailedEntryCount":0"#))
            let outside = try stage.publish(free, source: "com.acme.orders").body
            #expect(outside.contains("because no permissions boundary allows the events:PutEvents action"))
            let policy =
                #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"events:PutEvents","Resource":"*","#
                + #""Condition":{"StringEquals":{"events:source":"com.globex.tests"}}}}"#
            let encoded = policy.utf8.map { byte in
                "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }.joined()
            let narrow = try #require(try stage.assume(signer, more: "&Policy=\(encoded)").credentials)
            #expect(try stage.publish(narrow, source: "com.globex.tests").body.contains(#""FailedEntryCount":0"#))
            let beyond = try stage.publish(narrow).body
            #expect(beyond.contains("because no session policy allows the events:PutEvents action"), "\(beyond)")
        }
    }

    @Test("what the client calls itself is what policies read as aws:UserAgent")
    func userAgent() async throws {
        let identity =
            #"{"Effect":"Allow","Action":"events:*","Resource":"*","#
            + #""Condition":{"StringLike":{"aws:UserAgent":"trusted/*"}}}"#
        try await RoleStage.with([try Scene.role(trust: [trusted], identity: [identity])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            let credentials = try #require(try stage.assume(signer).credentials)
            for (operation, body) in [
                ("DescribeEventBus", #"{"Name":"orders"}"#),
                ("PutEvents", #"{"Entries":[{"EventBusName":"orders","Source":"s","DetailType":"t","Detail":"{}"}]}"#),
            ] {
                for (agent, isAllowed) in [("trusted/1.0", true), ("other/1.0", false), (nil, false)] {
                    let answer = try stage.events(
                        RoleStage.signer(credentials), operation, body, token: credentials.token, userAgent: agent)
                    #expect(answer.body.contains("AccessDeniedException") != isAllowed, "\(operation): \(agent ?? "")")
                }
            }
        }
    }

    @Test("untagging names keys and gives no tag; tagging does both")
    func untagging() async throws {
        let identity =
            #"{"Effect":"Allow","Action":["events:TagResource","events:UntagResource"],"Resource":"*"},"#
            + #"{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Null":{"aws:RequestTag/team":"false"}}},"#
            + #"{"Effect":"Deny","Action":"*","Resource":"*","#
            + #""Condition":{"ForAnyValue:StringEquals":{"aws:TagKeys":"environment"}}}"#
        try await RoleStage.with([try Scene.role(trust: [trusted], identity: [identity])]) { stage in
            let credentials = try #require(try stage.assume(try await stage.gateway.signer(Scene.nobody)).credentials)
            func isAllowed(_ operation: String, _ members: String) throws -> Bool {
                try stage.events(
                    RoleStage.signer(credentials), operation,
                    #"{"ResourceARN":"\#(Scene.arn("orders"))",\#(members)}"#, token: credentials.token
                ).status == 200
            }
            #expect(try !isAllowed("TagResource", #""Tags":[{"Key":"team","Value":"a"}]"#))
            #expect(try isAllowed("TagResource", #""Tags":[{"Key":"application","Value":"a"}]"#))
            #expect(try isAllowed("UntagResource", #""TagKeys":["team"]"#), "no tag is given")
            #expect(try !isAllowed("UntagResource", #""TagKeys":["team","environment"]"#))
        }
    }

    @Test("tokens that were not sealed here take no memory, and those that were take one slot at most")
    func memory() async throws {
        try await RoleStage.with([try Scene.role(trust: [trusted])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            let ring = stage.gateway.services.accessKeys.sessions
            var credentials = try #require(try stage.assume(signer).credentials)
            let snapshot = stage.gateway.registry.snapshot
            for number in 0..<2000 {
                let id = Array("ASIA\(number)".utf8)
                #expect(ring.record(id: id[...], token: Array(credentials.token.utf8)[...], in: snapshot) == nil)
            }
            #expect(ring.openTokens == 0)
            for _ in 0..<3 {
                _ = try stage.publish(credentials)
                #expect(ring.openTokens >= 1 && ring.openTokens <= SessionRing.slotCount)
                credentials = try #require(try stage.assume(signer).credentials)
            }
        }
    }
}
