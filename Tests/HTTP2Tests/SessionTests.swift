import Domain
import Testing

@testable import HTTP2

@Suite("A server session")
struct SessionTests {
    private static let body = (0..<70_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

    @Test("the settings announced are the ones of the threat model")
    func announced() throws {
        let peer = Peer()
        let settings = try #require(peer.sent.first)
        #expect(settings.type == 4)
        let values = stride(from: 0, to: settings.payload.count, by: 6).map {
            (Int(settings.payload[$0]) << 8 | Int(settings.payload[$0 + 1]), settings.word(at: $0 + 2))
        }
        #expect(values.map(\.0) == [3, 4, 2, 6, 9])
        #expect(values.map(\.1) == [100, 65_535, 0, 16_384, 1])
        let update = try #require(peer.sent.first { $0.type == 8 })
        #expect(update.stream == 0)
        #expect(update.word(at: 0) == 1024 * 1024 - 65_535)
    }

    @Test("requests arrive whole however their bytes are cut", arguments: [1, 2, 9, 100, 16_384, .max])
    func cuts(size: Int) throws {
        let peer = Peer(greets: false)
        peer.writer.preface()
        peer.writer.post(stream: 1, body: Array(Self.body[..<1000]), more: [("x-amz-target", "AWSEvents.PutEvents")])
        peer.writer.headers(stream: 3)
        peer.writer.post(stream: 5, body: Array(Self.body[..<60_000]))
        peer.send(inPiecesOf: size)
        let requests = peer.requests()
        #expect(requests.map(\.stream) == [1, 3, 5])
        let first = try #require(requests.first?.request)
        #expect(first.method.equals("POST" as StaticString))
        #expect(first.target.equals("/" as StaticString))
        #expect(first.authority.equals("bus.example" as StaticString))
        #expect(first.body == Array(Self.body[..<1000]))
        #expect(first.fields.count == 2)
        #expect(first.fields.value(of: "x-amz-target")?.text == "AWSEvents.PutEvents")
        #expect(requests[1].request.body.isEmpty)
        #expect(requests[2].request.body == Array(Self.body[..<60_000]))
        #expect(peer.session.unanswered == 3)
        for stream in [1, 3, 5] as [Int32] { #expect(peer.respond(stream)) }
        peer.collect()
        #expect(peer.sent(type: 1).map(\.stream).sorted() == [1, 3, 5])
        #expect(peer.sent(type: 0).allSatisfy { $0.payload.count == 100 && $0.endsStream })
        #expect(peer.session.openStreams == 0)
        #expect(peer.session.unanswered == 0)
        #expect(peer.session.bufferedBodyBytes == 0)
        #expect(peer.session.bufferedResponseBytes == 0)
    }

    @Test("H15: a content of the limit is taken, a byte more is refused with 413, declared or not")
    func contentLimit() throws {
        var configuration = HTTP2Configuration()
        configuration.bodyBytes = 50_000
        for (count, declared, isTaken) in [
            (50_000, true, true), (50_000, false, true), (50_001, true, false), (50_001, false, false),
        ] {
            let peer = Peer(configuration)
            let fields = FrameWriter.post + (declared ? [("content-length", "\(count)")] : [])
            peer.writer.headers(stream: 1, fields, ends: false)
            if declared && !isTaken {
                peer.send()
                #expect(peer.session.inbox.count == 1, "refused by the declared length alone")
            }
            for start in stride(from: 0, to: count, by: 10_000) {
                let end = min(start + 10_000, count)
                peer.writer.data(stream: 1, Array(Self.body[start..<end]), ends: end == count)
            }
            peer.send()
            #expect(peer.session.bufferedBodyBytes == (isTaken ? count : 0))
            let event = try #require(peer.events().first)
            #expect(event.refusal == (isTaken ? nil : .contentTooLarge))
            #expect(event.refusal?.status == (isTaken ? nil : 413))
        }
    }

    @Test("H15: a refused upload is answered, thrown away for a second, and then stopped with RST_STREAM")
    func refusedUpload() {
        let peer = Peer()
        peer.writer.headers(stream: 1, FrameWriter.post + [("content-length", "2097153")], ends: false)
        peer.send()
        #expect(peer.events().compactMap(\.refusal) == [.contentTooLarge])
        for _ in 0..<3 { peer.writer.data(stream: 1, Array(Self.body[..<16_000]), ends: false) }
        peer.send()
        #expect(peer.session.bufferedBodyBytes == 0)
        #expect(peer.respond(1, status: 413))
        peer.collect()
        #expect(peer.resets.isEmpty)
        peer.writer.data(stream: 1, Array(Self.body[..<16_000]), ends: false)
        peer.send()
        peer.pass(seconds: 0.9)
        peer.collect()
        #expect(peer.resets.isEmpty)
        peer.pass(seconds: 0.2)
        peer.collect()
        #expect(peer.resets.map(\.code) == [0])
        #expect(peer.sent(type: 8).allSatisfy { $0.stream == 0 })
        #expect(peer.session.frameMeter.glitchCount == 0)
        #expect(peer.session.openStreams == 0)
    }

    @Test("H15: 100 fields and 16 KiB of them are taken, one more is refused with 431")
    func headerLimits() {
        // The four pseudo-header fields of a GET hold 48 bytes.
        let own = FrameWriter.get.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count }
        let long: (Int) -> [(String, String)] = { [("x", String(repeating: "a", count: $0 - own - 1))] }
        let many: (Int) -> [(String, String)] = { count in (0..<count - 4).map { ("x-\($0)", "1") } }
        for (name, fields, refusal) in [
            ("16 KiB", long(16_384), nil), ("16 KiB and one", long(16_385), HTTP2Refusal.headersTooLarge),
            ("100 fields", many(100), nil), ("101 fields", many(101), .headersTooLarge),
        ] {
            let peer = Peer()
            var block = peer.writer.encode(FrameWriter.get + fields)
            peer.writer.headers(stream: 1, block: Array(block.prefix(10_000)), endsBlock: block.count <= 10_000)
            block.removeFirst(min(10_000, block.count))
            if !block.isEmpty { peer.writer.frame(type: 9, flags: 4, stream: 1, payload: block) }
            peer.send()
            let events = peer.events()
            #expect(events.count == 1, "\(name)")
            #expect(events.first?.refusal == refusal, "\(name)")
        }
    }

    @Test("H11: an HPACK bomb is not kept, and past four times the limit its stream is reset")
    func bomb() {
        let peer = Peer()
        // One field of 4,000 bytes into the table, then references of one byte to it.
        let value = [UInt8](repeating: 0x61, count: 4000)
        let start = peer.writer.encode(FrameWriter.get)
        peer.writer.headers(
            stream: 1,
            block: start + [0x40, 1, 0x78, 0x7f, 0xa1, 0x1e] + value + [UInt8](repeating: 0xbe, count: 10_000),
            endsBlock: false)
        for index in 0..<4 {
            peer.writer.frame(
                type: 9, flags: index == 3 ? 4 : 0, stream: 1, payload: [UInt8](repeating: 0xbe, count: 4_000))
        }
        let clock = ContinuousClock()
        let spent = clock.measure { peer.send() }
        #expect(peer.error == nil)
        #expect(peer.events().isEmpty)
        peer.collect()
        #expect(peer.resets.count == 1)
        #expect(peer.session.frameMeter.glitchCount == 1)
        #expect(peer.session.openStreams == 0)
        print("H11: 26,000 references to 4,000 bytes decoded in \(spent)")
    }

    @Test("`host` stands in for `:authority`, must agree with it, and one of them is needed")
    func authority() throws {
        let bare = FrameWriter.get.filter { $0.0 != ":authority" }
        let cases: [([(String, String)], HTTP2Refusal?)] = [
            (bare + [("host", "bus.example")], nil),
            (FrameWriter.get + [("host", "bus.example")], nil),
            (FrameWriter.get + [("host", "other.example")], .authorityMismatch),
            (FrameWriter.get + [("x_y", "1")], .underscoreInFieldName),
            ([(":method", "CONNECT"), (":authority", "bus.example")], .noTarget),
        ]
        for (fields, refusal) in cases {
            let peer = Peer()
            peer.writer.headers(stream: 1, fields)
            peer.send()
            let event = try #require(peer.session.nextEvent())
            #expect(event.refusal == refusal)
            if case .request(_, let request) = event {
                #expect(request.authority.equals("bus.example" as StaticString))
            }
        }
        let peer = Peer()
        peer.writer.headers(stream: 1, bare)
        peer.send()
        peer.collect()
        #expect(peer.events().isEmpty)
        #expect(peer.resets.count == 1)
    }

    @Test("a large content is credited as it comes, and the connection's window waits for the gateway")
    func backPressure() {
        var configuration = HTTP2Configuration()
        configuration.connectionBodyBytes = 600_000
        let peer = Peer(configuration)
        for stream in [1, 3, 5] as [UInt32] {
            peer.writer.headers(stream: stream, FrameWriter.post, ends: false)
            for index in 0..<31 {
                peer.writer.data(stream: stream, Array(Self.body[..<16_384]), ends: index == 30)
                peer.send()
                peer.collect()
            }
        }
        #expect(peer.error == nil)
        #expect(peer.session.bufferedBodyBytes == 3 * 31 * 16_384)
        let credited = peer.sent(type: 8).filter { $0.stream == 0 }.dropFirst().reduce(0) { $0 + Int($1.word(at: 0)) }
        #expect(credited <= 600_000)
        #expect(peer.requests().count == 3)
        peer.collect()
        let after = peer.sent(type: 8).filter { $0.stream == 0 }.dropFirst().reduce(0) { $0 + Int($1.word(at: 0)) }
        // nghttp2 tells of what was taken once it is half a window.
        #expect(after > 3 * 31 * 16_384 - 524_288)
    }

    @Test("the answer to a stream that was reset is dropped, and its permit comes back")
    func resetStream() {
        let peer = Peer()
        peer.writer.headers(stream: 1)
        peer.writer.headers(stream: 3)
        peer.send()
        #expect(peer.requests().count == 2)
        peer.writer.resetStream(1)
        peer.send()
        #expect(peer.events().count(where: \.isReset) == 1)
        #expect(peer.session.unanswered == 2)
        #expect(!peer.respond(1))
        #expect(!peer.respond(1))
        #expect(peer.session.unanswered == 1)
        #expect(peer.respond(3))
        #expect(peer.collect().allSatisfy { $0.stream == 3 })
        #expect(peer.session.unanswered == 0)
    }

    @Test("a stream reset while its request waits is never handed out")
    func resetBeforeHandedOut() {
        let peer = Peer()
        for stream in [1, 3, 5] as [UInt32] { peer.writer.post(stream: stream, body: [1, 2, 3]) }
        peer.writer.resetStream(3)
        peer.send()
        #expect(peer.requests().map(\.stream) == [1, 5])
        #expect(peer.session.bufferedBodyBytes == 0)
        #expect(peer.session.unanswered == 2)
    }

    @Test("only the first answer spells the request id's field out, and no id pushes others out of the peer's table")
    func requestIDField() throws {
        let peer = Peer()
        for number in 0..<200 {
            let stream = Int32(2 * number + 1)
            peer.writer.headers(stream: UInt32(stream))
            peer.send()
            _ = peer.events()
            #expect(peer.respond(stream))
            peer.collect()
        }
        let lengths = peer.sent(type: 1).map(\.payload.count)
        #expect(lengths.count == 200)
        #expect(lengths[0] >= lengths[1] + 12)
        // As long as the first of them: what the table held then, it still holds.
        #expect(lengths[1...].allSatisfy { $0 == lengths[1] })
    }

    @Test("an answer without content, and one to HEAD, end with their header block")
    func noContent() {
        let peer = Peer()
        peer.writer.headers(stream: 1)
        peer.writer.headers(stream: 3, [(":method", "HEAD")] + FrameWriter.get.dropFirst())
        peer.send()
        #expect(peer.requests().count == 2)
        #expect(peer.respond(1, bytes: 0))
        #expect(peer.respond(3, bytes: 50))
        let frames = peer.collect()
        #expect(frames.map(\.type) == [1, 1])
        #expect(frames.allSatisfy { $0.endsStream })
    }

    @Test("produce stops near its limit and goes on where it stopped")
    func producedInPieces() {
        let peer = Peer(settings: [(4, 1 << 20)])
        peer.writer.windowUpdate(stream: 0, by: 1 << 20)
        peer.writer.headers(stream: 1)
        peer.send()
        #expect(peer.requests().count == 1)
        #expect(peer.respond(1, bytes: 200_000))
        var content = 0
        var rounds = 0
        while peer.session.wantsProduce, rounds < 1000 {
            let before = peer.sentBytes
            content += peer.collect(limit: 20_000).filter { $0.type == 0 }.reduce(0) { $0 + $1.payload.count }
            #expect(peer.sentBytes - before <= 20_000 + 16_393)
            rounds += 1
        }
        #expect(content == 200_000)
        #expect(rounds >= 5)
    }
}
