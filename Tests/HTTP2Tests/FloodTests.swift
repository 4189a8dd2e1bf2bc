import Domain
import Testing

@testable import HTTP2

@Suite("Floods over whole sessions")
struct FloodTests {
    /// Sends batches until the session is over; returns the frames sent and the most requests at work at once.
    private static func attack(
        _ peer: Peer, batches: Int, handlesEvents: Bool = true, reads: Bool = true,
        _ write: (inout FrameWriter, Int) -> Int
    ) -> (frames: Int, mostAtWork: Int) {
        var frames = 0
        var mostAtWork = 0
        for batch in 0..<batches where peer.error == nil && !peer.session.wantsClose {
            frames += write(&peer.writer, batch)
            peer.send()
            if handlesEvents { _ = peer.events() }
            mostAtWork = max(mostAtWork, peer.session.unanswered)
            if reads || peer.error != nil { peer.collect() }
        }
        return (frames, mostAtWork)
    }

    /// What is set aside for the names and values of the block under way.
    private static func heldHeaderBytes(_ peer: Peer) -> Int {
        peer.session.block.fields.buffer.capacity + peer.session.block.pseudo.capacity
    }

    @Test("H1: rapid reset ends within 101 streams, and the handlers never run")
    func rapidReset() {
        let peer = Peer()
        var stream: UInt32 = 1
        let (frames, atWork) = Self.attack(peer, batches: 200) { writer, _ in
            for _ in 0..<50 {
                writer.headers(stream: stream)
                writer.resetStream(stream)
                stream += 2
            }
            return 100
        }
        #expect(peer.error == .rapidReset)
        #expect(peer.goaways.last?.code == 0xb)
        #expect(peer.session.wantsClose)
        #expect(peer.session.frameMeter.frames <= 2 + 2 * 101)
        #expect(atWork == 0)
        print("H1: closed in frame \(peer.session.frameMeter.frames) of \(frames) sent, at work \(atWork)")
    }

    @Test("H1: rapid reset in bytes cut one by one ends at the same stream")
    func rapidResetByteByByte() {
        let peer = Peer()
        for index in 0..<150 as Range<UInt32> {
            peer.writer.headers(stream: index * 2 + 1)
            peer.writer.resetStream(index * 2 + 1)
        }
        peer.send(inPiecesOf: 1)
        #expect(peer.error == .rapidReset)
        #expect(peer.session.frameMeter.frames == 2 + 2 * 101)
    }

    @Test("H2: WINDOW_UPDATE overflow resets at most 100 streams", arguments: [true, false])
    func windowOverflow(reads: Bool) {
        let peer = Peer()
        var stream: UInt32 = 1
        _ = Self.attack(peer, batches: 500, reads: reads) { writer, _ in
            for _ in 0..<20 {
                writer.headers(stream: stream, FrameWriter.post, ends: false)
                writer.windowUpdate(stream: stream, by: 0x7fff_ffff)
                stream += 2
            }
            return 40
        }
        peer.collect()
        #expect(peer.session.wantsClose)
        #expect(peer.resets.count <= 100)
        #expect(peer.goaways.last?.code == 0xb)
        print("H2 reads=\(reads): \(peer.resets.count) resets sent, \(peer.session.frameMeter.frames) frames judged")
    }

    @Test("H3, H4: bad content-length and bad fields reset at most 100 streams", arguments: [1, 60, 400])
    func badRequests(perRead: Int) {
        let bad: [(String, (inout FrameWriter, UInt32) -> Void)] = [
            (
                "H3 content-length",
                { writer, stream in
                    writer.headers(stream: stream, FrameWriter.post + [("content-length", "5")], ends: false)
                    writer.data(stream: stream, [1, 2, 3])
                }
            ),
            ("H4 connection field", { $0.headers(stream: $1, FrameWriter.get + [("connection", "close")]) }),
            ("H4 upper case", { $0.headers(stream: $1, FrameWriter.get + [("X-Upper", "1")]) }),
            ("H4 control character", { $0.headers(stream: $1, FrameWriter.get + [("x-a", "a\u{1}b")]) }),
            ("H4 transfer-encoding", { $0.headers(stream: $1, FrameWriter.get + [("transfer-encoding", "chunked")]) }),
            ("H4 two paths", { $0.headers(stream: $1, FrameWriter.get + [(":path", "/b")]) }),
            (
                "H4 trailers",
                { writer, stream in
                    writer.headers(stream: stream, FrameWriter.post, ends: false)
                    writer.headers(stream: stream, [("x-late", "1")])
                }
            ),
        ]
        for (name, write) in bad {
            let peer = Peer()
            var stream: UInt32 = 1
            _ = Self.attack(peer, batches: 4000 / perRead) { writer, _ in
                for _ in 0..<perRead {
                    write(&writer, stream)
                    stream += 2
                }
                return perRead
            }
            #expect(peer.session.wantsClose, "\(name)")
            #expect(peer.resets.count <= 100, "\(name)")
            // 400 in one read meet nghttp2's limit on open streams first, which is a protocol error by then.
            let code = peer.goaways.last?.code
            #expect(code == 0xb || (perRead > 1 && code == 0x1), "\(name)")
            #expect(peer.requests().isEmpty, "\(name)")
            let frames = peer.session.frameMeter.frames
            print("\(name), \(perRead) a read: \(peer.resets.count) resets sent, \(frames) frames")
        }
    }

