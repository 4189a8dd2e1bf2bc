import Cryptography
import Testing

@Suite struct CipherTests {
    /// Source: "The Galois/Counter Mode of Operation (GCM)", McGrew and Viega, appendix B, test cases 13, 14, 16.
    @Test("AES-256-GCM gives the published boxes")
    func vectors() throws {
        let zeroKey = try AES256GCM(key: [UInt8](repeating: 0, count: 32))
        let zeroNonce = [UInt8](repeating: 0, count: 12)
        let empty = try zeroKey.seal([], nonce: zeroNonce, authenticating: [])
        #expect(empty == bytes("530f8afbc74536b9a963b4f1c4cb738b"))
        let block = try zeroKey.seal([UInt8](repeating: 0, count: 16), nonce: zeroNonce, authenticating: [])
        #expect(block == bytes("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"))
        let key = try AES256GCM(key: bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
        let message = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5"
                + "aa0de657ba637b39")
        let additional = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        let nonce = bytes("cafebabefacedbaddecaf888")
        let sealed = try key.seal(message, nonce: nonce, authenticating: additional)
        #expect(
            sealed
                == bytes(
                    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838"
                        + "c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"))
        #expect(try key.open(sealed, nonce: nonce, authenticating: additional) == message)
    }

    @Test("a changed bit anywhere in box, nonce or additional data is not authentic")
    func tampering() throws {
        let key = try AES256GCM(key: [UInt8](repeating: 9, count: 32))
        let box = try key.seal([1, 2, 3, 4], authenticating: [5, 6], random: .system)
        #expect(try key.open(box: box, authenticating: [5, 6]) == [1, 2, 3, 4])
        for bit in 0..<box.count * 8 {
            var changed = box
            changed[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: CryptographyError.notAuthentic) { try key.open(box: changed, authenticating: [5, 6]) }
        }
        #expect(throws: CryptographyError.notAuthentic) { try key.open(box: box, authenticating: [5, 7]) }
        #expect(throws: CryptographyError.notAuthentic) { try key.open(box: [], authenticating: [5, 6]) }
        #expect(throws: CryptographyError.notAuthentic) {
            try key.open(box: Array(box.prefix(27)), authenticating: [5, 6])
        }
    }

    @Test("keys and nonces have one length", arguments: [0, 16, 31, 33])
    func lengths(count: Int) throws {
        #expect(throws: CryptographyError.wrongLength(.key, expected: 32, actual: count)) {
            try AES256GCM(key: [UInt8](repeating: 0, count: count))
        }
        let key = try AES256GCM(key: [UInt8](repeating: 0, count: 32))
        #expect(throws: CryptographyError.wrongLength(.nonce, expected: 12, actual: count)) {
            try key.seal([], nonce: [UInt8](repeating: 0, count: count), authenticating: [])
        }
    }

    /// Source: FIPS 197 appendix C.1 and C.3.
    @Test("the AES block permutation gives the published blocks, and back")
    func block() throws {
        func load(_ text: String) -> Block128 {
            bytes(text).withUnsafeBytes {
                Block128(first: $0.loadUnaligned(as: UInt64.self),
                    second: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            }
        }
        let plain = load("00112233445566778899aabbccddeeff")
        let short = try AESBlock(key: Array(0..<16))
        #expect(short.encrypt(plain) == load("69c4e0d86a7b0430d8cdb78070b4c55a"))
        #expect(short.decrypt(short.encrypt(plain)) == plain)
        let long = try AESBlock(key: Array(0..<32))
        #expect(long.encrypt(plain) == load("8ea2b7ca516745bfeafc49904b496089"))
        #expect(long.decrypt(long.encrypt(plain)) == plain)
        var several = (0..<5).map { Block128(first: $0, second: 1) }
        let single = several.map { long.encrypt($0) }
        let copy = try long.duplicate()
        several.withUnsafeMutableBufferPointer { copy.encrypt($0) }
        #expect(several == single)
        #expect(several.map { copy.decrypt($0) } == (0..<5).map { Block128(first: $0, second: 1) })
        #expect(throws: CryptographyError.self) { try AESBlock(key: Array(0..<24)) }
    }

    @Test("random bytes come from the source that was given")
    func random() throws {
        let seeded = RandomBytes { buffer in
            for index in buffer.indices { buffer[index] = UInt8(truncatingIfNeeded: index) }
        }
        #expect(try seeded.bytes(4) == [0, 1, 2, 3])
        let broken = RandomBytes { (_) throws(CryptographyError) in throw .library(.random, code: 0) }
        #expect(throws: CryptographyError.library(.random, code: 0)) { try broken.bytes(1) }
        #expect(try RandomBytes.system.bytes(32) != RandomBytes.system.bytes(32))
        #expect(try RandomBytes.system.bytes(0) == [])
    }

    @Test("constant-time comparison agrees with ==")
    func comparison() {
        #expect(ConstantTime.isEqual([1, 2], [1, 2]))
        #expect(ConstantTime.isEqual([UInt8](), []))
        #expect(!ConstantTime.isEqual([1, 2], [1, 3]))
        #expect(!ConstantTime.isEqual([1, 2], [1, 2, 3]))
    }
}
