import Cryptography
import Domain
import Registry
import TestKit
import Testing

@Suite struct InvitationTokenTests {
    private let gateway = HMACSHA256(key: [UInt8](repeating: 7, count: 32))

    private func token(_ terms: InvitationTerms = Invitations.terms()) -> InvitationToken {
        InvitationToken(terms, key: gateway)
    }

    private func request() throws -> JoinRequest {
        let key = try PrivateKey.generate(.ecdsaP256)
        return JoinRequest(step: .bind, signingRequest: try CertificateSigningRequest(name: "p", key: key).pem)
    }

    @Test("a token is read as it was written, whatever stands in its terms")
    func roundTrip() throws {
        let (rates, bursts) = (Quota.perSecondRange, Quota.burstRange)
        let quotas = [
            nil, Quota(perSecond: 100, burst: 500), Quota(perSecond: rates.lowerBound, burst: bursts.upperBound),
            Quota(perSecond: rates.upperBound, burst: bursts.lowerBound),
        ]
        for quota in quotas {
            let terms = Invitations.terms(events: ["order.*", "\"quoted\" ünïcode", "*"], quota: quota)
            let read = try #require(InvitationToken(parsing: Array(token(terms).text.utf8)))
            #expect(read.terms == terms && read.terms.quota == quota)
            #expect(read.text == token(terms).text)
        }
    }

    @Test("a quota out of range, halved or with more in it makes no terms")
    func quotas() throws {
        let text = String(
            decoding: Invitations.terms(quota: Quota(perSecond: 100, burst: 500)).bytes, as: UTF8.self)
        let whole = #"{"perSecond":100,"burst":500}"#
        #expect(text.contains(#""quota":\#(whole)"#))
        for other in [
            #"{"perSecond":0,"burst":500}"#, #"{"perSecond":1000001,"burst":500}"#, #"{"perSecond":100,"burst":0}"#,
            #"{"perSecond":100,"burst":10000001}"#, #"{"perSecond":100}"#, #"{"burst":500}"#, "{}", "null", "100",
            #"{"perSecond":100,"burst":500,"more":1}"#, #"{"perSecond":"100","burst":500}"#,
        ] {
            let changed = text.replacing(whole, with: other)
            #expect(InvitationTerms(parsing: Array(changed.utf8)) == nil, "\(other)")
        }
    }

    @Test("a token with any one byte changed is no token, or proves nothing to the gateway")
    func tampering() throws {
        let original = token()
        let text = Array(original.text.utf8)
        let request = try request()
        var readable = 0
        for index in text.indices {
            for replacement in Set([text[index] ^ 1, UInt8(ascii: "A"), UInt8(ascii: "."), UInt8(ascii: "=")])
            where replacement != text[index] {
                var changed = text
                changed[index] = replacement
                guard let read = InvitationToken(parsing: changed) else { continue }
                readable += 1
                let message = JoinMessage(request, with: read)
                let isBelieved =
                    message.invitation == original.terms.id && message.terms == original.terms.digest
                    && original.isProven(message.request, by: message.proof)
                #expect(!isBelieved, "byte \(index) became \(replacement)")
            }
        }
        #expect(readable > 40, "the code at the end has 43 digits that can be changed and still be read")
    }

    @Test("a token cut short, lengthened or joined to another is none")
    func lengths() {
        let text = token().text
        for count in [0, 1, 14, 15, 60, text.count - 1] {
            #expect(InvitationToken(parsing: Array(text.prefix(count).utf8)) == nil, "\(count) characters")
        }
        for longer in [text + "A", text + ".", text + text, " " + text, text + "\n"] {
            #expect(InvitationToken(parsing: Array(longer.utf8)) == nil)
        }
        #expect(InvitationToken(parsing: [UInt8](repeating: 0x41, count: InvitationToken.bytesLimit + 1)) == nil)
    }

