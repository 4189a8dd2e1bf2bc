import Cryptography
import Domain
import Glibc
import Synchronization
import TLS
import TestKit
import Testing

@testable import Network

/// An authority for clients, one for servers, and a certificate of each.
private struct Certificates {
    static let now = Int64(time(nil))
    let validity: ValidityPeriod
    let clients: CertificateAuthority
    let servers: CertificateAuthority
    let key: PrivateKey

    init() throws {
        validity = try ValidityPeriod(notBefore: Self.now - 3600, notAfter: Self.now + 3600)
        key = try .generate(.ecdsaP256)
        clients = try .root(
            name: "clients", pathLength: 1, key: .generate(.ecdsaP256), validity: validity, random: .system)
        servers = try .root(
            name: "servers", pathLength: 1, key: .generate(.ecdsaP256), validity: validity, random: .system)
    }

    func serverContext() throws -> ServerContext {
        let certificate = try servers.issueServer(
            dnsNames: ["localhost"], addresses: [], name: "localhost", key: key.publicKey(), validity: validity,
            random: .system)
        let list = try clients.revocationList(revoked: [], number: 1, validity: validity)
        let store = try CertificateStore(authorities: [clients.certificate], revocationLists: [list])
        return try ServerContext(
            chain: [certificate], key: key, clientCertificates: .required, selectStore: { _ in store })
    }

    func client(_ spoken: ApplicationProtocol, withCertificate: Bool = true) throws -> TLSSession {
        var configuration = CertificateStore.Configuration()
        configuration.purpose = .server
        configuration.requiresRevocationLists = false
        let store = try CertificateStore(
            authorities: [servers.certificate], revocationLists: [], configuration: configuration)
        let leaf = try clients.issueClient(
            uri: "spiffe://acme.example/account/111122223333/role/sender", name: "sender", key: key.publicKey(),
            validity: validity, random: .system)
        let context = try ClientContext(
            store: store, chain: withCertificate ? [leaf] : [], key: withCertificate ? key : nil, protocols: [spoken])
        return try TLSSession(client: context, serverName: "localhost")
    }
}

/// A TLS client over a blocking socket.
private struct TLSClient: ~Copyable {
    let raw: RawClient
    let session: TLSSession

    init(port: Int, session: TLSSession) throws {
        raw = try RawClient(port: port)
        self.session = session
    }

    private func sendPending() {
        while session.pendingCiphertextBytes > 0 {
            session.takeCiphertext { bytes in
                raw.send(Array(bytes))
                return bytes.count
            }
        }
    }

    /// Reads until `isEnough`, the peer closes, or ten seconds pass.
    func read(until isEnough: ([UInt8]) -> Bool) throws -> [UInt8] {
        var plaintext: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 16_384)
        sendPending()
        while !isEnough(plaintext) {
            let some = raw.receiveSome()
            if some.isEmpty { return plaintext }
            try some.withUnsafeBytes { bytes in
                var rest = bytes
                reading: while true {
                    switch try room.withUnsafeMutableBytes({ try session.read(from: &rest, into: $0) }) {
                    case .plaintext(let count): plaintext += room[..<count]
                    case .needsMore, .closed: break reading
                    }
                }
            }
            sendPending()
            if plaintext.isEmpty, case .established = session.state, isEnough([]) { return [] }
        }
        return plaintext
    }

    func handshake() throws {
        _ = try read { _ in if case .handshaking = session.state { false } else { true } }
    }

    func send(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try session.write($0) }
        sendPending()
    }
}

@Suite("TLS listeners")
struct TLSServerTests {
    private func start(
        _ certificates: Certificates, limits: ConnectionLimits = ConnectionLimits()
    ) async throws -> (TestServer, ServerContextSlot) {
        let slot = ServerContextSlot(try certificates.serverContext())
        return (try await TestServer.start(limits: limits, security: .tls(slot)), slot)
    }

