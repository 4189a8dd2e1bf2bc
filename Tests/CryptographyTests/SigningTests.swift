import Cryptography
import Testing

@Suite struct SigningTests {
    struct Vector: Sendable { let seed: String, publicKey: String, message: String, signature: String }

    /// Source: rfc-editor.org/rfc/rfc8032 § 7.1, tests 1, 2, 3.
    static let vectors = [
        Vector(
            seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            publicKey: "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", message: "",
            signature:
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
                + "d25bf5f0595bbe24655141438e7a100b"),
        Vector(
            seed: "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            publicKey: "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", message: "72",
            signature:
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
                + "387b2eaeb4302aeeb00d291612bb0c00"),
        Vector(
            seed: "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            publicKey: "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", message: "af82",
            signature:
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
                + "4a7c15e9716ed28dc027beceea1ec40a"),
    ]

    @Test("Ed25519 gives the signatures of RFC 8032", arguments: vectors)
    func ed25519(vector: Vector) throws {
        let key = try PrivateKey(ed25519: bytes(vector.seed))
        #expect(try key.signature(for: bytes(vector.message)) == bytes(vector.signature))
        let verifier = try PublicKey(ed25519: bytes(vector.publicKey))
        #expect(try verifier.isValid(signature: bytes(vector.signature), for: bytes(vector.message)))
        #expect(try verifier.isValid(signature: bytes(vector.signature), for: [1, 2, 3]) == false)
        #expect(try key.publicKey().der == verifier.der)
    }

    /// Source: rfc-editor.org/rfc/rfc6979 appendix A.2.5, SHA-256, message "sample": the public key and signature.
    @Test("ECDSA P-256 accepts the signature of RFC 6979")
    func ecdsaVector() throws {
        let point =
            "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
            + "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
        let key = try PublicKey(der: bytes("3059301306072a8648ce3d020106082a8648ce3d030107034200" + point))
        let signature = bytes(
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
                + "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8")
        #expect(key.kind == .ecdsaP256)
        #expect(try key.isValid(signature: signature, for: Array("sample".utf8)))
        #expect(try !key.isValid(signature: signature, for: Array("test".utf8)))
    }

    @Test("a flipped bit anywhere breaks a signature", arguments: [KeyKind.ed25519, .ecdsaP256])
    func tampering(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let verifier = try key.publicKey()
        let signature = try key.signature(for: [1, 2, 3])
        #expect(signature.count == PublicKey.signatureBytes)
        #expect(try verifier.isValid(signature: signature, for: [1, 2, 3]))
        for bit in 0..<512 {
            var changed = signature
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(try !verifier.isValid(signature: changed, for: [1, 2, 3]))
        }
        for count in [0, 63, 65] {
            #expect(try !verifier.isValid(signature: [UInt8](repeating: 0, count: count), for: [1, 2, 3]))
        }
        #expect(try !verifier.isValid(signature: [UInt8](repeating: 0, count: 64), for: [1, 2, 3]))
    }

    @Test("keys survive PEM", arguments: [KeyKind.ed25519, .ecdsaP256])
    func pem(kind: KeyKind) throws {
        let key = try PrivateKey.generate(kind)
        let read = try PrivateKey(pem: key.pem())
        #expect(read.kind == kind)
        #expect(try read.publicKey().der == key.publicKey().der)
        #expect(try PublicKey(pem: key.publicKey().pem()).fingerprint == key.publicKey().fingerprint)
    }

    @Test("text that is no key, and a key under a password, are malformed")
    func malformed() {
        #expect(throws: CryptographyError.malformed(.privateKey)) { try PrivateKey(pem: Array("hello".utf8)) }
        #expect(throws: CryptographyError.malformed(.privateKey)) { try PrivateKey(pem: []) }
        #expect(throws: CryptographyError.malformed(.publicKey)) { try PublicKey(der: [0x30, 0]) }
        #expect(throws: CryptographyError.malformed(.publicKey)) { try PublicKey(pem: [0]) }
        let encrypted = """
            -----BEGIN ENCRYPTED PRIVATE KEY-----
            MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjZ2w8Lk1VfVgICCAAw
            -----END ENCRYPTED PRIVATE KEY-----
            """
        #expect(throws: CryptographyError.malformed(.privateKey)) { try PrivateKey(pem: Array(encrypted.utf8)) }
        #expect(throws: CryptographyError.wrongLength(.publicKey, expected: 32, actual: 31)) {
            try PublicKey(ed25519: [UInt8](repeating: 1, count: 31))
        }
    }
}