    @Test("a proof is of one request and one token")
    func proofs() throws {
        let request = try request()
        let other = try self.request()
        let proof = token().proof(of: request)
        #expect(token().isProven(request, by: proof))
        #expect(!token().isProven(other, by: proof))
        #expect(!token(Invitations.terms(id: String(repeating: "b", count: 32))).isProven(request, by: proof))
        #expect(
            !token().isProven(
                JoinRequest(step: .confirm, signingRequest: request.signingRequest, event: ""), by: proof))
        #expect(
            !token().isProven(
                JoinRequest(step: .bind, signingRequest: request.signingRequest, trustBundle: [1]), by: proof))
        #expect(!InvitationToken(Invitations.terms(), key: HMACSHA256(key: [1])).isProven(request, by: proof))
    }

    @Test("parts of a request cannot change places and keep the proof")
    func parts() {
        let one = JoinRequest(step: .bind, signingRequest: [1, 2], trustBundle: [3])
        let two = JoinRequest(step: .bind, signingRequest: [1], trustBundle: [2, 3])
        #expect(token().proof(of: one) != token().proof(of: two))
    }

    @Test("an answer is believed from the maker of the token alone, to that request alone")
    func answers() throws {
        let message = JoinMessage(try request(), with: token())
        let other = JoinMessage(try request(), with: token())
        let answer = JoinAnswer(Array(#"{"certificate":"x"}"#.utf8), to: message.proof, with: token())
        #expect(JoinAnswer(parsing: answer.bytes, to: message, with: token())?.content == answer.content)
        #expect(JoinAnswer(parsing: answer.bytes, to: other, with: token()) == nil)
        let forged = JoinAnswer(
            answer.content, to: message.proof, with: InvitationToken(Invitations.terms(), key: HMACSHA256(key: [1])))
        #expect(JoinAnswer(parsing: forged.bytes, to: message, with: token()) == nil)
        for bytes in ["", "{}", #"{"answer":"x"}"#, #"{"answer":"x","proof":"00"}"#] {
            #expect(JoinAnswer(parsing: Array(bytes.utf8), to: message, with: token()) == nil)
        }
    }

    @Test("a message is read as it was written, and refused with a part missing or too long")
    func messages() throws {
        let request = try request()
        let message = JoinMessage(
            JoinRequest(step: .bind, signingRequest: request.signingRequest, trustBundle: Array("PEM".utf8)),
            with: token())
        let read = try #require(JoinMessage(parsing: message.bytes))
        #expect(read.proof == message.proof && token().isProven(read.request, by: read.proof))
        let text = String(decoding: message.bytes, as: UTF8.self)
        for broken in [
            text.replacing("bind", with: "confirm"), text.replacing("\"step\":\"bind\",", with: ""),
            text.replacing("\"proof\"", with: "\"prof\""), text.replacing(message.invitation, with: "a"), "[]", "",
        ] {
            #expect(JoinMessage(parsing: Array(broken.utf8)) == nil, "\(broken.prefix(60))")
        }
        let limit = JoinRequest.trustBundleBytesLimit
        for (count, isRead) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
            let bundle = [UInt8](repeating: 0x61, count: count)
            let long = JoinMessage(
                JoinRequest(step: .bind, signingRequest: request.signingRequest, trustBundle: bundle), with: token())
            #expect((JoinMessage(parsing: long.bytes) != nil) == isRead, "\(count) bytes")
        }
    }

    @Test("a token shows nobody its code")
    func description() {
        let code = String(token().text.suffix(43))
        #expect(!"\(token())".contains(code))
        #expect(!String(reflecting: token()).contains(code))
    }

    @Test(
        "terms that cannot be offered are said to be so",
        arguments: [
            Invitations.terms(partner: ".."), Invitations.terms(partner: "acme com"),
            Invitations.terms(source: "aws.partner/other.com/a/b"), Invitations.terms(source: "aws.partner/acme.com"),
            Invitations.terms(events: []), Invitations.terms(events: [""]),
            Invitations.terms(events: [String](repeating: "a", count: InvitationTerms.eventsLimit + 1)),
            Invitations.terms(partnerAccount: Scene.owner), Invitations.terms(seconds: 0),
            Invitations.terms(seconds: InvitationTerms.lifetimeSecondsLimit + 1),
            Invitations.terms(partner: String(repeating: "a", count: InvitationTerms.partnerBytesLimit + 1)),
        ])
    func faults(terms: InvitationTerms) {
        #expect(terms.fault != nil)
        #expect(InvitationTerms(parsing: terms.bytes) == nil)
    }

    @Test("terms at their limits can be offered")
    func limits() {
        for terms in [
            Invitations.terms(seconds: InvitationTerms.lifetimeSecondsLimit), Invitations.terms(seconds: 1),
            Invitations.terms(events: [String](repeating: "a", count: InvitationTerms.eventsLimit)),
            Invitations.terms(partner: String(repeating: "a", count: InvitationTerms.partnerBytesLimit)),
        ] {
            #expect(terms.fault == nil)
            #expect(InvitationTerms(parsing: terms.bytes) == terms)
        }
    }

    @Test("terms longer than what is read back are not offered, up to that they are")
    func longest() throws {
        let longest = String(repeating: "a", count: InvitationTerms.eventCharactersLimit)
        var events: [String] = []
        while Invitations.terms(events: events + [longest]).bytes.count < InvitationTerms.bytesLimit {
            events.append(longest)
        }
        // An event beside others costs two quotation marks and a comma.
        let room = InvitationTerms.bytesLimit - Invitations.terms(events: events).bytes.count - 3
        for (count, isOffered) in [(room - 1, true), (room, true), (room + 1, false)] {
            let terms = Invitations.terms(events: events + [String(repeating: "b", count: count)])
            #expect((terms.fault == nil) == isOffered, "\(terms.bytes.count) bytes")
            #expect((InvitationTerms(parsing: terms.bytes) == terms) == isOffered)
        }
    }
}

/// Terms for tests.
enum Invitations {
    static func terms(
        id: String = String(repeating: "a", count: 32), partner: String = "acme.com", source: String? = nil,
        events: [String] = ["order.*"], partnerAccount: AccountID = Scene.foreign, account: AccountID = Scene.owner,
        seconds: Int64 = 3600, quota: Quota? = nil
    ) -> InvitationTerms {
        InvitationTerms(
            id: id, partner: partner, source: source ?? "aws.partner/\(partner)/shop/orders", account: account,
            partnerAccount: partnerAccount, events: events, quota: quota, region: Scene.region,
            endpoint: "https://gateway.example:8444", pin: SHA256.hash([1]), createdAt: SettableClock.start,
            expiresAt: SettableClock.start.advanced(bySeconds: seconds))
    }
}
