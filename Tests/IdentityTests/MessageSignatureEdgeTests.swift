import Cryptography
import Domain
import Identity
import Testing

/// The edges of time, the keys in rotation, and that no bit of a signed request can change.
@Suite struct MessageSignatureEdgeTests {
    @Test(
        "created is taken from 300 s ago to 60 s ahead, to the millisecond",
        arguments: [(-300_001, false), (-300_000, true), (0, true), (60_000, true), (60_001, false)])
    func keepsTolerance(_ shift: Int64, _ isTaken: Bool) {
        var request = SignedProfileRequest()
        request.replace("expires", with: "expires=1618884773")
        let now = Timestamp(milliseconds: 1_618_884_473_000 - shift)
        let verifier = SignedProfileRequest.verifier()
        let outcome = verdict(verifier, request, now)
        #expect((outcome == nil) == isTaken)
        if !isTaken { #expect(outcome == (shift < 0 ? .stale : .notYetValid)) }
    }

    @Test("a signature is good at its expiry and not a millisecond later")
    func keepsExpiry() {
        var request = SignedProfileRequest()
        request.replace("expires", with: "expires=1618884480")
        let verifier = SignedProfileRequest.verifier()
        #expect(verdict(verifier, request, Timestamp(seconds: 1_618_884_480)) == nil)
        #expect(verdict(verifier, request, Timestamp(milliseconds: 1_618_884_480_001)) == .expired)
    }

    @Test("a nonce of 128 bits is enough in hexadecimal, base64 and as a UUID")
    func takesNonces() {
        for nonce in ["zzzzzzzzzzzzzzzzzzzzzz", "q83vEjRWeJCrze8SNFZ4kA==", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"] {
            var request = SignedProfileRequest()
            request.replace("nonce", with: "nonce=\"\(nonce)\"")
            #expect(verdict(SignedProfileRequest.verifier(), request, SignedProfileRequest.now) == nil)
        }
    }

    @Test("each of two secrets is taken and named; a third is not")
    func rotates() throws {
        let old = [UInt8](repeating: 1, count: 32)
        let verifier = SignedProfileRequest.verifier(secrets: [SignedProfileRequest.secret, old])
        var request = SignedProfileRequest()
        #expect(try verifier.verify(request.message(), now: SignedProfileRequest.now).keyIndex == 0)
        request.secret = old
        #expect(try verifier.verify(request.message(), now: SignedProfileRequest.now).keyIndex == 1)
        request.secret = [UInt8](repeating: 2, count: 32)
        #expect(verdict(verifier, request, SignedProfileRequest.now) == .mismatch)
    }

    @Test("labels carry no meaning, and signatures of others beside ours are passed over")
    func ignoresOthers() {
        var request = SignedProfileRequest()
        request.label = "sig-2_b.c*"
        #expect(verdict(SignedProfileRequest.verifier(), request, SignedProfileRequest.now) == nil)
        request = SignedProfileRequest()
        request.edit = { input, signature in
            input = #"other=("@method");created=1;tag="other", "# + input
            signature += ", other=:AAAA:"
        }
        #expect(verdict(SignedProfileRequest.verifier(), request, SignedProfileRequest.now) == nil)
    }

    @Test("parameters that nobody defined are covered and do no harm")
    func takesMoreParameters() {
        var request = SignedProfileRequest()
        request.parameters.append("x=(1)")
        #expect(
            verdict(SignedProfileRequest.verifier(), request, SignedProfileRequest.now) == .malformed(.signatureInput))
        request = SignedProfileRequest()
        request.parameters.append(#"x="y""#)
        #expect(verdict(SignedProfileRequest.verifier(), request, SignedProfileRequest.now) == nil)
    }

    @Test("an RSA key that is registered for no algorithm needs alg, and takes it")
    func needsAlgorithm() throws {
        let message = MessageSignatureVectorTests.vectors[0].message
        let unregistered = try VerificationKey(pem: Array(RFC9421.rsaPEM.utf8))
        let key = try #require(MessageSignatureKey(id: nil, key: unregistered, algorithm: nil))
        let verifier = MessageSignatureVerifier(keys: [key], policy: MessageSignaturePolicy())
        #expect(throws: MessageSignatureRefusal.algorithmUndetermined) {
            try verifier.verify(message, now: MessageSignatureVectorTests.now)
        }
        let proof = try verifier.verify(RFC9421.proxied, now: MessageSignatureVectorTests.now)
        #expect(proof.algorithm == .asymmetric(.rsaV15SHA256))
    }

