@testable import Cryptography
import Testing

/// What OpenSSL at security level 2 takes and a chain here must not have.
@Suite struct StrictChainTests {
    let now = CertificateFactory.now

    /// Verifies certificates of `SignatureDigestVectors`, leaf first, under the `root` there.
    func refusal(_ chain: [String], under root: String = SignatureDigestVectors.root) throws -> ChainRefusal? {
        let certificates = try chain.map(SignatureDigestVectors.certificate)
        var configuration = CertificateStore.Configuration()
        configuration.requiresRevocationLists = false
        let store = try CertificateStore(
            authorities: [SignatureDigestVectors.certificate(root)], revocationLists: [], configuration: configuration)
        let moment = certificates.map(\.notBefore).max()
        switch store.verify(certificates, at: moment) {
        case .success: return nil
        case .failure(let refusal): return refusal
        }
    }

    @Test("a leaf signed with SHA-256, SHA-384 or SHA-512 is verified")
    func strongDigests() throws {
        for leaf in [SignatureDigestVectors.sha256, SignatureDigestVectors.sha384, SignatureDigestVectors.sha512] {
            #expect(try refusal([leaf]) == nil)
        }
    }

    @Test("a leaf signed with SHA-224, SHA-1 or MD5 is refused as weak")
    func weakDigests() throws {
        for leaf in [SignatureDigestVectors.sha1, SignatureDigestVectors.sha224] {
            #expect(try refusal([leaf])?.reason == .weak)
        }
        #expect(try refusal([SignatureDigestVectors.md5], under: SignatureDigestVectors.rsaRoot)?.reason == .weak)
    }

    @Test("an intermediate signed with SHA-224 is refused, the same one signed with SHA-256 is not")
    func weakIntermediate() throws {
        let leaf = SignatureDigestVectors.leafBelowIntermediate
        #expect(try refusal([leaf, SignatureDigestVectors.intermediateSHA256]) == nil)
        let found = try #require(try refusal([leaf, SignatureDigestVectors.intermediateSHA224]))
        #expect(found.reason == .weak && found.depth == 1)
    }

    @Test("Ed25519 signs its own digest and is taken")
    func ed25519() throws {
        let key = try PrivateKey.generate(.ed25519)
        let validity = try CertificateFactory.validity()
        let root = try CertificateAuthority.root(
            name: "ed", pathLength: 1, key: key, validity: validity, random: .system)
        let leaf = try root.issueClient(
            uri: CertificateFactory.uri, name: "sender", key: key.publicKey(), validity: validity, random: .system)
        let list = try root.revocationList(revoked: [], number: 1, validity: validity)
        let store = try CertificateStore(authorities: [root.certificate], revocationLists: [list])
        #expect(store.verify([leaf], at: now).refusal == nil)
    }

    /// Extensions OpenSSL knows, as critical ones on a leaf: what they are, the identifier, the DER.
    static let unprocessed: [(String, String, String)] = [
        ("policy constraints", "2.5.29.36", "3003800100"), ("name constraints", "2.5.29.30", "3007a0053003820161"),
        ("certificate policies", "2.5.29.32", "300530030601 2a"), ("inhibit any policy", "2.5.29.54", "020100"),
        ("policy mappings", "2.5.29.33", "300a300806022a0306022a04"),
        ("distribution points", "2.5.29.31", "300e300ca00aa0088606687474703a2f"),
    ]

    @Test("a critical extension that no rule reads is refused on a leaf, also when OpenSSL knows it")
    func unprocessedExtensions() throws {
        let factory = try CertificateFactory()
        let store = try factory.store()
        for (name, identifier, der) in Self.unprocessed {
            let der = bytes(der.replacing(" ", with: ""))
            let plain = try factory.leaf { $0.rawExtensions = [(identifier, false, der)] }
            let critical = try factory.leaf { $0.rawExtensions = [(identifier, true, der)] }
            let constrains = identifier == "2.5.29.30"
            #expect(constrains || store.verify([plain], at: now).refusal == nil, "\(name)")
            #expect(store.verify([critical], at: now).refusal == .invalidExtension, "critical \(name)")
        }
    }

    @Test("basic constraints, both key usages and the names may be critical")
    func processedExtensions() throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf {
            $0.names.isCritical = true
            $0.extendedKeyUsage = .absent
            $0.rawExtensions = [("2.5.29.37", true, bytes("300a06082b06010505070302"))]
        }
        #expect(try factory.store().verify([leaf], at: now).refusal == nil)
    }

    @Test("an intermediate may constrain names critically, and its constraints hold; other critical ones are refused")
    func intermediateExtensions() throws {
        let factory = try CertificateFactory()
        let store = try factory.store { $0.requiresRevocationLists = false }
        func refusal(_ identifier: String, _ der: String, isCritical: Bool = true) throws -> ChainRefusal.Reason? {
            let key = try PrivateKey.generate(.ecdsaP256)
            var profile = CertificateProfile(
                commonName: "issuing", constraint: .authority(pathLength: 0), keyUsage: .authority)
            profile.rawExtensions = [(identifier, isCritical, bytes(der))]
            let middle = try factory.authority.issue(
                profile, to: key.publicKey(), validity: CertificateFactory.validity(), random: .system)
            let leaf = try CertificateAuthority(certificate: middle, key: key).issueClient(
                uri: CertificateFactory.uri, name: "sender", key: factory.key.publicKey(),
                validity: CertificateFactory.validity(), random: .system)
            return store.verify([leaf, middle], at: now).refusal
        }
        // Permitted: URIs of acme.example, then of evil.example.
        #expect(try refusal("2.5.29.30", "3012a010300e860c61636d652e6578616d706c65") == nil)
        #expect(try refusal("2.5.29.30", "3012a010300e860c6576696c2e6578616d706c65") == .invalidExtension)
        #expect(try refusal("2.5.29.36", "3003800100") == .invalidExtension)
        #expect(try refusal("2.5.29.36", "3003800100", isCritical: false) == nil)
    }
}