    @Test("H5: what RFC 9113 calls a connection error ends it at the first frame")
    func connectionErrors() {
        let bad: [(String, (inout FrameWriter) -> Void)] = [
            ("WINDOW_UPDATE 0", { $0.windowUpdate(stream: 0, by: 0) }),
            ("PRIORITY length", { $0.frame(type: 2, stream: 3, payload: [0, 0, 0, 1]) }),
            ("HEADERS after the end", { $0.headers(stream: 1) }),
            ("DATA after the end", { $0.data(stream: 1, [1]) }),
            ("DATA on stream 0", { $0.data(stream: 0, [1]) }),
            (
                "frame inside a block",
                {
                    $0.headers(stream: 3, block: [0x82], endsBlock: false)
                    $0.ping()
                }
            ),
            ("PUSH_PROMISE", { $0.frame(type: 5, flags: 4, stream: 1, payload: [0, 0, 0, 2, 0x82]) }),
            ("bad HPACK", { $0.headers(stream: 3, block: [0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]) }),
        ]
        for (name, write) in bad {
            let peer = Peer()
            peer.writer.headers(stream: 1)
            peer.send()
            write(&peer.writer)
            peer.send()
            peer.collect()
            #expect(peer.session.wantsClose, "\(name)")
            #expect(peer.goaways.last?.code != 0, "\(name)")
            #expect(peer.goaways.count == 1, "\(name)")
        }
    }

    @Test("H6: requests that are reset while handlers work never exceed 100 at work, and each is told at once")
    func resetWithLiveHandlers() {
        var configuration = HTTP2Configuration()
        configuration.resets = RateLimit(burst: 10_000, perSecond: 1000)
        configuration.frames.glitches = RateLimit(burst: 10_000, perSecond: 1000)
        configuration.frames.glitchWarning = 9_000
        let peer = Peer(configuration)
        var told = 0
        var most = 0
        for batch in 0..<40 as Range<UInt32> {
            for index in 0..<10 as Range<UInt32> { peer.writer.headers(stream: (batch * 10 + index) * 2 + 1) }
            peer.send()
            _ = peer.events()
            most = max(most, peer.session.unanswered)
            for index in 0..<10 as Range<UInt32> { peer.writer.resetStream((batch * 10 + index) * 2 + 1) }
            peer.send()
            told += peer.events().count(where: \.isReset)
            peer.collect()
        }
        #expect(most == 100)
        #expect(told == 100)
        #expect(peer.session.openStreams == 0)
        #expect(peer.resets.count == 300)
        #expect(peer.resets.allSatisfy { $0.code == 7 })
        for stream in 0..<100 as Range<Int32> { #expect(!peer.respond(stream * 2 + 1)) }
        #expect(peer.session.unanswered == 0)
        print("H6: at most \(most) at work, \(told) cancelled, \(peer.resets.count) refused")
    }

    @Test(
        "H7: a CONTINUATION flood ends with the fifth, or past 30 KiB, and keeps at most 64 KiB",
        arguments: [(size: 0, ends: 5), (size: 5_000, ends: 5), (size: 16_384, ends: 1)])
    func continuations(size: Int, ends: Int) {
        let peer = Peer()
        // Literal fields without indexing: name `x`, value of 1,000 bytes.
        var block: [UInt8] = []
        let field = [0, 1, 0x78, 0x7f, 0xe9, 0x06] + [UInt8](repeating: 0x61, count: 1000)
        while block.count + field.count <= size { block += field }
        peer.writer.headers(stream: 1, block: [0x82] + block, endsBlock: false)
        peer.send()
        var sent = 0
        var mostHeld = Self.heldHeaderBytes(peer)
        while peer.error == nil, sent < 10_000 {
            sent += 1
            peer.writer.frame(type: 9, stream: 1, payload: block)
            peer.send()
            mostHeld = max(mostHeld, Self.heldHeaderBytes(peer))
        }
        #expect(peer.error == .continuationFlood)
        #expect(peer.session.frameMeter.frames == 2 + 1 + UInt64(ends))
        #expect(sent == ends)
        #expect(mostHeld <= 64 * 1024)
        #expect(mostHeld > size / 2, "what is here is held until it is too much")
        #expect(peer.session.bufferedBodyBytes == 0)
        print("H7 \(size): \(mostHeld) bytes of fields held at most")
    }

    @Test("H8: PING floods end after 20, read or not", arguments: [true, false])
    func pings(reads: Bool) {
        let peer = Peer()
        let (frames, _) = Self.attack(peer, batches: 100_000, reads: reads) { writer, _ in
            writer.ping()
            return 1
        }
        peer.collect()
        #expect(peer.error == .pingFlood)
        #expect(frames == 21)
        #expect(peer.goaways.last?.code == 0xb)
        print("H8 reads=\(reads): closed after \(frames) PINGs")
    }

    @Test("H9: 16 entries of SETTINGS are taken and 17 are not")
    func settingsEntries() {
        let entries: (Int) -> [(id: UInt16, value: UInt32)] = { Array(repeating: (3, 100), count: $0) }
        #expect(!Peer(settings: entries(16)).session.wantsClose)
        let over = Peer(settings: entries(17))
        #expect(over.session.wantsClose)
        #expect(over.goaways.last?.code ?? 0 != 0)
    }

    @Test("at 75 glitches the peer is asked to be calm and open requests still finish")
    func warning() {
        let peer = Peer()
        peer.writer.headers(stream: 1)
        for _ in 0..<174 { peer.writer.frame(type: 0xBB) }
        peer.send()
        #expect(peer.requests().count == 1)
        peer.collect()
        #expect(peer.goaways.isEmpty)
        peer.writer.frame(type: 0xBB)
        peer.send()
        peer.collect()
        #expect(peer.goaways.map(\.code) == [0xb])
        #expect(!peer.session.wantsClose)
        #expect(peer.respond(1))
        #expect(peer.collect().contains { $0.type == 0 && $0.endsStream })
        #expect(peer.session.wantsClose)
    }
}