    /// Source: RFC 6979 § A.2.6, the message `sample` with SHA-384.
    @Test("P-384 verifies the RFC's signature, no other message, and none of another length")
    func verifiesP384() throws {
        let pem = """
            -----BEGIN PUBLIC KEY-----
            MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE7DpOQVtOGaRWhhgCn0J/pdqai8SukuAu
            BqrlKGswDGTe+PDqkFWGYGSiVFFUgLwTgBXZty19VyROqO+awMYhiWcIpZNn+d+5
            9UyoSz8cnbEoiyMcOuDU/nNE/SUzJkcg
            -----END PUBLIC KEY-----
            """
        let text =
            "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46"
            + "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8"
        let signature = try #require(Hexadecimal.bytes(text.utf8))
        let key = try VerificationKey(pem: Array(pem.utf8))
        #expect(key.algorithms == [.ecdsaP384SHA384])
        #expect(try key.isValid(signature: signature, for: Array("sample".utf8), by: .ecdsaP384SHA384))
        #expect(try !key.isValid(signature: signature, for: Array("samplf".utf8), by: .ecdsaP384SHA384))
        for other in [signature.dropLast(), signature + [0], []] {
            #expect(try !key.isValid(signature: Array(other), for: Array("sample".utf8), by: .ecdsaP384SHA384))
        }
        #expect(throws: CryptographyError.unsupported(.publicKey)) {
            try key.isValid(signature: signature, for: [], by: .ecdsaP256SHA256)
        }
    }

    @Test("no bit of the target, authority, covered fields, content or signature can change")
    func refusesFlippedBits() {
        let good = SignedProfileRequest()
        let verifier = SignedProfileRequest.verifier()
        var mutants = 0
        func expectRefused(_ what: String, _ change: (inout SignedProfileRequest) -> Void) {
            var request = good
            change(&request)
            mutants += 1
            #expect(verdict(verifier, request, SignedProfileRequest.now) != nil, "\(what)")
        }
        for (bit, method) in flips(good.method) { expectRefused("method \(bit)") { $0.method = method } }
        for (bit, target) in flips(good.target) { expectRefused("target \(bit)") { $0.target = target } }
        for field in 1...2 {
            for (bit, value) in flips(good.fields[field].1) {
                // A tab or space at an end is no part of the value (RFC 9110 § 5.5).
                expectRefused("field \(field) \(bit)") { $0.fields[field].1 = value }
            }
        }
        for (bit, digest) in flips(RFC9421.requestDigest) { expectRefused("digest \(bit)") { $0.digest = digest } }
        for index in good.body.indices {
            for bit in 0..<8 { expectRefused("content \(index).\(bit)") { $0.body[index] ^= 1 << bit } }
        }
        for (bit, _) in flips(String(repeating: "x", count: 420)) {
            expectRefused("input \(bit)") { $0.edit = { input, _ in input = flipped(input, bit) } }
            expectRefused("signature \(bit)") { $0.edit = { _, signature in signature = flipped(signature, bit) } }
        }
        #expect(mutants > 8000)
    }

    private func verdict(
        _ verifier: MessageSignatureVerifier, _ request: SignedProfileRequest, _ now: Timestamp
    ) -> MessageSignatureRefusal? {
        do throws(MessageSignatureRefusal) {
            _ = try verifier.verify(request.message(), now: now)
            return nil
        } catch {
            return error
        }
    }
}

/// Every text with one bit of its UTF-8 changed that is UTF-8 still; the bit counted from the text's start.
func flips(_ text: String) -> [(bit: Int, text: String)] {
    (0..<(8 * text.utf8.count)).compactMap { bit in
        let changed = flipped(text, bit)
        return changed == text ? nil : (bit, changed)
    }
}

/// The text with a bit changed; beyond its end, with its last bit changed.
func flipped(_ text: String, _ bit: Int) -> String {
    var bytes = Array(text.utf8)
    guard !bytes.isEmpty else { return text }
    let place = min(bit / 8, bytes.count - 1)
    bytes[place] ^= 1 << (bit % 8)
    return String(decoding: bytes, as: UTF8.self)
}
