import COpenSSL
import Cryptography
@testable import TLS
import Testing

@Suite struct HostilePeerTests {
    @Test("bytes that are not TLS are refused at once")
    func garbage() throws {
        let fixture = try TLSFixture()
        for start in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}", "PRI * HTTP/2.0\r\n\r\n"] {
            let server = try fixture.server()
            #expect(throws: TLSError.self) { try server.feed(Array(start.utf8) + [UInt8](repeating: 0, count: 600)) }
            #expect(server.failure != nil)
            #expect(throws: TLSError.self) { try server.feed([1]) }
        }
    }

    @Test("a record well beyond what TLS allows is refused from its header", arguments: [18_000, 65_535])
    func longRecord(count: Int) throws {
        let server = try TLSFixture().server()
        let header: [UInt8] = [22, 3, 1, UInt8(count >> 8), UInt8(count & 255)]
        #expect(throws: TLSError.self) { try server.feed(header + [1, 0, 255, 255] + [UInt8](repeating: 0, count: 60)) }
    }

    @Test("a handshake that never ends is cut off at its limit")
    func endlessHandshake() throws {
        let server = try TLSFixture().server()
        // A ClientHello that announces 131 000 bytes, in records of 1 000.
        var first: [UInt8] = [1, 0x01, 0xff, 0x00, 3, 3] + [UInt8](repeating: 0, count: 994)
        var fed = 0
        #expect(throws: TLSError.handshakeTooLong) {
            while fed < 1_000_000 {
                _ = try server.feed([22, 3, 1, 0x03, 0xe8] + first)
                fed += 1005
                first = [UInt8](repeating: 0, count: 1000)
            }
        }
        #expect(fed <= TLSSession.handshakeBytesLimit)
        #expect(fed > TLSSession.handshakeBytesLimit - 2 * 1005)
    }

    @Test("TLS 1.1 and older are refused", arguments: [TLS1_VERSION, TLS1_1_VERSION])
    func oldVersions(version: Int32) throws {
        let peer = try RawPeer()
        peer.offer(version, version)
        let server = try TLSFixture().server(.none)
        converse(peer, server)
        #expect(server.failure == .unsupportedVersion)
    }

    @Test("TLS 1.2 is spoken with the six suites and refused with any other")
    func suites12() throws {
        for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
            "ECDHE-ECDSA-CHACHA20-POLY1305"] {
            let peer = try RawPeer()
            peer.offer(TLS1_2_VERSION, TLS1_2_VERSION, suites: suite)
            let server = try TLSFixture().server(.none)
            converse(peer, server)
            #expect(server.handshake != nil && peer.version == TLS1_2_VERSION)
        }
        for suite in ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA", "AES128-GCM-SHA256",
            "DHE-RSA-AES128-GCM-SHA256"] {
            let peer = try RawPeer()
            peer.offer(TLS1_2_VERSION, TLS1_2_VERSION, suites: suite)
            let server = try TLSFixture().server(.none)
            converse(peer, server)
            #expect(server.failure == .nothingShared)
        }
    }

    @Test("no ticket is sent, in TLS 1.2 or 1.3", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func noTickets(version: Int32) throws {
        let peer = try RawPeer()
        peer.offer(version, version)
        let server = try TLSFixture().server(.none)
        converse(peer, server)
        #expect(server.handshake != nil)
        try server.send([1])
        peer.receive(server.takeAll())
        #expect(!peer.hasTicket)
    }

    @Test("a client that renegotiates is not followed")
    func renegotiation() throws {
        let peer = try RawPeer()
        peer.offer(TLS1_2_VERSION, TLS1_2_VERSION)
        let server = try TLSFixture().server(.none)
        converse(peer, server)
        #expect(server.handshake != nil)
        let hello = peer.renegotiate()
        #expect(!hello.isEmpty)
        do throws(TLSError) { _ = try server.feed(hello) } catch { #expect(server.failure == error) }
        let answer = server.takeAll()
        // A warning or fatal alert record, never a handshake record (22).
        #expect(answer.first == 21)
    }

    @Test("more key updates than the limit end the session", arguments: [0, 1])
    func keyUpdates(over: Int) throws {
        let peer = try RawPeer()
        peer.offer(TLS1_3_VERSION, TLS1_3_VERSION)
        let server = try TLSFixture().server(.none)
        converse(peer, server)
        var failure: TLSError?
        for _ in 0..<(TLSSession.keyUpdatesLimit + over) {
            do throws(TLSError) { _ = try server.feed(peer.updateKey()) } catch { failure = error }
        }
        #expect(failure == (over > 0 ? .tooManyKeyUpdates : nil))
    }

    @Test("a changed bit in a record ends the session")
    func tampering() throws {
        let fixture = try TLSFixture()
        for position in [5, 20, 29] {
            let (client, server) = (try fixture.client(fixture.leaf()), try fixture.server())
            converse(client, server)
            try client.send([1, 2, 3, 4, 5, 6, 7, 8])
            var record = client.takeAll()
            record[position] ^= 1
            #expect(throws: TLSError.self) { try server.feed(record) }
            #expect(server.pendingCiphertextBytes > 0)
        }
    }
}
