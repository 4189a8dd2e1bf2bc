import Domain
import TestKit
import Testing

@testable import Network

/// A header with its parts, each of which can be wrong.
private struct Header {
    var signature = ProxyHeader.signature
    var versionAndCommand: UInt8 = 0x21
    var family: UInt8 = 0x11
    var addresses: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0x20, 0xFB]
    var additions: [UInt8] = []
    var length: Int?

    var bytes: [UInt8] {
        let length = length ?? addresses.count + additions.count
        return signature + [versionAndCommand, family, UInt8(length >> 8), UInt8(length & 0xFF)] + addresses + additions
    }

    /// The same with a right checksum behind the other additions.
    var checked: [UInt8] {
        var header = self
        header.additions += [0x03, 0, 4, 0, 0, 0, 0]
        let sum = CRC32C.checksum(header.bytes)
        header.additions.removeLast(4)
        header.additions += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) }
        return header.bytes
    }

    static let six: Header = {
        var header = Header()
        header.family = 0x21
        header.addresses =
            [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [7] + [UInt8](repeating: 0, count: 16)
            + [0x30, 0x39, 0x20, 0xFB]
        return header
    }()
}

private func read(_ bytes: [UInt8]) -> Result<ProxyHeader?, ProxyHeaderRefusal> {
    do throws(ProxyHeaderRefusal) { return .success(try ProxyHeader.read(bytes)) } catch { return .failure(error) }
}

private func changed(_ change: (inout Header) -> Void) -> [UInt8] {
    var header = Header()
    change(&header)
    return header.bytes
}

