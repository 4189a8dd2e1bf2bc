import Domain
import Testing

@testable import HTTP2

@Suite("Deadlines and drains")
struct DeadlineTests {
    @Test("without preface or SETTINGS the connection ends after 3 s")
    func preface() {
        for bytes in [0, 10, 24] {
            let peer = Peer(greets: false)
            peer.writer.preface()
            peer.writer.bytes = Array(peer.writer.bytes.prefix(bytes))
            peer.send()
            #expect(peer.session.nextDeadline == peer.now + 3 * Peer.second)
            peer.pass(seconds: 2.9)
            #expect(peer.session.closeReason == nil)
            peer.pass(seconds: 0.1)
            #expect(peer.session.closeReason == .prefaceTimeout)
        }
    }

    @Test("a header block that is not finished in 5 s ends the connection, however often a byte comes")
    func slowHeaders() {
        let peer = Peer()
        peer.pass(seconds: 4)
        peer.writer.headers(stream: 1, FrameWriter.get + [("x-long", String(repeating: "q", count: 300))])
        let bytes = peer.writer.take()
        var waited = 0
        for byte in bytes where peer.session.closeReason == nil {
            peer.writer.bytes = [byte]
            peer.send()
            peer.pass(seconds: 1)
            waited += 1
        }
        #expect(waited == 5)
        #expect(peer.session.closeReason == .headerTimeout)
    }

    @Test("time in which nothing is read is not held against what the peer owes: preface, frame, content")
    func postponed() {
        for owed in 0..<3 {
            let peer = Peer(greets: owed > 0)
            if owed == 1 { peer.writer.bytes = [0, 0, 8] }
            if owed == 2 { peer.writer.headers(stream: 1, FrameWriter.post, ends: false) }
            peer.send()
            let limit = [3.0, 5, 5][owed]
            for _ in 0..<20 {
                peer.now += Peer.second
                peer.session.postpone(by: Peer.second)
                peer.pass(seconds: 0)
            }
            peer.pass(seconds: limit - 0.1)
            peer.collect()
            #expect(peer.session.closeReason == nil && peer.resets.isEmpty)
            peer.pass(seconds: 0.2)
            peer.collect()
            #expect(peer.session.closeReason == [.prefaceTimeout, .headerTimeout, nil][owed])
            #expect(peer.resets.count == (owed == 2 ? 1 : 0))
        }
    }

    @Test("content slower than 1 KiB/s is reset after 5 s, and any after 15 s")
    func slowContent() {
        for (perSecond, end) in [(1, 5), (1000, 5), (1100, 15), (30_000, 15)] {
            let peer = Peer()
            peer.writer.headers(stream: 1, FrameWriter.post, ends: false)
            peer.send()
            var waited = 0
            while peer.resets.isEmpty, waited < 60 {
                var left = perSecond
                while left > 0 {
                    let count = min(left, 16_000)
                    peer.writer.data(stream: 1, [UInt8](repeating: 1, count: count), ends: false)
                    left -= count
                }
                peer.send()
                peer.pass(seconds: 1)
                peer.collect()
                waited += 1
            }
            #expect(waited == end, "\(perSecond) bytes a second")
            #expect(peer.session.bufferedBodyBytes == 0)
            #expect(peer.session.openStreams == 0)
        }
    }

    @Test("H12: answers into shut windows are reset after 15 s and stay within their budgets", arguments: [0, 1])
    func slowReader(window: UInt32) {
        let peer = Peer(settings: [(4, window)])
        for stream in 0..<100 as Range<UInt32> { peer.writer.headers(stream: stream * 2 + 1) }
        peer.send()
        let requests = peer.requests()
        #expect(requests.count == 100)
        var accepted = 0
        for (stream, _) in requests where peer.respond(stream, bytes: 200_000) { accepted += 1 }
        peer.collect()
        #expect(accepted == 5)
        #expect(peer.session.bufferedResponseBytes <= 1024 * 1024)
        #expect(peer.session.bufferedResponseBytes == accepted * (200_000 - Int(window)))
        let refused = peer.resets.count
        peer.pass(seconds: 14.9)
        peer.collect()
        #expect(peer.resets.count == refused)
        peer.pass(seconds: 0.1)
        peer.collect()
        #expect(peer.session.bufferedResponseBytes == 0 || peer.session.wantsClose)
        print("H12 window \(window): \(accepted) answers kept, \(refused) refused, rest reset after 15 s")
    }

