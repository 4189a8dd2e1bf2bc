@testable import Cryptography
import Testing

@Suite struct CertificateMemoryTests {
    @Test("a certificate that was accepted is given again for the same bytes, and for no others")
    func same() throws {
        let factory = try CertificateFactory()
        let (leaf, other) = (try factory.leaf(), try factory.leaf())
        let memory = CertificateMemory()
        #expect(try read(leaf, memory) !== leaf)
        #expect(memory.count == 0)
        memory.remember(leaf)
        memory.remember(try Certificate(der: leaf.der))
        #expect(memory.count == 1)
        #expect(try read(Certificate(der: leaf.der), memory) === leaf)
        #expect(try read(other, memory) !== leaf)
        #expect(try read(other, memory) == other)
    }

    private func read(_ certificate: Certificate, _ memory: CertificateMemory) throws -> Certificate {
        try memory.certificate(sharing: certificate.pointer)
    }

    @Test("certificates of 2047 and 2048 bytes are kept, one of 2049 is not", arguments: [-1, 0, 1])
    func bytes(beyond: Int) throws {
        let memory = CertificateMemory()
        memory.remember(try CertificateFactory().leaf(of: CertificateMemory.certificateBytesLimit + beyond))
        #expect(memory.count == (beyond > 0 ? 0 : 1))
    }

    @Test("a listener's memory holds 1024 certificates: the 1025th takes the place of the first")
    func certificates() throws {
        let factory = try CertificateFactory()
        let memory = CertificateMemory()
        let first = try factory.leaf()
        memory.remember(first)
        for _ in 2..<CertificateMemory.certificatesLimit { memory.remember(try factory.leaf()) }
        #expect(memory.count == CertificateMemory.certificatesLimit - 1)
        memory.remember(try factory.leaf())
        #expect(memory.count == CertificateMemory.certificatesLimit)
        #expect(try read(Certificate(der: first.der), memory) === first)
        memory.remember(try factory.leaf())
        #expect(memory.count == CertificateMemory.certificatesLimit)
        #expect(try read(Certificate(der: first.der), memory) !== first)
    }

    @Test("recent values keep to their limit, oldest first, and a value of the same key takes its place")
    func recentValues() {
        var recent = RecentValues<Int>(limit: 3)
        let keys = (0..<8).map { SHA256.hash([UInt8($0)]) }
        for (value, key) in keys.enumerated() {
            recent.add(-1, for: key)
            recent.add(value, for: key)
            #expect(recent.count == min(value + 1, 3))
            for other in keys.indices {
                #expect(recent[keys[other]] == ((value - 2)...value ~= other ? other : nil))
            }
        }
    }
}
