import Bus
import Domain
import Registry
import TestKit
import Testing

@testable import Gateway

private let nobody = Scene.nobody.arn
private let orders = Scene.arn("orders")

/// `Action=AssumeRole` of the worker with these parameters beside the two that must be there.
private func form(_ more: String, name: String = "shift") -> String {
    "Action=AssumeRole&RoleArn=\(Scene.worker.arn)&RoleSessionName=\(name)\(more)"
}

@Suite("Roles assumed through a real listener")
struct RoleAssumptionTests {
    @Test("a session publishes as its role and is called by its own name")
    func use() async throws {
        try await RoleStage.with([try Scene.role(trust: [Scene.trust(nobody)])]) { stage in
            let (answer, made) = try stage.assume(try await stage.gateway.signer(Scene.nobody))
            #expect(answer.status == 200)
            let session = "arn:aws:sts::444455556666:assumed-role/worker/night-shift"
            #expect(answer.body.contains("<Arn>\(session)</Arn>"))
            #expect(answer.body.contains("<Expiration>2026-11-21T07:00:00Z</Expiration>"))
            #expect(!answer.body.contains("PackedPolicySize"))
            let credentials = try #require(made)
            #expect(credentials.accessKeyID.hasPrefix("ASIA") && credentials.accessKeyID.utf8.count == 20)
            let identity = try stage.sts(
                RoleStage.signer(credentials), "Action=GetCallerIdentity", token: credentials.token)
            #expect(identity.body.contains("<Arn>\(session)</Arn>"))
            #expect(identity.body.contains(":night-shift</UserId>"))
            #expect(try stage.publish(credentials).body.contains(#""FailedEntryCount":0"#))
            let number = try #require(stage.gateway.registry.snapshot.bus(Scene.bus("orders"))).number
            let event = try #require(stage.gateway.log.events(of: number).first)
            #expect(event.frame.publisher.principal == session)
            #expect(event.frame.publisher.accessKeyID == credentials.accessKeyID)
            let lines = stage.gateway.lines.text
            #expect(lines.contains("role-assumed"))
            #expect(!lines.contains(credentials.secret) && !lines.contains(credentials.token))
        }
    }