    @Test("an answer that moves a byte now and then is kept, one that stops is reset")
    func oneByteWindows() {
        let peer = Peer(settings: [(4, 0)])
        peer.writer.headers(stream: 1)
        peer.send()
        #expect(peer.requests().count == 1)
        #expect(peer.respond(1, bytes: 10))
        for _ in 0..<4 {
            peer.writer.windowUpdate(stream: 1, by: 1)
            peer.send()
            #expect(peer.collect().filter { $0.type == 0 }.map(\.payload.count) == [1])
            peer.pass(seconds: 14)
        }
        #expect(peer.resets.isEmpty)
        #expect(peer.session.bufferedResponseBytes == 6)
        peer.pass(seconds: 2)
        peer.collect()
        #expect(peer.resets.map(\.code) == [8])
        #expect(peer.session.bufferedResponseBytes == 0)
    }

    @Test("a response of 256 KiB is taken and one byte more resets its stream")
    func responseLimit() {
        for (bytes, isTaken) in [(262_144, true), (262_145, false)] {
            let peer = Peer()
            peer.writer.headers(stream: 1)
            peer.send()
            #expect(peer.requests().count == 1)
            #expect(peer.respond(1, bytes: bytes) == isTaken)
            peer.collect()
            #expect(peer.resets.map(\.code) == (isTaken ? [] : [2]))
        }
    }

    @Test("an idle connection drains after 60 s; PING does not keep it")
    func idle() {
        let peer = Peer()
        for _ in 0..<11 {
            peer.pass(seconds: 5)
            peer.writer.ping()
            peer.send()
        }
        peer.collect()
        #expect(peer.goaways.isEmpty)
        peer.pass(seconds: 5)
        peer.collect()
        #expect(peer.goaways.map { $0.word(at: 0) } == [0x7fff_ffff])
        peer.pass(seconds: 1)
        peer.collect()
        #expect(peer.goaways.count == 2)
        #expect(peer.goaways.allSatisfy { $0.code == 0 })
        #expect(peer.session.wantsClose)
    }

    @Test("a connection drains at its age, which the jitter spreads over a tenth either way")
    func age() {
        for (jitter, share) in [(0, 0.9), (UInt32.max, 1.1)] as [(UInt32, Double)] {
            let session = HTTP2ServerSession(configuration: HTTP2Configuration(), now: 0, ageJitter: jitter)
            #expect(abs(Double(session.drainsAt) - 3600e9 * share) < 1e6)
        }
    }

    @Test("a drain takes what is under way, refuses what comes after the second GOAWAY, loses nothing and closes")
    func drain() {
        let peer = Peer()
        peer.writer.headers(stream: 1)
        peer.send()
        peer.session.beginDrain(now: peer.now)
        peer.collect()
        #expect(peer.goaways.map { $0.word(at: 0) } == [0x7fff_ffff])
        peer.writer.headers(stream: 3)
        peer.send()
        peer.pass(seconds: 1)
        peer.collect()
        #expect(peer.goaways.map { $0.word(at: 0) } == [0x7fff_ffff, 3])
        peer.writer.headers(stream: 5)
        peer.send()
        let taken = peer.requests()
        #expect(taken.map(\.stream) == [1, 3])
        #expect(!peer.session.wantsClose)
        for (stream, _) in taken { #expect(peer.respond(stream)) }
        peer.collect()
        #expect(peer.sent(type: 0).filter(\.endsStream).map(\.stream).sorted() == [1, 3])
        #expect(peer.session.wantsClose)
    }

    @Test("a drain ends after its time even when a handler never answers")
    func drainTimeout() {
        let peer = Peer()
        peer.writer.headers(stream: 1)
        peer.send()
        #expect(peer.requests().count == 1)
        peer.session.beginDrain(now: peer.now)
        peer.pass(seconds: 1)
        peer.collect()
        peer.pass(seconds: 29.9)
        #expect(peer.session.closeReason == nil)
        peer.pass(seconds: 0.1)
        #expect(peer.session.closeReason == .drainTimeout)
    }
}
