import AccessPolicy
import Cryptography
import Domain
import JSON
import Registry
import TestKit
import Testing

@Suite("Decisions that depend on an organization")
struct OrganizationDecisionTests {
    let key: PrivateKey

    init() throws { key = try .generate(.ed25519) }

    static func statement(_ effect: String, _ condition: String) -> String {
        #"{"Effect":"\#(effect)","Principal":"*","Action":"events:PutEvents","Resource":"\#(Scene.arn("orders"))","#
            + #""Condition":\#(condition)}"#
    }

    static let members = #"{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}}"#
    static let unit =
        #"{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-exampleorgid/r-ab12/ou-ab12-11111111/*"}}"#
    static let strangers = #"{"StringNotEquals":{"aws:PrincipalOrgID":"o-exampleorgid"}}"#
    static let ownResource =
        #"{"StringEquals":{"aws:ResourceOrgID":"${aws:PrincipalOrgID}","#
        + #""aws:PrincipalAccount":["111122223333","999988887777"]}}"#
    static let anyone = #"{"StringEquals":{"aws:PrincipalAccount":["111122223333","999988887777","444455556666"]}}"#

    private func snapshot(
        _ statements: [String], _ change: (inout ManifestDraft) throws -> Void = { _ in }
    ) throws -> Snapshot {
        var draft = ManifestDraft()
        try change(&draft)
        return try Scene.snapshot(
            try Scene.declaration(organizations: [try draft.source(key)], statements: statements))
    }

    private func decide(
        _ snapshot: Snapshot, _ principal: Principal, at moment: Timestamp = now, facts: CallerFacts? = nil,
        _ authorization: Authorization = Authorization()
    ) throws -> Decision {
        let facts = facts ?? CallerFacts(Callers.caller(principal), snapshot)
        let bus = try #require(snapshot.bus(Scene.bus("orders")))
        authorization.begin(facts, action: "events:PutEvents", now: moment)
        return authorization.decide(Entry(), on: bus)
    }

    @Test(
        "members are told from others by id and by path, for the principal and for the resource",
        arguments: [
            (members, true, false), (unit, true, false), (strangers, false, true), (ownResource, true, false),
        ])
    func membership(_ condition: String, _ isMemberAllowed: Bool, _ isStrangerAllowed: Bool) throws {
        let both = Self.statement("Allow", Self.anyone)
        let isDeny = condition == Self.strangers
        let snapshot = try snapshot(
            isDeny ? [both, Self.statement("Deny", Self.members)] : [Self.statement("Allow", condition)])
        #expect(try decide(snapshot, Scene.publisher).isAllowed == isMemberAllowed)
        #expect(try decide(snapshot, Scene.stranger).isAllowed == isStrangerAllowed)
    }

    @Test("from the moment of expiry no allow that asks holds and every deny does, on facts prepared before")
    func expiry() throws {
        let allowing = try snapshot([Self.statement("Allow", Self.members)])
        let denying = try snapshot([Self.statement("Allow", Self.anyone), Self.statement("Deny", Self.strangers)])
        let expiry = now.advanced(bySeconds: 3600)
        for snapshot in [allowing, denying] {
            let facts = CallerFacts(Callers.caller(Scene.publisher), snapshot)
            let authorization = Authorization()
            for (moment, isAllowed) in [
                (now, true), (Timestamp(milliseconds: expiry.milliseconds - 1), true), (expiry, false),
                (expiry.advanced(bySeconds: 86_400), false), (now, true),
            ] {
                let decision = try decide(snapshot, Scene.publisher, at: moment, facts: facts, authorization)
                #expect(decision.isAllowed == isAllowed, "\(moment.iso8601)")
            }
        }
    }

    @Test("once a manifest is stale nobody is known to be outside of it, and what does not ask is decided as before")
    func outsiders() throws {
        let expiry = now.advanced(bySeconds: 3600)
        let denying = try snapshot([Self.statement("Allow", Self.anyone), Self.statement("Deny", Self.members)])
        #expect(try decide(denying, Scene.stranger).isAllowed)
        #expect(try decide(denying, Scene.stranger, at: expiry).effect == .explicitDeny)
        let plain = try snapshot([Self.statement("Allow", Self.anyone)])
        #expect(try decide(plain, Scene.stranger, at: expiry).isAllowed)
        #expect(try decide(plain, Scene.publisher, at: expiry).isAllowed)
    }