    @Test("a trust policy that names the account hands the question to the caller's own policies")
    func delegation() async throws {
        let root = "arn:aws:iam::444455556666:root"
        try await RoleStage.with([try Scene.role(trust: [Scene.trust(root)])]) { stage in
            let administrator = try await stage.gateway.signer(Scene.administrator, id: "AKIAADMINISTRATOR000")
            #expect(try stage.assume(administrator).credentials != nil)
            let refused = try stage.assume(try await stage.gateway.signer(Scene.nobody)).answer
            #expect(refused.status == 403)
            #expect(refused.body.contains("<Code>AccessDenied</Code>"))
            #expect(
                refused.body.contains(
                    "User: \(nobody) is not authorized to perform: sts:AssumeRole on resource: \(Scene.worker.arn) "
                        + "because no identity-based policy allows the sts:AssumeRole action (decision id: "))
        }
    }

    @Test("across accounts both sides must allow, and a foreign account's own side is its own business")
    func acrossAccounts() async throws {
        let trust = [Scene.trust("111122223333"), Scene.trust(Scene.stranger.arn)]
        try await RoleStage.with([try Scene.role(trust: trust)]) { stage in
            let publisher = try await stage.gateway.signer(Scene.publisher)
            #expect(try stage.assume(publisher).credentials != nil)
            let stranger = try await stage.gateway.signer(Scene.stranger, id: "AKIASTRANGER00000000")
            #expect(try stage.assume(stranger).credentials != nil)
        }
    }

    @Test("a role that does not exist is refused in the words of one that trusts nobody here")
    func noOracle() async throws {
        let other = Principal(.role, path: "delivery/other", account: Scene.owner)
        try await RoleStage.with([try Scene.role(trust: [Scene.trust("999988887777")])]) { stage in
            let signer = try await stage.gateway.signer(Scene.publisher)
            func words(_ role: Principal) throws -> String {
                let body = try stage.assume(signer, role).answer.body.replacing(role.arn, with: "ROLE")
                return String(body.prefix { $0 != "(" })
            }
            #expect(try words(Scene.worker) == words(other))
            #expect(try words(other).contains("because no role trust policy allows the sts:AssumeRole action"))
        }
    }

    @Test("an external id is asked for by the trust policy and compared whole")
    func externalID() async throws {
        let trust = Scene.trust(nobody, when: #"{"StringEquals":{"sts:ExternalId":"order-7"}}"#)
        try await RoleStage.with([try Scene.role(trust: [trust])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            #expect(try stage.assume(signer).answer.status == 403)
            #expect(try stage.assume(signer, more: "&ExternalId=order-70").answer.status == 403)
            #expect(try stage.assume(signer, more: "&ExternalId=order-7").answer.status == 200)
        }
    }

    @Test("a session lasts from 900 s to what the role says, and one assumed from it at most an hour")
    func durations() async throws {
        let session = "arn:aws:sts::444455556666:assumed-role/worker/night-shift"
        let trust = [Scene.trust(nobody), Scene.trust(session)]
        try await RoleStage.with([try Scene.role(trust: trust, maximumSeconds: 7200)]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            func status(_ seconds: String, token: Credentials? = nil) throws -> Answer {
                let signer = token.map(RoleStage.signer) ?? signer
                return try stage.assume(signer, more: "&DurationSeconds=\(seconds)", token: token?.token).answer
            }
            for (seconds, expected) in [("899", 400), ("900", 200), ("7200", 200), ("7201", 400), ("43201", 400)] {
                #expect(try status(seconds).status == expected, "\(seconds)")
            }
            #expect(try status("7201").body.contains("exceeds the MaxSessionDuration set for this role"))
            for wrong in ["", "x", "9e2", "-900", "99999999999999999999999"] {
                let expected = wrong.isEmpty ? 200 : 400
                #expect(try status(wrong).status == expected, "\(wrong)")
            }
            let credentials = try #require(try stage.assume(signer).credentials)
            #expect(try status("3600", token: credentials).status == 200)
            let chained = try status("3601", token: credentials)
            #expect(chained.status == 400 && chained.body.contains("1 hour session limit"))
        }
    }

    @Test("tags need a permission of their own, reach the session's decisions and stay when they are transitive")
    func tags() async throws {
        let worker = Principal(.role, path: "second", account: Scene.owner)
        let identity =
            #"{"Effect":"Allow","Action":"events:PutEvents","Resource":"*","Condition":{"StringEquals":"#
            + #"{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"}}}"#
        let both = #""sts:AssumeRole","sts:TagSession""#
        let members = [
            try Scene.role(
                trust: [Scene.trust(nobody, both)], identity: [identity], tags: [Domain.Tag(key: "team", value: "x")]),
            try Scene.role(
                worker, trust: [Scene.trust("444455556666", both), Scene.trust(Scene.worker.arn, both)],
                identity: [identity]),
        ]
        let team = "&Tags.member.1.Key=team&Tags.member.1.Value=fulfilment"
        try await RoleStage.with(members) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            func isPublished(_ credentials: Credentials?) throws -> Bool {
                try stage.publish(try #require(credentials)).body.contains(#""FailedEntryCount":0"#)
            }
            #expect(try !isPublished(try stage.assume(signer).credentials), "the role's own tag is another team")
            let tagged = try stage.assume(signer, more: team + "&TransitiveTagKeys.member.1=Team")
            #expect(tagged.answer.body.contains("<PackedPolicySize>"))
            #expect(try isPublished(tagged.credentials), "the session's tag comes before the role's")
            let session = try #require(tagged.credentials)
            let chained = try stage.assume(RoleStage.signer(session), worker, token: session.token)
            #expect(try isPublished(chained.credentials), "a transitive tag stays")
            let again = try stage.assume(RoleStage.signer(session), worker, more: team, token: session.token).answer
            #expect(again.status == 400 && again.body.contains("is transitive in the calling session"))
        }
    }

    @Test("tags without sts:TagSession in the trust policy are refused, and so is an identity nobody may set")
    func withoutPermission() async throws {
        try await RoleStage.with([try Scene.role(trust: [Scene.trust(nobody)])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            for (more, action) in [
                ("&Tags.member.1.Key=team&Tags.member.1.Value=a", "sts:TagSession"),
                ("&SourceIdentity=alice", "sts:SetSourceIdentity"),
            ] {
                let answer = try stage.assume(signer, more: more).answer
                #expect(answer.status == 403)
                #expect(answer.body.contains("because no role trust policy allows the \(action) action"))
            }
        }
    }

    @Test("the tags asked for decide: their keys and values are what the trust policy reads")
    func requestTags() async throws {
        let when =
            #"{"StringEquals":{"aws:RequestTag/environment":"test"},"ForAllValues:StringEquals":"#
            + #"{"aws:TagKeys":["environment"]},"Null":{"aws:TagKeys":"false"}}"#
        let trust = Scene.trust(nobody, #""sts:AssumeRole","sts:TagSession""#, when: when)
        try await RoleStage.with([try Scene.role(trust: [trust])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            let test = "&Tags.member.1.Key=environment&Tags.member.1.Value=test"
            #expect(try stage.assume(signer, more: test).answer.status == 200)
            #expect(try stage.assume(signer).answer.status == 403)
            #expect(try stage.assume(signer, more: test.replacing("=test", with: "=live")).answer.status == 403)
            let more = test + "&Tags.member.2.Key=team&Tags.member.2.Value=a"
            #expect(try stage.assume(signer, more: more).answer.status == 403)
        }
    }

    @Test(
        "a parameter that breaks the model is refused by name",
        arguments: [
            (form("", name: "a"), "ValidationError", "at 'roleSessionName'"),
            (form("", name: "a%2Fb"), "ValidationError", "at 'roleSessionName'"),
            (form("", name: String(repeating: "a", count: 65)), "ValidationError", "at 'roleSessionName'"),
            ("Action=AssumeRole&RoleSessionName=shift", "ValidationError", "Value null at 'roleArn'"),
            (
                "Action=AssumeRole&RoleSessionName=shift&RoleArn=arn:aws:iam::444455556666:user/u",
                "ValidationError", "is invalid: name a role"
            ),
            (form("&ExternalId=x"), "ValidationError", "at 'externalId'"),
            (form("&PolicyArns.member.1.arn=arn:aws:iam::aws:policy/x"), "ValidationError", "is not available"),
            (form("&SerialNumber=GAHT12345678&TokenCode=123456"), "ValidationError", "is not available"),
            (form("&Colour=red"), "ValidationError", "no parameter of AssumeRole"),
            (form("&Tags.member.2.Key=a&Tags.member.2.Value=b"), "ValidationError", "no parameter of AssumeRole"),
            (form("&RoleSessionName=other"), "ValidationError", "twice"),
            (form("&ExternalId=%zz"), "ValidationError", "percent-encoded"),
            (form("&ExternalId=%ff%fe"), "ValidationError", "percent-encoded"),
            (form("&Tags.member.1.Key=aws:team&Tags.member.1.Value=a"), "ValidationError", "reserved"),
            (
                form("&Tags.member.1.Key=a&Tags.member.1.Value=b&Tags.member.2.Key=A&Tags.member.2.Value=b"),
                "ValidationError", "case insensitive"
            ),
            (form("&TransitiveTagKeys.member.1=a"), "ValidationError", "must be included in the requested tags"),
            (form("&Policy=%7B"), "MalformedPolicyDocument", "Parameter Policy"),
            (form("&Policy=" + String(repeating: "x", count: 2049)), "ValidationError", "at 'policy'"),
            ("Action=GetSessionToken", "InvalidAction", "Could not find operation GetSessionToken"),
        ])
    func refusals(form: String, code: String, words: String) async throws {
        try await RoleStage.with([try Scene.role(trust: [Scene.trust(nobody)])]) { stage in
            let answer = try stage.sts(try await stage.gateway.signer(Scene.nobody), form)
            #expect(answer.status == 400)
            #expect(answer.body.contains("<Code>\(code)</Code>"), "\(answer.body)")
            #expect(answer.body.contains(words), "\(answer.body)")
        }
    }

    @Test("session policy and tags fill their room and not more")
    func packed() async throws {
        let trust = Scene.trust(nobody, #""sts:AssumeRole","sts:TagSession""#)
        try await RoleStage.with([try Scene.role(trust: [trust])]) { stage in
            let signer = try await stage.gateway.signer(Scene.nobody)
            func status(_ tags: Int) throws -> Answer {
                let more = (1...tags).map {
                    "&Tags.member.\($0).Key=k\($0)&Tags.member.\($0).Value=" + String(repeating: "v", count: 256)
                }
                return try stage.assume(signer, more: more.joined()).answer
            }
            #expect(try status(15).status == 200)
            let full = try status(16)
            #expect(full.status == 400)
            #expect(full.body.contains("<Code>PackedPolicyTooLarge</Code>"))
        }
    }
}
