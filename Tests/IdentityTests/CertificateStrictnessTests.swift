import Domain
import Identity
import Testing

@testable import Cryptography

/// Leaves that a chain check alone might let pass, and the one rule about the ends of validity.
@Suite struct CertificateStrictnessTests {
    let factory: CertificateFactory

    init() throws { factory = try CertificateFactory() }

    func refusal(_ change: (inout CertificateProfile) -> Void) throws -> CertificateRefusal? {
        var profile = CertificateFactory.profile()
        change(&profile)
        return try refused(factory.leaf(profile), now: CertificateFactory.now)
    }

    func refused(_ leaf: Certificate, now: Int64) throws -> CertificateRefusal? {
        do {
            _ = try factory.identity(of: leaf, now: now)
            return nil
        } catch let refusal as CertificateRefusal {
            return refusal
        }
    }

    @Test("a critical extension that no rule reads is refused, also when OpenSSL knows it")
    func unprocessedExtensions() throws {
        let constraints: [UInt8] = [0x30, 0x03, 0x80, 0x01, 0x00]
        #expect(try refusal { $0.rawExtensions = [("2.5.29.36", true, constraints)] } == .invalidExtension)
        #expect(try refusal { $0.rawExtensions = [("2.5.29.36", false, constraints)] } == nil)
    }

    @Test("a SPIFFE id in BER that is not DER names nobody")
    func notDistinguished() throws {
        let uri = Array(CertificateFactory.uri.utf8)
        let name = [0x86, UInt8(uri.count)] + uri
        let string = [0x16, UInt8(uri.count)] + uri
        let encodings: [[UInt8]] = [
            [0x30, UInt8(string.count + 2), 0xA6, UInt8(string.count)] + string,
            [0x30, UInt8(name.count)] + name + [0, 0], [0x30, 0x80] + name + [0, 0],
            [0x30, 0x82, 0, UInt8(name.count)] + name,
        ]
        for der in encodings {
            let found = try refusal {
                $0.names.uris = []
                $0.rawExtensions = [("2.5.29.17", false, der)]
            }
            #expect(found == .unreadableNames || found == .invalidExtension)
        }
    }

    @Test("chain and identity agree on validity to the second: both ends included", arguments: [-1, 0, 1] as [Int64])
    func validity(offset: Int64) throws {
        let leaf = try factory.leaf(CertificateFactory.profile())
        let before = leaf.notBefore + offset
        let after = leaf.notAfter + offset
        #expect(try (refused(leaf, now: before) == nil) == (offset >= 0))
        #expect(try (refused(leaf, now: after) == nil) == (offset <= 0))
        for moment in [before, after] {
            switch factory.store.verify([leaf], at: moment) {
            case .success: #expect(try refused(leaf, now: moment) == nil)
            case .failure: #expect(try refused(leaf, now: moment) != nil)
            }
        }
    }
}
