import Cryptography
import Domain
import JSON
import Registry
import TestKit
import Testing

@testable import Gateway

/// What a partner was refused with.
private struct Refused: Equatable {
    let status: UInt16
    let code: String
    let message: String

    /// The refusal that `response` is; nil when it is a success.
    init?(_ response: Response) throws {
        guard response.status != 200 else { return nil }
        let node = try JSONNode(parsing: response.body)
        status = response.status
        code = node["__type"]?.string ?? ""
        message = node["message"]?.string ?? ""
    }
}

@Suite("What partners are answered who join and renew")
struct OnboardingTests {
    private let door: PartnerDoor
    private let key: PrivateKey

    init() async throws {
        door = try await PartnerDoor()
        key = try .generate(.ecdsaP256)
    }

    private func bind(_ key: PrivateKey? = nil, bundle: [UInt8] = []) throws -> JoinRequest {
        JoinRequest(step: .bind, signingRequest: try PartnerDoor.request(key ?? self.key), trustBundle: bundle)
    }

    private func confirm(_ event: UniqueID = PartnerDoor.testEvent, _ key: PrivateKey? = nil) throws -> JoinRequest {
        JoinRequest(
            step: .confirm, signingRequest: try PartnerDoor.request(key ?? self.key), event: event.description)
    }

    private func joined() async throws -> (InvitationToken, Certificate) {
        let token = try await door.invite()
        let membership = try #require(try await door.answer(bind(), token))
        _ = try #require(try await door.answer(confirm(), token))
        let pem = Array((membership["certificate"]?.string ?? "").utf8)
        return (token, try Certificate.certificates(pem: pem)[0])
    }

