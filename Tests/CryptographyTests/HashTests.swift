import Cryptography
import Testing

func bytes(_ hexadecimal: String) -> [UInt8] {
    guard let bytes = Hexadecimal.bytes(hexadecimal.utf8) else {
        Issue.record("`\(hexadecimal)` is not hexadecimal")
        return []
    }
    return bytes
}

@Suite struct HashTests {
    /// Source: csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values (SHA-256, SHA-512).
    @Test(
        "SHA-256 gives the digests NIST publishes",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func sha256(message: String, expected: String) {
        #expect(SHA256.hash(Array(message.utf8)).hexadecimal == expected)
        #expect(SHA256.hash(Array(message.utf8)[...]).hexadecimal == expected)
        var stream = SHA256()
        for byte in message.utf8 { stream.update(byte: byte) }
        let digest = stream.finalize()
        #expect(digest.hexadecimal == expected)
    }

    @Test("SHA-256 of a million a is the published digest")
    func longMessage() {
        var stream = SHA256()
        for _ in 0..<1000 { stream.update([UInt8](repeating: 0x61, count: 1000)) }
        let digest = stream.finalize()
        #expect(digest.hexadecimal == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test("SHA-512 gives the digest NIST publishes")
    func sha512() {
        #expect(
            Hexadecimal.text(SHA512.hash(Array("abc".utf8)))
                == "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")
    }

    @Test("a digest is 32 bytes, no more and no fewer", arguments: [0, 31, 32, 33])
    func digestLength(count: Int) {
        let source = [UInt8](repeating: 7, count: count)
        if count == 32 {
            #expect((try? Digest(source))?.bytes == source)
        } else {
            #expect(throws: CryptographyError.wrongLength(.digest, expected: 32, actual: count)) {
                try Digest(source)
            }
        }
    }

    @Test("a digest reads back from its hexadecimal text and from nothing else")
    func digestText() {
        let digest = SHA256.hash([1, 2, 3])
        #expect(Digest(hexadecimal: digest.hexadecimal.utf8) == digest)
        #expect(Digest(hexadecimal: digest.hexadecimal.uppercased().utf8) == digest)
        #expect(Digest(hexadecimal: digest.hexadecimal.dropLast().utf8) == nil)
        #expect(Digest(hexadecimal: (digest.hexadecimal + "0").utf8) == nil)
        #expect(Digest(hexadecimal: ("g" + digest.hexadecimal.dropFirst()).utf8) == nil)
    }
}

@Suite struct MessageAuthenticationTests {
    struct Vector: Sendable { let key: String, data: String, code: String }

    /// Source: rfc-editor.org/rfc/rfc4231 § 4, test cases 1, 2, 3, 4, 6, 7.
    static let vectors = [
        Vector(
            key: String(repeating: "0b", count: 20), data: "4869205468657265",
            code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        Vector(
            key: "4a656665", data: "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
            code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        Vector(
            key: String(repeating: "aa", count: 20), data: String(repeating: "dd", count: 50),
            code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        Vector(
            key: "0102030405060708090a0b0c0d0e0f10111213141516171819", data: String(repeating: "cd", count: 50),
            code: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        Vector(
            key: String(repeating: "aa", count: 131),
            data: "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579"
                + "204669727374",
            code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        Vector(
            key: String(repeating: "aa", count: 131),
            data: "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b65"
                + "7920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e656564"
                + "7320746f20626520686173686564206265666f7265206265696e6720757365642062792074686520484d414320616c676f"
                + "726974686d2e",
            code: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
    ]

    @Test("HMAC-SHA-256 gives the codes of RFC 4231", arguments: vectors)
    func hmac(vector: Vector) {
        let key = HMACSHA256(key: bytes(vector.key))
        #expect(key.authenticate(bytes(vector.data)).hexadecimal == vector.code)
        #expect(HMACSHA256.authenticate(bytes(vector.data), key: bytes(vector.key)).hexadecimal == vector.code)
        var stream = key.begin()
        for byte in bytes(vector.data) { stream.update(byte: byte) }
        let code = key.finalize(stream)
        #expect(code.hexadecimal == vector.code)
    }

    @Test("a code is authentic only whole and for its message")
    func verification() {
        let key = HMACSHA256(key: [1, 2, 3])
        let message: [UInt8] = [4, 5, 6]
        let code = key.authenticate(message).bytes
        func check(_ code: [UInt8], _ message: [UInt8]) -> Bool {
            code.withUnsafeBytes { first in message.withUnsafeBytes { key.isAuthentic(first, for: $0) } }
        }
        #expect(check(code, message))
        #expect(!check(Array(code.dropLast()), message))
        #expect(!check([], message))
        #expect(!check(code, [4, 5, 7]))
        for bit in 0..<256 {
            var changed = code
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(!check(changed, message))
        }
    }

    /// Source: rfc-editor.org/rfc/rfc5869 appendix A.1, A.2, A.3.
    @Test("HKDF-SHA-256 gives the keys of RFC 5869")
    func hkdf() throws {
        let first = try HKDFSHA256.derive(
            secret: bytes(String(repeating: "0b", count: 22)), salt: bytes("000102030405060708090a0b0c"),
            info: bytes("f0f1f2f3f4f5f6f7f8f9"), count: 42)
        #expect(
            Hexadecimal.text(first)
                == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        let second = try HKDFSHA256.derive(
            secret: Array(0x00...0x4f), salt: Array(0x60...0xaf), info: Array(0xb0...0xff), count: 82)
        #expect(
            Hexadecimal.text(second)
                == "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87")
        let third = try HKDFSHA256.derive(
            secret: bytes(String(repeating: "0b", count: 22)), salt: [], info: [], count: 42)
        #expect(
            Hexadecimal.text(third)
                == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    }

    @Test("HKDF yields 1 to 8160 bytes", arguments: [0, 1, 8160, 8161])
    func hkdfLimit(count: Int) throws {
        if (1...8160).contains(count) {
            #expect(try HKDFSHA256.derive(secret: [1], salt: [], info: [], count: count).count == count)
        } else {
            #expect(throws: CryptographyError.wrongLength(.output, expected: 8160, actual: count)) {
                try HKDFSHA256.derive(secret: [1], salt: [], info: [], count: count)
            }
        }
    }
}