    @Test("what conditions know of the resource goes stale with its organization's manifest, too")
    func resource() throws {
        let snapshot = try snapshot([
            Self.statement("Allow", Self.anyone),
            Self.statement("Deny", #"{"StringNotEquals":{"aws:ResourceOrgID":"o-exampleorgid"}}"#),
        ])
        #expect(try decide(snapshot, Scene.stranger).isAllowed)
        #expect(try decide(snapshot, Scene.stranger, at: now.advanced(bySeconds: 3600)).effect == .explicitDeny)
    }

    private static let denyingService =
        #"{"Effect":"Deny","Action":"events:PutEvents","Resource":"*"}"#
    private static let denyingResource =
        #"{"Effect":"Deny","Principal":"*","Action":"events:*","Resource":"*","Condition":"#
        + #"{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorgid"}}}"#

    @Test(
        "a service control policy binds the accounts below its place, and says so",
        arguments: [
            (ManifestDraft.root, true), (ManifestDraft.unit, true), ("111122223333", true), ("444455556666", false),
            (ManifestDraft.unit + "ou-ab12-22222222/", false),
        ])
    func serviceControl(_ target: String, _ isDenied: Bool) throws {
        let snapshot = try snapshot([Self.statement("Allow", Self.anyone)]) { draft in
            draft.service = [
                try ManifestDraft.policy("no-events", [target], Scene.everything, Self.denyingService)
            ]
        }
        let decision = try decide(snapshot, Scene.publisher)
        #expect(decision.isAllowed != isDenied)
        if isDenied {
            let message = decision.message(user: "u", action: "events:PutEvents", resource: "r")
            #expect(message.hasSuffix(" with an explicit deny in a service control policy"))
        }
        #expect(try decide(snapshot, Scene.stranger).isAllowed, "an account that is not on the manifest is not bound")
    }

    @Test("each level with service control policies has to allow; a level without any is passed")
    func levels() throws {
        let read = #"{"Effect":"Allow","Action":"events:Describe*","Resource":"*"}"#
        for (unit, isAllowed) in [(Scene.everything, true), (read, false)] {
            let snapshot = try snapshot([Self.statement("Allow", Self.anyone)]) { draft in
                draft.service = [
                    try ManifestDraft.policy("root", [ManifestDraft.root], Scene.everything),
                    try ManifestDraft.policy("unit", [ManifestDraft.unit], unit),
                ]
            }
            let decision = try decide(snapshot, Scene.publisher)
            #expect(decision.isAllowed == isAllowed)
            if !isAllowed { #expect(decision.layer == .serviceControl && decision.effect == .implicitDeny) }
        }
    }

    @Test("control policies do not bind the management account, and go on past the expiry")
    func management() throws {
        for (management, isDenied) in [(ManifestDraft.management, true), (Scene.sender, false)] {
            let snapshot = try snapshot([Self.statement("Allow", Self.anyone)]) { draft in
                draft.management = management
                draft.service = [
                    try ManifestDraft.policy("n", [ManifestDraft.root], Scene.everything, Self.denyingService)
                ]
            }
            for moment in [now, now.advanced(bySeconds: 3600)] {
                #expect(try decide(snapshot, Scene.publisher, at: moment).isAllowed != isDenied)
            }
        }
    }

    @Test("a resource control policy of denials alone keeps strangers from a bus, existing or not, in the same words")
    func resourceControl() throws {
        let snapshot = try snapshot([Self.statement("Allow", Self.anyone)]) { draft in
            draft.resource = [try ManifestDraft.policy("ours", [ManifestDraft.root], Self.denyingResource)]
        }
        #expect(try decide(snapshot, Scene.publisher).isAllowed)
        let denied = try decide(snapshot, Scene.stranger)
        #expect(denied.effect == .explicitDeny && denied.layer == .resourceControl)
        let authorization = Authorization()
        authorization.begin(
            CallerFacts(Callers.caller(Scene.stranger), snapshot), action: "events:PutEvents", now: now)
        let missing = authorization.decide(Entry(), onMissing: Scene.arn("orders"), of: Scene.owner)
        #expect(
            missing.message(user: "u", action: "a", resource: "r")
                == denied.message(user: "u", action: "a", resource: "r"))
    }

    @Test("facts prepared for a caller stand no more once its account has moved")
    func moved() throws {
        let first = try snapshot([])
        let caller = Callers.caller(Scene.publisher)
        let facts = CallerFacts(caller, first)
        #expect(facts.stand(for: caller, first))
        let next = try first.adopting(try Scene.declaration(organizations: []), at: now).snapshot
        #expect(!facts.stand(for: caller, next))
    }
}