    /// Asks for what must be refused, and that it changes nothing.
    private func refusal(
        _ message: JoinMessage, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Refused? {
        let before = door.traces
        let refused = try Refused(await door.ask(.join(message)))
        #expect(door.traces == before, "a refusal leaves nothing", sourceLocation: sourceLocation)
        return refused
    }

    private func refusal(_ request: JoinRequest, _ token: InvitationToken) async throws -> Refused? {
        try await refusal(JoinMessage(request, with: token))
    }

    private func refusal(renewing certificate: Digest, _ content: [UInt8]) async throws -> Refused? {
        let before = door.traces
        let refused = try Refused(await door.ask(.renew(certificate: certificate), content))
        #expect(door.traces == before, "a refusal leaves nothing")
        return refused
    }

    @Test("a join is bound and confirmed in a commit each; said again it is answered the same and changes nothing")
    func join() async throws {
        let token = try await door.invite()
        let commits = door.store.commits
        let first = try #require(try await door.answer(bind(), token))
        #expect(door.store.commits == commits + 1)
        #expect(first["source"]?.string == token.terms.source)
        #expect(first["endpoint"]?.string == token.terms.endpoint)
        #expect(first["bundle"]?.string == "BUNDLE")
        #expect(try await door.answer(bind(), token)?["certificate"]?.string == first["certificate"]?.string)
        #expect(door.authority.issued == 1)
        let done = try #require(try await door.answer(confirm(), token))
        #expect(done["state"]?.string == "joined")
        #expect(try await door.answer(confirm(), token)?["decisionId"]?.string == done["decisionId"]?.string)
        #expect(door.store.commits == commits + 2)
        let certificate = try Certificate.certificates(pem: Array((first["certificate"]?.string ?? "").utf8))[0]
        #expect(try certificate.publicKeyFingerprint == key.publicKey().fingerprint)
    }

    @Test("who does not hold the token is told one thing, whatever is wrong")
    func proofs() async throws {
        let token = try await door.invite()
        let other = try await door.invite(source: "aws.partner/acme.com/shop/other")
        let wider = InvitationToken(token.terms.changed(events: ["*"]), key: PartnerDoor.tokens)
        let unknown = InvitationToken(
            token.terms.changed(id: String(repeating: "0", count: 32)), key: PartnerDoor.tokens)
        let right = JoinMessage(try bind(bundle: Array("AAAA".utf8)), with: token)
        let changed = String(decoding: right.bytes, as: UTF8.self).replacing("AAAA", with: "AAAB")
        let borrowed = String(decoding: right.bytes, as: UTF8.self).replacing(token.terms.id, with: other.terms.id)
        let messages = [
            JoinMessage(try bind(), with: InvitationToken(token.terms, key: HMACSHA256(key: [1]))),
            JoinMessage(try bind(), with: wider),
            try #require(JoinMessage(parsing: Array(changed.utf8))),
            try #require(JoinMessage(parsing: Array(borrowed.utf8))),
            JoinMessage(try bind(), with: unknown),
        ]
        for message in messages {
            let refused = try await refusal(message)
            #expect(refused?.status == 400)
            #expect(refused?.code == "AccessDeniedException")
            #expect(refused?.message == ControlFault.unknownInvitation.message)
        }
    }

    @Test("a token is good to its last second, and then no more, also for a join half done")
    func expiry() async throws {
        let half = try await door.invite()
        let untouched = try await door.invite(source: "aws.partner/acme.com/shop/other")
        door.clock.advance(bySeconds: PartnerDoor.tokenSeconds - 1)
        #expect(try await door.answer(bind(), half) != nil)
        door.clock.advance(bySeconds: 1)
        for (request, token) in [
            (try bind(), untouched), (try bind(), half), (try confirm(), half),
        ] {
            let refused = try await refusal(request, token)
            #expect(refused?.code == "ExpiredTokenException")
            #expect(refused?.message.contains("the invitation ended at") == true)
        }
        await door.plane.tendPartners()
        #expect(try await refusal(bind(), half)?.code == "ExpiredTokenException")
    }

    @Test("a used token is of its key alone, and of nobody once its certificate ran out")
    func used() async throws {
        let (token, _) = try await joined()
        let other = try PrivateKey.generate(.ecdsaP256)
        for request in [try bind(other), try confirm(PartnerDoor.testEvent, other)] {
            let refused = try await refusal(request, token)
            #expect(refused?.code == "AccessDeniedException")
            #expect(refused?.message.contains("a token works for one key") == true)
        }
        door.clock.advance(bySeconds: PartnerDoor.certificateSeconds)
        let refused = try await refusal(bind(), token)
        #expect(refused?.code == "ExpiredTokenException")
        #expect(refused?.message.contains("the token was used and the certificate ran out") == true)
    }

    @Test("a revoked invitation lets nobody join, go on or renew")
    func revoked() async throws {
        let (token, certificate) = try await joined()
        let untouched = try await door.invite(source: "aws.partner/acme.com/shop/other")
        try await door.plane.revoke([token.terms.id, untouched.terms.id])
        for (request, token) in [(try bind(), token), (try confirm(), token), (try bind(), untouched)] {
            let refused = try await refusal(request, token)
            #expect(refused?.code == "AccessDeniedException")
            #expect(refused?.message.contains("the invitation was revoked") == true)
        }
        let renewal = try await refusal(renewing: certificate.fingerprint, PartnerDoor.request(key))
        #expect(renewal?.message.contains("is not that of a partner who joined here") == true)
    }

    @Test("a signing request that is none, not signed by its key, or of another kind of key is refused")
    func signingRequests() async throws {
        let (token, certificate) = try await joined()
        let fresh = try await door.invite(source: "aws.partner/acme.com/shop/other")
        for (pem, words) in [
            ([], "malformed signing request"), (Array("hello".utf8), "malformed signing request"),
            (try certificate.pem(), "malformed signing request"),
            (try PartnerDoor.tampered(PartnerDoor.request(key)), "malformed signature"),
            (Array(PartnerDoor.requestOfP384.utf8), "unsupported public key"),
        ] {
            for token in [token, fresh] {
                let refused = try await refusal(JoinRequest(step: .bind, signingRequest: pem), token)
                #expect(refused?.code == "ValidationException")
                #expect(refused?.message.hasPrefix("the signing request cannot be used: \(words)") == true, "\(words)")
            }
            let renewal = try await refusal(renewing: certificate.fingerprint, pem)
            #expect(renewal?.code == "ValidationException")
        }
        let long = PartnerDoor.padded(try PartnerDoor.request(key), to: CertificateSigningRequest.bytesLimit + 1)
        #expect(
            try await refusal(renewing: certificate.fingerprint, long)?.message.contains("signing request of 65537")
                == true)
        for (count, isRead) in [(CertificateSigningRequest.bytesLimit, true), (long.count, false)] {
            let request = JoinRequest(step: .bind, signingRequest: Array(long.prefix(count)))
            #expect((JoinMessage(parsing: JoinMessage(request, with: fresh).bytes) != nil) == isRead, "\(count) bytes")
        }
        #expect(try await door.answer(bind(), fresh) != nil, "after all that the token is as good as before")
    }