@Suite struct ProxyHeaderTests {
    @Test("the checksum is that of the standard's vectors")
    func checksum() {
        // RFC 3720, appendix B.4: 32 bytes of zeros, of ones, and 0 … 31.
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(Array(0..<32)) == 0x46DD_794E)
    }

    @Test("a client's address is read of either family, and one of IPv4 inside IPv6 is the IPv4 address")
    func reads() {
        #expect(read(Header().bytes) == .success(.init(origin: .client(address: "192.0.2.7"), byteCount: 28)))
        #expect(read(Header.six.bytes) == .success(.init(origin: .client(address: "2001:db8::7"), byteCount: 52)))
        var mapped = Header.six
        mapped.addresses.replaceSubrange(0..<16, with: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 10, 1, 2, 3])
        #expect(read(mapped.bytes) == .success(.init(origin: .client(address: "10.1.2.3"), byteCount: 52)))
    }

    @Test("a LOCAL header keeps the socket's address, whatever stands behind its command")
    func local() {
        for family: UInt8 in [0x00, 0x11, 0x31, 0xFF] {
            let bytes = changed {
                $0.versionAndCommand = 0x20
                $0.family = family
                $0.addresses = [1, 2, 3]
            }
            #expect(read(bytes) == .success(.init(origin: .local, byteCount: 19)))
        }
    }

    @Test("additions are passed over, and a right checksum is right")
    func additions() {
        var header = Header()
        header.additions = [0x01, 0, 2, 0x68, 0x32, 0x04, 0, 0, 0xEA, 0, 1, 9]
        #expect(read(header.bytes) == .success(.init(origin: .client(address: "192.0.2.7"), byteCount: 40)))
        #expect(read(header.checked) == .success(.init(origin: .client(address: "192.0.2.7"), byteCount: 47)))
        #expect(read(Header.six.checked) == .success(.init(origin: .client(address: "2001:db8::7"), byteCount: 59)))
    }

    @Test("it may come byte by byte, and what follows it is left alone")
    func byteByByte() {
        let bytes = Header.six.checked
        for count in 0..<bytes.count { #expect(read(Array(bytes.prefix(count))) == .success(nil), "\(count) bytes") }
        #expect(read(bytes + [0x16, 0x03, 0x01]) == read(bytes))
    }

    @Test("each part that is wrong is refused by its name, as soon as it shows", arguments: [
        (changed { $0.signature[0] = 0x0A }, 1, .signature), (changed { $0.signature[11] = 0 }, 12, .signature),
        (changed { $0.versionAndCommand = 0x11 }, 13, .version),
        (changed { $0.versionAndCommand = 0x31 }, 13, .version),
        (changed { $0.versionAndCommand = 0x22 }, 13, .command),
        (changed { $0.versionAndCommand = 0x2F }, 13, .command),
        (changed { $0.family = 0x00 }, 14, .family), (changed { $0.family = 0x12 }, 14, .family),
        (changed { $0.family = 0x22 }, 14, .family), (changed { $0.family = 0x31 }, 14, .family),
        (changed { $0.family = 0x10 }, 14, .family), (changed { $0.length = 11 }, 16, .tooShort),
        (changed { $0.length = 4081 }, 16, .tooLong), (changed { $0.length = 65_535 }, 16, .tooLong),
        (changed { $0.additions = [1] }, 29, .addition), (changed { $0.additions = [1, 0] }, 30, .addition),
        (changed { $0.additions = [1, 0, 1] }, 31, .addition),
        (changed { $0.additions = [1, 0xFF, 0xFF, 0] }, 32, .addition),
        (changed { $0.additions = [3, 0, 3, 0, 0, 0] }, 34, .checksum),
        (changed { $0.additions = [3, 0, 4, 0, 0, 0, 0] }, 35, .checksum),
    ] as [([UInt8], Int, ProxyHeaderRefusal)])
    func refused(bytes: [UInt8], at count: Int, refusal: ProxyHeaderRefusal) {
        #expect(read(Array(bytes.prefix(count - 1))) == .success(nil))
        #expect(read(Array(bytes.prefix(count))) == .failure(refusal))
        #expect(read(bytes) == .failure(refusal))
    }

    @Test("six addresses need 36 bytes")
    func sixTooShort() {
        var header = Header.six
        header.length = 35
        #expect(read(header.bytes) == .failure(.tooShort))
    }

    @Test("a header of 4096 bytes is read, one of 4097 is not")
    func length() {
        var header = Header()
        header.additions = [0xEE, 0x0F, 0xE1] + [UInt8](repeating: 7, count: 4065)
        #expect(header.bytes.count == 4096)
        #expect(read(header.bytes) == .success(.init(origin: .client(address: "192.0.2.7"), byteCount: 4096)))
        header.additions = [0xEE, 0x0F, 0xE2] + [UInt8](repeating: 7, count: 4066)
        #expect(read(header.bytes) == .failure(.tooLong))
    }

    @Test("any flipped bit of a header with a checksum is refused; LOCAL and another addition than a checksum are not")
    func flippedBits() {
        let bytes = Header.six.checked
        for bit in 0..<bytes.count * 8 {
            var other = bytes
            other[bit / 8] ^= 1 << UInt8(bit % 8)
            switch read(other) {
            case .failure: continue
            // The command became LOCAL, or the length longer than what is here.
            case .success(nil): #expect(bit / 8 == 14 || bit / 8 == 15, "bit \(bit)")
            case .success(let header?) where bit == 12 * 8: #expect(header.origin == .local)
            // The checksum became an addition of another type.
            case .success: #expect(bit / 8 == bytes.count - 7, "bit \(bit)")
            }
        }
    }

    @Test("two checksums are refused, and so is the text of version 1")
    func others() {
        var header = Header()
        header.additions = Array(header.checked.suffix(7))
        #expect(read(header.checked) == .failure(.checksum))
        #expect(read(Array("PROXY TCP4 192.0.2.7 10.0.0.1 12345 8443\r\n".utf8)) == .failure(.signature))
        #expect(read([0x16, 0x03, 0x01, 0x02]) == .failure(.signature))
    }
}

