import Cryptography
import Identity
import Testing

/// Source: https://www.rfc-editor.org/rfc/rfc9530.html, sections 2, 5 and appendices B.1, D.
@Suite struct ContentDigestTests {
    /// The RFC's content ends in a line feed.
    static let content = Array("{\"hello\": \"world\"}\n".utf8)
    static let sha256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    static let sha512 =
        "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"

    private func verify(_ field: String, _ content: [UInt8] = content) throws {
        try ContentDigest.verify(field: Array(field.utf8), content: content)
    }

    @Test("the RFC's digests are those of its content")
    func verifiesVectors() throws {
        for field in [
            Self.sha256, Self.sha512, "\(Self.sha256), \(Self.sha512)", "unixsum=:AAA=:, \(Self.sha256)",
            "\(Self.sha512);p=1",
        ] {
            try verify(field)
            #expect(throws: ContentDigestRefusal.mismatch) { try self.verify(field, Self.content + [0x20]) }
        }
    }

    @Test("RFC 9421's messages have the digests they carry")
    func verifiesMessages() throws {
        try verify(RFC9421.requestDigest, Array(#"{"hello": "world"}"#.utf8))
        try verify(RFC9421.responseDigest, Array(#"{"message": "good dog"}"#.utf8))
        #expect(throws: ContentDigestRefusal.mismatch) { try self.verify(RFC9421.requestDigest, []) }
    }

    @Test("every digest that is known must match")
    func refusesOneOfTwo() {
        let zeros = "sha-256=:" + String(repeating: "A", count: 43) + "=:"
        for field in ["\(zeros), \(Self.sha512)", "\(Self.sha512), \(zeros)", zeros] {
            #expect(throws: ContentDigestRefusal.mismatch) { try self.verify(field) }
        }
    }

    @Test(
        "what is no dictionary of byte sequences is refused",
        arguments: [
            "sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=", "sha-256=\"RK\"", "sha-256", "sha-256=(:AAA=:)",
            "sha-256:RK:", "\(sha256), \(sha256)", "\(sha256),", "x=1, \(sha256)", "SHA-256=:AAA=:",
        ])
    func refusesMalformed(_ field: String) {
        #expect(throws: ContentDigestRefusal.malformed) { try self.verify(field) }
    }

    @Test("a digest without a hash that holds is refused", arguments: ["", "md5=:AAA=:, unixsum=:AAA=:, sha=:AAA=:"])
    func refusesWeak(_ field: String) {
        #expect(throws: ContentDigestRefusal.unsupported) { try self.verify(field) }
    }
}
