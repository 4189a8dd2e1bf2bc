import Cryptography
@testable import TLS
import Testing

@Suite struct SessionTests {
    /// The suite that the ServerHello at the front of `flight` picks. Source: RFC 8446 sections 4.1.3 and 5.1.
    private static func suite(ofServerHello flight: [UInt8]) -> UInt16? {
        // Headers of record and message, version and random; the length of the session id stands behind them.
        guard flight.count > 43, flight[0] == 22, flight[5] == 2 else { return nil }
        let start = 44 + Int(flight[43])
        guard flight.count > start + 1 else { return nil }
        return UInt16(flight[start]) << 8 | UInt16(flight[start + 1])
    }

    @Test("a client with a certificate and a server agree on TLS 1.3 and h2", arguments: [Int.max, 1, 7])
    func handshake(pieces: Int) throws {
        let fixture = try TLSFixture()
        let leaf = try fixture.leaf()
        let (client, server) = (try fixture.client(leaf), try fixture.server())
        _ = try server.feed(client.takeAll(), size: pieces)
        let answer = server.takeAll()
        #expect(Self.suite(ofServerHello: answer) == 0x1301, "a suite of TLS 1.3 alone")
        _ = try client.feed(answer, size: pieces)
        converse(client, server, size: pieces)
        let agreed = try #require(server.handshake)
        #expect(agreed.applicationProtocol == .http2)
        #expect(agreed.verifiedChain?.leaf == leaf)
        #expect(agreed.verifiedChain?.issuer == fixture.clients.certificate)
        #expect(client.handshake?.verifiedChain?.issuer == fixture.servers.certificate)
        #expect(server.pendingCiphertextBytes == 0 && client.pendingCiphertextBytes == 0)
    }

    @Test("plaintext arrives whole and in order, however the ciphertext is cut", arguments: [Int.max, 1, 1000])
    func transfer(pieces: Int) throws {
        let fixture = try TLSFixture()
        let (client, server) = (try fixture.client(fixture.leaf()), try fixture.server())
        converse(client, server)
        for count in [1, 1024, 16_384, 16_385, 100_000] {
            let message = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try client.send(message)
            #expect(try server.feed(client.takeAll(), size: pieces) == message)
            try server.send(message)
            #expect(try client.feed(server.takeAll(), size: pieces) == message)
        }
    }

    @Test("what is not read stays with the caller")
    func backPressure() throws {
        let fixture = try TLSFixture()
        let (client, server) = (try fixture.client(fixture.leaf()), try fixture.server())
        converse(client, server)
        try client.send([UInt8](repeating: 1, count: 64_000))
        let ciphertext = client.takeAll()
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 1)
        defer { room.deallocate() }
        try ciphertext.withUnsafeBytes { bytes in
            var rest = bytes
            #expect(try server.read(from: &rest, into: room) == .plaintext(100))
            #expect(rest.count > ciphertext.count - 17_000)
            var total = 100
            while case .plaintext(let count) = try server.read(from: &rest, into: room) { total += count }
            #expect(total == 64_000 && rest.isEmpty)
        }
    }

    @Test("pending ciphertext is given in parts and once")
    func partialTake() throws {
        let client = try TLSFixture().client(nil)
        let count = client.pendingCiphertextBytes
        #expect(count > 100)
        client.takeCiphertext { _ in 10 }
        #expect(client.pendingCiphertextBytes == count - 10)
        #expect(client.takeAll().count == count - 10)
        #expect(client.takeAll().isEmpty)
    }

    @Test("room that is lent takes what goes out, and comes back; what still waits in it stays with the session")
    func lentRoom() throws {
        let fixture = try TLSFixture()
        let (client, server) = (try fixture.client(fixture.leaf()), try fixture.server())
        converse(client, server)
        var room: [UInt8] = []
        room.reserveCapacity(100_000)
        for isTaken in [true, false, true] {
            let earlier = server.pendingCiphertextBytes
            let sent = server.writing(into: &room) { () -> [UInt8] in
                do { try [UInt8](repeating: 7, count: 50).withUnsafeBytes { try server.write($0) } } catch {
                    Issue.record(error)
                }
                return isTaken ? server.takeAll() : []
            }
            #expect(room.isEmpty)
            #expect(server.pendingCiphertextBytes == (isTaken ? 0 : 72))
            if isTaken { #expect(try client.feed(sent).count == 50 * (earlier > 0 ? 2 : 1)) }
        }
    }

    @Test("the peer's close_notify is the end: what is read after it is the end again, and nothing is written")
    func ends() throws {
        let fixture = try TLSFixture()
        let (client, server) = (try fixture.client(fixture.leaf()), try fixture.server())
        converse(client, server)
        client.shutdown()
        #expect(try server.feed(client.takeAll()) == [])
        guard case .closed = server.state else {
            Issue.record("not closed")
            return
        }
        #expect(try server.feed([1]) == [])
        #expect(throws: TLSError.ended) { try server.send([1]) }
    }

    @Test("writing before the handshake is refused")
    func earlyWrite() throws {
        let server = try TLSFixture().server()
        #expect(throws: TLSError.ended) { try server.send([1]) }
    }

    @Test("http/1.1 is spoken when it is all a client offers")
    func http11() throws {
        let fixture = try TLSFixture()
        let (client, server) = (try fixture.client(fixture.leaf(), protocols: [.http11]), try fixture.server())
        converse(client, server)
        #expect(server.handshake?.applicationProtocol == .http11)
    }

    @Test("a client that does not use ALPN is refused with the alert for it")
    func noProtocol() throws {
        let fixture = try TLSFixture()
        let (client, server) = (try fixture.client(fixture.leaf(), protocols: []), try fixture.server())
        converse(client, server)
        #expect(server.failure == .noApplicationProtocol)
        #expect(client.failure == .alert(120))
    }

    @Test("a protocol list is found whole, never beyond its end")
    func protocolLists() {
        func find(_ list: [UInt8]) -> Range<Int>? {
            list.withUnsafeBufferPointer { ProtocolList.find(.http2, in: $0) }
        }
        #expect(find([2, 0x68, 0x32]) == 1..<3)
        #expect(find([1, 0x78, 2, 0x68, 0x32]) == 3..<5)
        #expect(find([3, 0x68, 0x32]) == nil)
        #expect(find([]) == nil)
        #expect(find([0, 0, 0]) == nil)
        #expect(find([2, 0x68, 0x33]) == nil)
    }

    @Test("a server of another name is refused by the client")
    func otherName() throws {
        let fixture = try TLSFixture()
        let (client, server) = (try fixture.client(fixture.leaf(), name: "elsewhere.example"), try fixture.server())
        converse(client, server)
        guard case .certificateRefused(let refusal, _)? = client.failure else {
            Issue.record("accepted")
            return
        }
        #expect(refusal.reason == .wrongName)
    }
}
