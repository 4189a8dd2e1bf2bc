import AccessPolicy
import Cryptography
import Domain
import Testing

@testable import Identity

@Suite("Session tokens")
struct SessionTokenTests {
    private let codec: SessionTokenCodec
    private let session: RoleSession
    private let id = "ASIAEXAMPLE000000000"

    init() throws {
        codec = try SessionTokenCodec(key: [UInt8](repeating: 7, count: 32))
        let text = #"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"events:*","Resource":"*"}}"#
        session = RoleSession(
            role: Principal(.role, path: "delivery/worker", account: AccountID(unchecked: 444_455_556_666)),
            name: "shift", policy: try CompiledPolicy(parsing: text, kind: .session), policyText: Array(text.utf8),
            tags: [Domain.Tag(key: "Team", value: "ä"), Domain.Tag(key: "x", value: "")], transitiveKeys: ["team"],
            sourceIdentity: "alice", issuedAt: Timestamp(milliseconds: 1_795_240_800_123),
            expiresAt: Timestamp(seconds: 1_795_244_400))
    }

    private func token(random: RandomBytes = .system) throws -> [UInt8] {
        try codec.seal(session, secret: SecretBytes(Array("secret".utf8)), for: id, random: random)
    }

    private func open(_ token: [UInt8], id: String? = nil) -> SessionTokenCodec.Opened? {
        codec.open(token[...], for: Array((id ?? self.id).utf8)[...])
    }

    @Test("a token says what it was sealed with")
    func roundTrip() throws {
        let opened = try #require(open(try token()))
        #expect(opened.secret.bytes == Array("secret".utf8))
        let read = opened.session
        #expect(read.role == session.role && read.name == session.name && read.principal == session.principal)
        #expect(read.principal.arn == "arn:aws:sts::444455556666:assumed-role/worker/shift")
        #expect(read.policyText == session.policyText && read.policy?.document.kind == .session)
        #expect(read.tags == session.tags && read.transitiveTags == [Domain.Tag(key: "Team", value: "ä")])
        #expect(read.sourceIdentity == "alice")
        #expect(read.issuedAt == session.issuedAt && read.expiresAt == session.expiresAt)
    }

    @Test("no bit of a token can change, and it opens with its own access key id and key alone")
    func bound() throws {
        let good = try token()
        for place in good.indices {
            for bit in 0..<8 {
                var bad = good
                bad[place] ^= 1 << UInt8(bit)
                #expect(open(bad) == nil, "byte \(place), bit \(bit)")
            }
        }
        for count in 0..<good.count { #expect(open(Array(good.prefix(count))) == nil) }
        #expect(open(good, id: "ASIAEXAMPLE000000001") == nil)
        let other = try SessionTokenCodec(key: [UInt8](repeating: 8, count: 32))
        #expect(other.open(good[...], for: Array(id.utf8)[...]) == nil)
        #expect(try token() != good, "every token has a nonce of its own")
    }

    @Test("the largest session makes a token that is looked at; a longer one is not")
    func length() throws {
        let value = String(repeating: "v", count: 256)
        var tags: [Domain.Tag] = []
        while SessionTokenCodec.packedBytes(policy: [], tags: tags, transitiveKeys: []) <= 4096 - 280 {
            tags.append(Domain.Tag(key: "key\(tags.count)", value: value))
        }
        let name = String(repeating: "r", count: 512)
        let largest = RoleSession(
            role: Principal(.role, path: name, account: AccountID(unchecked: 1)),
            name: String(repeating: "n", count: 64), policy: nil, policyText: [], tags: tags, transitiveKeys: [],
            sourceIdentity: String(repeating: "s", count: 64), issuedAt: session.issuedAt,
            expiresAt: session.expiresAt)
        let secret = SecretBytes([UInt8](repeating: 0x41, count: 40))
        let token = try codec.seal(largest, secret: secret, for: id, random: .system)
        #expect(token.count <= SessionTokenCodec.maximumTokenBytes)
        #expect(open(token) != nil)
        #expect(open([UInt8](repeating: 0x41, count: SessionTokenCodec.maximumTokenBytes + 4)) == nil)
    }
}