@Suite("Behind a proxy")
struct ProxiedConnectionTests {
    private static let request = Array("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8)

    /// A server that believes 127.0.0.1 and says back from where it is asked.
    private func server(
        admits: @escaping @Sendable (String) -> Bool = { _ in true }, limits: ConnectionLimits = ConnectionLimits(),
        budgets: ConnectionBudgets = ConnectionBudgets(), isBelieved: Bool = true
    ) async throws -> TestServer {
        try await TestServer.start(
            limits: limits, budgets: budgets, sources: SourceSlot(admits: admits),
            proxies: SourceSlot { isBelieved && $0 == "127.0.0.1" },
            answer: { request, connection, token in
                connection.respond(
                    Response(
                        status: 200, contentType: .text, requestID: UniqueID(high: 1, low: 2),
                        body: Array(connection.facts.sourceAddress.utf8)), to: token)
            })
    }

    @Test("the source address is the client's, header and request in one read or byte by byte")
    func address() async throws {
        let server = try await server(admits: { $0 == "192.0.2.7" })
        let whole = try RawClient(port: server.port)
        whole.send(Header().bytes + Self.request)
        #expect(Answers(parsing: whole.receiveAnswers(1)).bodies == ["192.0.2.7"])
        let slow = try RawClient(port: server.port)
        for byte in Header().checked + Self.request { slow.send([byte]) }
        #expect(Answers(parsing: slow.receiveAnswers(1)).bodies == ["192.0.2.7"])
        #expect(server.seen.refusals == [])
        await server.stop()
    }

    @Test("an IPv6 client that a proxy names is itself to policies, and its /64 to limits")
    func block() async throws {
        let server = try await TestServer.start(
            proxies: SourceSlot { $0 == "127.0.0.1" },
            answer: { request, connection, token in
                let facts = connection.facts
                connection.respond(
                    Response(
                        status: 200, contentType: .text, requestID: UniqueID(high: 1, low: 2),
                        body: Array("\(facts.sourceAddress) \(facts.addressBlock)".utf8)), to: token)
            })
        let client = try RawClient(port: server.port)
        client.send(Header.six.bytes + Self.request)
        #expect(Answers(parsing: client.receiveAnswers(1)).bodies == ["2001:db8::7 2001:db8::/64"])
        await server.stop()
    }

    @Test("the allow-list holds the client's address, and the proxy's own for a LOCAL header")
    func allowList() async throws {
        let server = try await server(admits: { $0 == "10.9.9.9" })
        let client = try RawClient(port: server.port)
        client.send(Header().bytes + Self.request)
        #expect(client.receiveAll().isEmpty)
        let check = try RawClient(port: server.port)
        check.send(changed { $0.versionAndCommand = 0x20 } + Self.request)
        #expect(check.receiveAll().isEmpty)
        #expect(server.seen.refusals == Array(repeating: "the listener is not for this network", count: 2))
        await server.stop()
        let open = try await self.server(admits: { $0 == "127.0.0.1" })
        let local = try RawClient(port: open.port)
        local.send(changed { $0.versionAndCommand = 0x20 } + Self.request)
        #expect(Answers(parsing: local.receiveAnswers(1)).bodies == ["127.0.0.1"])
        #expect(open.gate.openConnections == 1)
        await open.stop()
    }

    @Test("a proxy that sends no header is refused; anyone else who sends one is, too")
    func required() async throws {
        let server = try await server()
        let bare = try RawClient(port: server.port)
        bare.send(Self.request)
        #expect(bare.receiveAll().isEmpty)
        #expect(
            server.seen.refusals == [
                "the PROXY protocol header was refused: it does not begin with the signature of version 2"
            ])
        #expect(server.seen.requests == 0)
        await server.stop()
        let other = try await self.server(isBelieved: false)
        let liar = try RawClient(port: other.port)
        liar.send(Header().bytes + Self.request)
        #expect(!Answers(parsing: liar.receiveAll()).statuses.contains(200))
        #expect(other.seen.requests == 0)
        await other.stop()
    }

    @Test("a header that does not come in time is waited for no longer")
    func deadline() async throws {
        var limits = ConnectionLimits()
        limits.handshakeNanoseconds = 100 * .millisecond
        let server = try await server(limits: limits)
        let silent = try RawClient(port: server.port)
        silent.send(Array(Header().bytes.prefix(20)))
        #expect(silent.receiveAll().isEmpty)
        #expect(server.seen.refusals == ["the TLS handshake took too long"])
        await server.stop()
        #expect(server.gate.openConnections == 0)
    }

    @Test("unfinished handshakes are counted for the client's address, not for the proxy's")
    func handshakes() async throws {
        let gate = AcceptGate(budgets: {
            var budgets = ConnectionBudgets()
            budgets.handshakingPerAddress = 2
            return budgets
        }())
        for _ in 0..<5 { #expect(gate.enter(block: nil) == .admitted) }
        #expect(gate.beginHandshake(block: "192.0.2.7"))
        #expect(gate.beginHandshake(block: "192.0.2.7"))
        #expect(!gate.beginHandshake(block: "192.0.2.7"))
        #expect(gate.beginHandshake(block: "192.0.2.8"))
        gate.finishHandshake(block: "192.0.2.7")
        #expect(gate.beginHandshake(block: "192.0.2.7"))
        #expect(gate.enter(block: "192.0.2.7") == .overHandshaking)
        #expect(gate.openConnections == 5)
    }
}