/// Names in an encoding that BER readers take and DER forbids (X.690 § 10).
@Suite struct NameEncodingTests {
    static let uri = Array(CertificateFactory.uri.utf8)

    func leaf(_ der: [UInt8]) throws -> Certificate {
        try CertificateFactory().leaf {
            $0.names.uris = []
            $0.rawExtensions = [("2.5.29.17", false, der)]
        }
    }

    static func value(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        content.count < 0x80
            ? [tag, UInt8(content.count)] + content
            : [tag, 0x82, UInt8(content.count >> 8), UInt8(content.count & 0xff)] + content
    }

    @Test("one URI in anything but DER is malformed")
    func notDistinguished() throws {
        let uri = Self.value(0x86, Self.uri)
        let good = Self.value(0x30, uri)
        #expect(try !leaf(good).names.isMalformed)
        let count = UInt8(uri.count)
        let cases: [(String, [UInt8])] = [
            ("a constructed URI", Self.value(0x30, Self.value(0xa6, Self.value(0x16, Self.uri)))),
            ("bytes after the list", good + [0, 0]),
            ("a second list", good + good),
            ("an indefinite length", [0x30, 0x80] + uri + [0, 0]),
            ("a length in one byte too many", [0x30, 0x81, count] + uri),
            ("a length in two bytes too many", [0x30, 0x82, 0, count] + uri),
            ("a name's length in one byte too many", Self.value(0x30, [0x86, 0x81, count - 2] + Self.uri)),
            ("bytes after the last name", Self.value(0x30, uri + [0])),
            ("a set", Self.value(0x31, uri)),
            ("a primitive other name", Self.value(0x30, uri + [0x80, 0])),
            ("a name of no kind", Self.value(0x30, uri + [0x89, 0])),
            ("a universal string among the names", Self.value(0x30, uri + [0x16, 0])),
            ("nothing", []),
        ]
        for (name, der) in cases {
            #expect(try leaf(der).names.isMalformed, "\(name)")
        }
    }

    @Test("an other name or a directory name that holds BER is malformed")
    func nested() throws {
        let uri = Self.value(0x86, Self.uri)
        func isMalformed(_ name: String) throws -> Bool {
            try leaf(Self.value(0x30, uri + bytes(name))).names.isMalformed
        }
        // 1.2.3 with UTF8String "a", plain, constructed, in an indefinite and in an overlong length.
        #expect(try !isMalformed("a00906022a03a0030c0161"))
        #expect(try isMalformed("a00b06022a03a0052c030c0161"))
        #expect(try isMalformed("a00d06022a03a00730800c01610000"))
        #expect(try isMalformed("a00a06022a03a0040c810161"))
        // CN=a, plain and with an overlong length inside.
        #expect(try !isMalformed("a40e300c310a300806035504030c0161"))
        #expect(try isMalformed("a40f300d310b300906035504030c810161"))
    }

    @Test("values nest 16 deep and no deeper", arguments: [-1, 0, 1])
    func depth(over: Int) {
        // The list, the other name and its explicit tag come before the sequences.
        var inner: [UInt8] = []
        for _ in 0..<(DistinguishedEncoding.depthLimit + over - 3) { inner = Self.value(0x30, inner) }
        let der = Self.value(0x30, Self.value(0xa0, bytes("06022a03") + Self.value(0xa0, inner)))
        #expect(der.withUnsafeBufferPointer { DistinguishedEncoding.isGeneralNames($0) } == (over <= 0))
    }

    @Test("names cut anywhere, or with any byte changed, are read without a trap")
    func mutants() {
        let good = Self.value(0x30, Self.value(0x86, Self.uri) + bytes("a00906022a03a0030c0161"))
        for count in 0..<good.count {
            #expect(!good[..<count].withUnsafeBufferPointer { DistinguishedEncoding.isGeneralNames($0) })
        }
        var accepted = 0
        for place in good.indices {
            for byte in UInt8.min...UInt8.max where byte != good[place] {
                var mutant = good
                mutant[place] = byte
                if mutant.withUnsafeBufferPointer({ DistinguishedEncoding.isGeneralNames($0) }) { accepted += 1 }
            }
        }
        // Every byte of a text may change, none of a length or of the outer tags.
        #expect(accepted >= 255 * Self.uri.count)
        for place in [0, 1, 3] {
            var mutant = good
            mutant[place] ^= 1
            #expect(!mutant.withUnsafeBufferPointer { DistinguishedEncoding.isGeneralNames($0) })
        }
    }
}