    @Test("a trust bundle that is none, or speaks for no authority, is refused")
    func bundles() async throws {
        let (_, leaf) = try await joined()
        let token = try await door.invite(source: "aws.partner/acme.com/shop/other")
        for (bundle, words) in [
            (Array("hello".utf8), "the trust bundle cannot be read"),
            (try leaf.pem(), "a certificate that is no authority's"),
        ] {
            let refused = try await refusal(bind(bundle: bundle), token)
            #expect(refused?.code == "ValidationException")
            #expect(refused?.message.contains(words) == true)
        }
        #expect(try await door.answer(bind(bundle: door.authority.pem), token) != nil)
    }

    @Test("a join is confirmed by an event of its own source and account alone, and after it was bound")
    func events() async throws {
        let token = try await door.invite()
        #expect(try await refusal(confirm(), token)?.message.contains("not bound to a key yet") == true)
        #expect(try await door.answer(bind(), token) != nil)
        for event in [PartnerDoor.unknownEvent, PartnerDoor.eventOfOtherSource, PartnerDoor.eventOfOtherAccount] {
            let refused = try await refusal(confirm(event), token)
            #expect(refused?.code == "ValidationException")
            #expect(refused?.message.contains("send the test event again") == true)
        }
        #expect(try await door.answer(confirm(), token) != nil)
    }

    @Test("while the authority does not work nothing changes, and the token stays good")
    func authority() async throws {
        let (_, certificate) = try await joined()
        let token = try await door.invite(source: "aws.partner/acme.com/shop/other")
        door.authority.isBroken = true
        for response in [
            await door.ask(.join(JoinMessage(try bind(), with: token))),
            await door.ask(.renew(certificate: certificate.fingerprint), try PartnerDoor.request(key)),
        ] {
            #expect(try Refused(response)?.code == "ServiceUnavailable")
            #expect(response.status == 503 && response.retryAfterSeconds == 5)
            #expect(!String(decoding: response.body, as: UTF8.self).contains(PartnerDoor.Authority.secretReason))
        }
        door.authority.isBroken = false
        #expect(try await door.answer(bind(), token) != nil)
        await door.plane.employ(nil)
        #expect(try await refusal(bind(), token)?.code == "OperationDisabledException")
        let renewal = try await refusal(renewing: certificate.fingerprint, PartnerDoor.request(key))
        #expect(renewal?.code == "OperationDisabledException")
    }

    @Test("a commit that fails binds nothing, and the next run joins")
    func failingCommit() async throws {
        let token = try await door.invite()
        door.store.failNext(.full)
        #expect(try Refused(await door.ask(.join(JoinMessage(try bind(), with: token)))) != nil)
        #expect(door.registry.snapshot.invitations[token.terms.id]?.stateName == "invited")
        await door.plane.tendPartners()
        #expect(door.authority.withdrawn == Set(door.authority.serials), "what the commit did not keep is revoked")
        #expect(try await door.answer(bind(), token) != nil)
        await door.plane.tendPartners()
        #expect(door.authority.withdrawn.count == 1, "what was kept is good")
    }