    @Test("HTTP/1.1 over mutual TLS is served, also after the context was replaced")
    func servesHTTP1() async throws {
        let certificates = try Certificates()
        let (server, slot) = try await start(certificates)
        for _ in 0..<2 {
            let client = try TLSClient(port: server.port, session: certificates.client(.http11))
            try client.handshake()
            try client.send(Array("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8))
            let answer = try client.read { Answers(parsing: $0).complete == 1 }
            #expect(Answers(parsing: answer).bodies == ["GET / a.example [host=a.example] <> 0"])
            slot.replace(with: try certificates.serverContext())
        }
        await server.stop()
    }

    @Test("HTTP/2 over mutual TLS is served and drained by GOAWAY")
    func servesHTTP2() async throws {
        let certificates = try Certificates()
        let (server, _) = try await start(certificates)
        let client = try TLSClient(port: server.port, session: certificates.client(.http2))
        try client.handshake()
        let authority = Array("a.example".utf8)
        let block: [UInt8] = [0x82, 0x84, 0x87, 0x41, UInt8(authority.count)] + authority
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        try client.send(preface + [0, 0, UInt8(block.count), 1, 5, 0, 0, 0, 1] + block)
        let bytes = try client.read { Frames(parsing: $0).list.contains { $0.type == 0 && $0.flags & 1 == 1 } }
        let frames = Frames(parsing: bytes).list
        #expect(frames.contains { $0.type == 1 && $0.stream == 1 && $0.payload.first == 0x88 })
        #expect(
            frames.contains { $0.type == 0 && String(decoding: $0.payload, as: UTF8.self) == "GET / a.example <> 0" })
        async let drained: Void = server.listener.drain()
        let goodbye = try client.read { Frames(parsing: $0).list.filter { $0.type == 7 }.count == 2 }
        let lastIDs = Frames(parsing: goodbye).list.filter { $0.type == 7 }.map { Array($0.payload.prefix(4)) }
        #expect(lastIDs == [[0x7F, 0xFF, 0xFF, 0xFF], [0, 0, 0, 1]])
        client.raw.finishSending()
        await drained
        await server.stop()
    }

    @Test("an HTTP/2 client that shuts its side after a request still gets its answer")
    func answersHalfClosed() async throws {
        let certificates = try Certificates()
        let (server, _) = try await start(certificates)
        let client = try TLSClient(port: server.port, session: certificates.client(.http2))
        try client.handshake()
        let block: [UInt8] = [0x82, 0x84, 0x87, 0x41, 1, 0x61]
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        try client.send(preface + [0, 0, UInt8(block.count), 1, 5, 0, 0, 0, 1] + block)
        client.raw.finishSending()
        let bytes = try client.read { _ in false }
        #expect(Frames(parsing: bytes).list.contains { $0.type == 0 && $0.flags & 1 == 1 && $0.stream == 1 })
        await server.stop()
    }

    @Test("the end of a connection is seen while its loop withholds reading, what was sent before it included")
    func endWhileWithheld() async throws {
        let certificates = try Certificates()
        let (server, _) = try await start(certificates)
        for isAsking in [false, true] {
            let before = server.seen.closed
            await server.loops.onEach { $0.worker.withholdsReading = false }
            do {
                let client = try TLSClient(port: server.port, session: certificates.client(.http11))
                try client.handshake()
                try client.send(Array("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8))
                _ = try client.read { Answers(parsing: $0).complete == 1 }
                await server.loops.onEach { $0.worker.withholdsReading = true }
                // The read that was asked for before still happens; the next one does not.
                try client.send(Array("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8))
                _ = try client.read { Answers(parsing: $0).complete == 1 }
                if isAsking { try client.send(Array("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8)) }
                for _ in 0..<3 { await server.loops.onEach { _ in } }
            }
            let end = ContinuousClock.now + .seconds(5)
            while server.seen.closed == before, ContinuousClock.now < end { await Task.yield() }
            #expect(server.seen.closed == before + 1)
        }
        await server.stop()
    }

    @Test("a frame that lies unread while the log is behind has its whole time afterwards")
    func frameWhileWithheld() async throws {
        let certificates = try Certificates()
        var limits = ConnectionLimits()
        limits.headerBlockNanoseconds = 1 * .second
        limits.handshakeNanoseconds = 2 * .second
        let (server, _) = try await start(certificates, limits: limits)
        let client = try TLSClient(port: server.port, session: certificates.client(.http2))
        try client.handshake()
        try client.send(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0])
        _ = try client.read { Frames(parsing: $0).list.contains { $0.type == 4 && $0.flags == 1 } }
        await server.loops.onEach { $0.worker.withholdsReading = true }
        try client.send([0, 0, 8])
        // Another is given up after two seconds: so long nothing was read.
        #expect(try RawClient(port: server.port).receiveAll().isEmpty)
        while server.seen.closed == 0 { await Task.yield() }
        #expect(server.seen.closed == 1)
        await server.loops.onEach {
            $0.worker.withholdsReading = false
            $0.scheduleRound()
        }
        try client.send([6, 0, 0, 0, 0, 0] + [UInt8](1...8))
        let frames = try client.read { Frames(parsing: $0).list.contains { $0.type == 6 } }
        #expect(Frames(parsing: frames).list.contains { $0.type == 6 && $0.flags == 1 })
        await server.stop()
    }

    @Test("an HTTP/2 upload past the budget for content stands still, its window closed, and a small one is served")
    func bodyBudget() async throws {
        let certificates = try Certificates()
        var budgets = ConnectionBudgets()
        budgets.bodyBytes = 40_000
        let server = try await TestServer.start(
            budgets: budgets, security: .tls(ServerContextSlot(try certificates.serverContext())))
        let block: [UInt8] = [0x83, 0x84, 0x87, 0x41, 1, 0x61]
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        func data(_ count: Int, stream: UInt8, ends: Bool) -> [UInt8] {
            [0, UInt8(count >> 8), UInt8(count & 0xFF), 0, ends ? 1 : 0, 0, 0, 0, stream]
                + [UInt8](repeating: 0x61, count: count)
        }
        let large = try TLSClient(port: server.port, session: certificates.client(.http2))
        try large.handshake()
        try large.send(preface)
        for stream: UInt8 in [1, 3, 5] {
            try large.send([0, 0, UInt8(block.count), 1, 4, 0, 0, 0, stream] + block)
            try large.send(data(16_000, stream: stream, ends: false))
        }
        while server.gate.bodies.held <= budgets.bodyBytes { await Task.yield() }
        #expect(server.gate.bodies.held <= 48_000)
        let small = try TLSClient(port: server.port, session: certificates.client(.http2))
        try small.handshake()
        try small.send(preface + [0, 0, UInt8(block.count), 1, 4, 0, 0, 0, 1] + block + data(2, stream: 1, ends: true))
        let answer = try small.read { Frames(parsing: $0).list.contains { $0.type == 0 && $0.flags & 1 == 1 } }
        #expect(Frames(parsing: answer).list.contains { $0.type == 1 && $0.payload.first == 0x88 })
        // What is over the budget is not read: the end of the streams is not seen, and the peer goes unanswered.
        for stream: UInt8 in [1, 3, 5] { try large.send(data(1, stream: stream, ends: true)) }
        for _ in 0..<20 { await server.loops.onEach { _ in } }
        #expect(server.seen.requests == 1)
        #expect(server.gate.bodies.held >= 48_000 - 16_000)
        large.raw.finishSending()
        let end = ContinuousClock.now + .seconds(10)
        while server.gate.bodies.held > 0, ContinuousClock.now < end { await Task.yield() }
        #expect(server.gate.bodies.held == 0)
        await server.stop()
    }

    @Test("an HTTP/2 upload that its head refuses is answered before its content is whole, and nothing of it is kept")
    func refusesHead() async throws {
        let certificates = try Certificates()
        let server = try await TestServer.start(
            security: .tls(ServerContextSlot(try certificates.serverContext())), refuseHead: EarlyAnswer.refuse)
        let block: [UInt8] = [0x83, 0x84, 0x87, 0x41, 1, 0x61]
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        let client = try TLSClient(port: server.port, session: certificates.client(.http2))
        try client.handshake()
        let content = [UInt8](repeating: 0x61, count: 10_000)
        let data: [UInt8] = [0, 0x27, 0x10, 0, 0, 0, 0, 0, 1] + content
        try client.send(preface + [0, 0, UInt8(block.count), 1, 4, 0, 0, 0, 1] + block + data)
        let answer = try client.read { Frames(parsing: $0).list.contains { $0.type == 0 && $0.flags & 1 == 1 } }
        #expect(
            Frames(parsing: answer).list.contains {
                $0.type == 0 && String(decoding: $0.payload, as: UTF8.self) == EarlyAnswer.text
            })
        #expect(server.gate.bodies.held == 0)
        for _ in 0..<3 { try client.send(data) }
        let reset = try client.read { Frames(parsing: $0).list.contains { $0.type == 3 } }
        #expect(Frames(parsing: reset).list.first { $0.type == 3 }?.payload == [0, 0, 0, 0])
        #expect(server.gate.bodies.held == 0)
        #expect(server.seen.heads == [0])
        #expect(server.seen.requests == 0)
        await server.stop()
    }

    @Test("requests of HTTP/2 are cancelled when their stream is reset, and when their connection ends")
    func cancels() async throws {
        let certificates = try Certificates()
        let server = try await TestServer.start(
            security: .tls(ServerContextSlot(try certificates.serverContext())), answer: { _, _, _ in })
        let block: [UInt8] = [0x82, 0x84, 0x87, 0x41, 1, 0x61]
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        func request(_ stream: UInt8) -> [UInt8] { [0, 0, UInt8(block.count), 1, 5, 0, 0, 0, stream] + block }
        func until(_ cancelled: [UInt64]) async {
            let end = ContinuousClock.now + .seconds(10)
            while server.seen.cancelled.count < cancelled.count, ContinuousClock.now < end { await Task.yield() }
            #expect(server.seen.cancelled == cancelled)
        }
        do {
            let client = try TLSClient(port: server.port, session: certificates.client(.http2))
            try client.handshake()
            try client.send(preface + request(1) + request(3) + request(5) + request(7))
            while server.seen.requests < 4 { await Task.yield() }
            try client.send([0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 8])
            await until([3])
            // A window of 2^31 - 1 octets more: the gateway resets the stream.
            try client.send([0, 0, 4, 8, 0, 0, 0, 0, 5, 0x7F, 0xFF, 0xFF, 0xFF])
            await until([3, 5])
        }
        await until([3, 5, 1, 7])
        await server.stop()
        #expect(server.seen.cancelled == [3, 5, 1, 7], "each once")
    }

    @Test("a client without a certificate, and one that is not TLS, are refused with a reason")
    func refuses() async throws {
        let certificates = try Certificates()
        let (server, _) = try await start(certificates)
        let client = try TLSClient(port: server.port, session: certificates.client(.http2, withCertificate: false))
        do {
            try client.handshake()
            _ = try client.read { !$0.isEmpty }
        } catch {
            #expect(error is TLSError)
        }
        let plain = try RawClient(port: server.port)
        plain.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        _ = plain.receiveAll()
        #expect(server.seen.refusals.count == 2)
        #expect(server.seen.refusals.allSatisfy { $0.hasPrefix("the TLS handshake failed: ") })
        #expect(server.seen.requests == 0)
        await server.stop()
    }

    @Test("a handshake that stalls is cut at its deadline")
    func cutsHandshakes() async throws {
        var limits = ConnectionLimits()
        limits.handshakeNanoseconds = 1 * .second
        let (server, _) = try await start(Certificates(), limits: limits)
        let client = try RawClient(port: server.port)
        let begin = ContinuousClock.now
        client.send([0x16, 0x03])
        #expect(client.receiveAll().isEmpty)
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        #expect(seconds > 0.9 && seconds < 2.5)
        #expect(server.seen.refusals == ["the TLS handshake took too long"])
        await server.stop()
    }
}

/// The HTTP/2 frames in a stream of bytes.
private struct Frames {
    struct Frame {
        let type: UInt8
        let flags: UInt8
        let stream: Int
        let payload: [UInt8]
    }

    var list: [Frame] = []

    init(parsing bytes: [UInt8]) {
        var at = 0
        while at + 9 <= bytes.count {
            let count = Int(bytes[at]) << 16 | Int(bytes[at + 1]) << 8 | Int(bytes[at + 2])
            guard at + 9 + count <= bytes.count else { return }
            let stream = bytes[(at + 5)..<(at + 9)].reduce(0) { $0 << 8 | Int($1) }
            list.append(
                Frame(
                    type: bytes[at + 3], flags: bytes[at + 4], stream: stream,
                    payload: Array(bytes[(at + 9)..<(at + 9 + count)])))
            at += 9 + count
        }
    }
}
