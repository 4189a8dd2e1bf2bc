@testable import Cryptography
import Testing

@Suite struct CertificateTests {
    @Test("a client certificate states what it was issued for")
    func facts() throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf()
        #expect(leaf.names.uris == [Array(CertificateFactory.uri.utf8)])
        #expect(leaf.names.extensions == 1)
        #expect(!leaf.names.isCritical)
        #expect(leaf.names.dnsNames.isEmpty && leaf.names.emailNames == 0 && leaf.names.otherNames == 0)
        #expect(!leaf.usage.isAuthority && leaf.usage.pathLength == nil)
        #expect(leaf.usage.keyUsage == .digitalSignature)
        #expect(leaf.usage.extendedKeyUsage == .clientAuthentication)
        #expect(leaf.usage.keyKind == .ecdsaP256 && leaf.usage.hasStrongSignature)
        #expect(leaf.notBefore == CertificateFactory.now - 3600 && leaf.notAfter == CertificateFactory.now + 3600)
        #expect(leaf.serialNumber.count == 16)
        #expect(leaf.fingerprint == SHA256.hash(leaf.der))
        #expect(try leaf.publicKeyFingerprint == factory.key.publicKey().fingerprint)
        #expect(leaf.subject == "CN=sender" && leaf.issuer == "CN=acme.example root")
        let root = factory.authority.certificate
        #expect(root.usage.isAuthority && root.usage.pathLength == 1 && root.usage.isSelfIssued)
        #expect(root.usage.keyUsage == [.keyCertSign, .cRLSign] && root.usage.extendedKeyUsage == nil)
    }

    @Test("names keep every byte, NUL and control characters included")
    func hostileNames() throws {
        let hostile = Array("spiffe://acme.example/account/1".utf8) + [0] + Array(".evil\u{1b}[2J".utf8)
        let leaf = try CertificateFactory().leaf { $0.names.uris = [hostile, Array("spiffe://b".utf8)] }
        #expect(leaf.names.uris == [hostile, Array("spiffe://b".utf8)])
    }

    @Test("a name that is not printable ASCII is shown escaped")
    func escapedSubject() throws {
        let leaf = try CertificateFactory().leaf { $0.commonName = "a\u{1b}[2J\né,\"" }
        #expect(leaf.subject.utf8.allSatisfy { (0x20...0x7e).contains($0) })
        #expect(leaf.subject.contains("\\1B") && leaf.subject.contains("\\0A"))
    }

    @Test("every kind of name is counted")
    func kindsOfNames() throws {
        // GeneralNames: e-mail "a@b", DNS "c", IP 1.2.3.4, registered ID 1.2.3.
        let der = bytes("3012" + "8103614062" + "820163" + "870401020304" + "88022a03")
        let leaf = try CertificateFactory().leaf {
            $0.names.uris = []
            $0.rawExtensions = [("2.5.29.17", true, der)]
        }
        #expect(leaf.names.emailNames == 1 && leaf.names.dnsNames == [[0x63]])
        #expect(leaf.names.addresses == [[1, 2, 3, 4]] && leaf.names.otherNames == 1)
        #expect(leaf.names.isCritical && leaf.names.uris.isEmpty)
    }

    @Test("a second or malformed name extension is told")
    func duplicateNames() throws {
        let factory = try CertificateFactory()
        let twice = try factory.leaf { $0.rawExtensions = [("2.5.29.17", false, bytes("3003820163"))] }
        #expect(twice.names.extensions == 2 && twice.usage.hasInvalidExtension)
        let broken = try factory.leaf {
            $0.names.uris = []
            $0.rawExtensions = [("2.5.29.17", false, bytes("300582"))]
        }
        #expect(broken.names.isMalformed && broken.names.uris.isEmpty)
    }

    @Test("absent usages are told apart from empty ones")
    func absentUsages() throws {
        let leaf = try CertificateFactory().leaf {
            $0.keyUsage = .absent
            $0.extendedKeyUsage = .absent
            $0.constraint = .absent
        }
        #expect(leaf.usage.keyUsage == nil && leaf.usage.extendedKeyUsage == nil && !leaf.usage.isAuthority)
        let any = try CertificateFactory().leaf { $0.extendedKeyUsage = .any }
        #expect(any.usage.extendedKeyUsage == [.clientAuthentication, .any])
    }

    @Test("PEM gives all certificates of a text, and DER nothing but one")
    func encodings() throws {
        let factory = try CertificateFactory()
        let leaf = try factory.leaf()
        let root = factory.authority.certificate
        #expect(try Certificate.certificates(pem: leaf.pem() + root.pem()) == [leaf, root])
        #expect(try Certificate(der: leaf.der) == leaf)
        #expect(throws: CryptographyError.malformed(.certificate)) { try Certificate(der: leaf.der + [0]) }
        #expect(throws: CryptographyError.malformed(.certificate)) { try Certificate(der: leaf.der.dropLast()) }
        #expect(throws: CryptographyError.malformed(.certificate)) { try Certificate.certificates(pem: []) }
        let broken = try leaf.pem() + Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8)
        #expect(throws: CryptographyError.malformed(.certificate)) { try Certificate.certificates(pem: broken) }
    }

    @Test("a DER longer than the limit is not looked at", arguments: [-1, 0, 1])
    func derLimit(over: Int) {
        let der = [UInt8](repeating: 0x30, count: Certificate.derBytesLimit + over)
        let expected =
            over > 0
            ? CryptographyError.wrongLength(.certificate, expected: Certificate.derBytesLimit, actual: der.count)
            : .malformed(.certificate)
        #expect(throws: expected) { try Certificate(der: der) }
    }

    @Test("an authority takes only its own key, and a leaf is no authority")
    func authorityPair() throws {
        let factory = try CertificateFactory()
        #expect(throws: CryptographyError.unsupported(.privateKey)) {
            try CertificateAuthority(certificate: factory.authority.certificate, key: factory.key)
        }
        #expect(throws: CryptographyError.unsupported(.certificate)) {
            try CertificateAuthority(certificate: factory.leaf(), key: factory.key)
        }
    }

    @Test("a server certificate lives at most 90 days", arguments: [-1, 0, 1])
    func serverLifetime(over: Int64) throws {
        let factory = try CertificateFactory()
        let validity = try CertificateFactory.validity(0, CertificateAuthority.serverLifetimeLimit + over)
        func issue() throws -> Certificate {
            try factory.authority.issueServer(
                dnsNames: ["events.example"], addresses: [[127, 0, 0, 1]], name: "events",
                key: factory.key.publicKey(), validity: validity, random: .system)
        }
        if over > 0 {
            #expect(throws: CryptographyError.malformed(.validity)) { try issue() }
        } else {
            let server = try issue()
            #expect(server.names.dnsNames == [Array("events.example".utf8)])
            #expect(server.names.addresses == [[127, 0, 0, 1]])
            #expect(server.usage.extendedKeyUsage == .serverAuthentication)
        }
    }

    @Test("a common name has 1 to 64 bytes", arguments: [0, 1, 64, 65])
    func commonName(count: Int) throws {
        let name = String(repeating: "n", count: count)
        if (1...64).contains(count) {
            #expect(try CertificateFactory(name: name).authority.certificate.subject == "CN=\(name)")
        } else {
            #expect(throws: CryptographyError.malformed(.subjectName)) { try CertificateFactory(name: name) }
        }
    }

    @Test("a signing request proves possession of its key")
    func signingRequest() throws {
        let key = try PrivateKey.generate(.ecdsaP256)
        let request = try CertificateSigningRequest(name: "sender", key: key)
        let read = try CertificateSigningRequest(pem: request.pem)
        #expect(try read.publicKey.der == key.publicKey().der)
        #expect(read.subject == "CN=sender")
        #expect(throws: CryptographyError.malformed(.signingRequest)) { try CertificateSigningRequest(pem: [1]) }
        // The last base64 character but two lies in the signature.
        var forged = request.pem
        let position = try #require(forged.firstRange(of: Array("\n-----END".utf8))).lowerBound - 6
        forged[position] = forged[position] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        #expect(throws: CryptographyError.malformed(.signature)) { try CertificateSigningRequest(pem: forged) }
    }
}