    @Test("a renewal whose commit fails leaves its certificate revoked, and the one before it good")
    func failingRenewal() async throws {
        let (_, certificate) = try await joined()
        door.store.failNext(.full)
        let response = await door.ask(.renew(certificate: certificate.fingerprint), try PartnerDoor.request(key))
        #expect(try Refused(response)?.code == "ServiceUnavailable")
        await door.plane.tendPartners()
        #expect(door.authority.serials.count == 2)
        #expect(door.authority.withdrawn == [try #require(door.authority.serials.last)])
    }

    @Test("certificates are revoked that no commit kept before more than so many of them are issued")
    func strayLimit() async throws {
        let token = try await door.invite()
        let limit = ControlPlane.strayCertificatesLimit
        for count in 1...limit {
            door.store.failNext(.full)
            #expect(try Refused(await door.ask(.join(JoinMessage(try bind(), with: token))))?.status == 503)
            #expect(door.authority.issued == count)
        }
        door.authority.isBroken = true
        await door.plane.tendPartners()
        #expect(door.authority.withdrawn.isEmpty)
        door.authority.isBroken = false
        let refused = try await refusal(bind(), token)
        #expect(refused?.message.contains("certificates are revoked first") == true)
        await door.plane.tendPartners()
        #expect(door.authority.withdrawn == Set(door.authority.serials))
        #expect(try await door.answer(bind(), token) != nil)
    }

    @Test("a certificate that no invitation knows after a start is revoked, and no other is")
    func strayAtStart() async throws {
        _ = try await joined()
        let stray = try door.authority.issue(
            "spiffe://partners.example/account/\(Scene.foreign)/role/partner/acme.com", key.publicKey(),
            at: door.clock.now)
        await door.plane.tendPartners()
        #expect(door.authority.withdrawn.isEmpty)
        await door.plane.employ(door.onboarding)
        #expect(door.authority.withdrawn == [stray.serial])
    }

    @Test("a partner renews with the certificate and key it joined with, and what it had stays good")
    func renewal() async throws {
        let (token, certificate) = try await joined()
        let response = await door.ask(.renew(certificate: certificate.fingerprint), try PartnerDoor.request(key))
        let node = try JSONNode(parsing: response.body)
        let next = try Certificate.certificates(pem: Array((node["certificate"]?.string ?? "").utf8))[0]
        #expect(response.status == 200)
        #expect(next != certificate)
        #expect(next.publicKeyFingerprint == certificate.publicKeyFingerprint)
        let held = door.registry.snapshot.invitations[token.terms.id]?.membership?.certificates.map(\.fingerprint)
        #expect(held == [certificate.fingerprint, next.fingerprint])
    }

    @Test("nobody renews with a certificate that is not a partner's, another key, or before the join is complete")
    func renewalRefused() async throws {
        let (_, certificate) = try await joined()
        let own = try PartnerDoor.request(key)
        let unknown = try await refusal(renewing: SHA256.hash([9]), own)
        #expect(unknown?.code == "AccessDeniedException")
        #expect(unknown?.message.contains("not that of a partner who joined here") == true)
        let other = try await refusal(renewing: certificate.fingerprint, PartnerDoor.request(.generate(.ecdsaP256)))
        #expect(other?.code == "AccessDeniedException")
        #expect(other?.message.contains("renew with that key") == true)
        let token = try await door.invite(source: "aws.partner/acme.com/shop/other")
        let half = try #require(try await door.answer(bind(), token)?["certificate"]?.string)
        let early = try await refusal(
            renewing: Certificate.certificates(pem: Array(half.utf8))[0].fingerprint, own)
        #expect(early?.code == "AccessDeniedException")
        #expect(early?.message.contains("the join is not complete") == true)
    }

    @Test("a partner has so many good certificates and no more; as they run out it may renew again")
    func renewalLimit() async throws {
        let (_, certificate) = try await joined()
        let own = try PartnerDoor.request(key)
        for _ in 1..<Snapshot.certificatesPerInvitationLimit {
            #expect(await door.ask(.renew(certificate: certificate.fingerprint), own).status == 200)
        }
        let refused = try await refusal(renewing: certificate.fingerprint, own)
        #expect(refused?.code == "LimitExceededException")
        #expect(refused?.message.contains("renew less often") == true)
    }
}
