import Domain
import Testing

@testable import HTTP2

@Suite("The end of a stream and of a connection")
struct EndingTests {
    @Test("an upload that is refused and then ends by itself is not reset and costs no glitch")
    func endsByItself() {
        let peer = Peer()
        peer.writer.headers(stream: 1, FrameWriter.post + [("content-length", "2097153")], ends: false)
        peer.send()
        #expect(peer.events().compactMap(\.refusal) == [.contentTooLarge])
        #expect(peer.respond(1, status: 413))
        peer.collect()
        peer.writer.resetStream(1)
        peer.send()
        peer.pass(seconds: 3)
        peer.collect()
        #expect(peer.resets.isEmpty)
        #expect(peer.session.frameMeter.glitchCount == 0)
        #expect(peer.session.openStreams == 0)
    }

    @Test("no more of a refused upload is taken than its window holds, and the connection's window stays open")
    func discardsAWindow() {
        let peer = Peer()
        peer.writer.headers(stream: 1, FrameWriter.post + [("content-length", "3000000")], ends: false)
        peer.send()
        #expect(peer.events().count == 1)
        #expect(peer.respond(1, status: 413))
        peer.collect()
        for _ in 0..<4 {
            peer.writer.data(stream: 1, [UInt8](repeating: 1, count: 16_000), ends: false)
            peer.send()
            peer.collect()
        }
        #expect(peer.error == nil)
        #expect(peer.resets.isEmpty)
        #expect(peer.session.bufferedBodyBytes == 0)
        peer.writer.data(stream: 1, [UInt8](repeating: 1, count: 16_000), ends: false)
        peer.send()
        peer.collect()
        // Past the window: nghttp2 answers a flow-control error of the stream or of the connection.
        #expect(peer.resets.map(\.code) == [3] || peer.goaways.map(\.code) == [3])
    }

    @Test("resets of streams that are over count like any: 101 of them end the connection")
    func lateResets() {
        let peer = Peer()
        for index in 0..<101 as Range<UInt32> {
            peer.writer.headers(stream: index * 2 + 1)
            peer.send()
            #expect(peer.answerAll() == 1)
            peer.collect()
        }
        for index in 0..<100 as Range<UInt32> { peer.writer.resetStream(index * 2 + 1) }
        peer.send()
        peer.collect()
        #expect(peer.error == nil && peer.goaways.isEmpty)
        peer.writer.resetStream(201)
        peer.send()
        peer.collect()
        #expect(peer.error == .rapidReset)
        #expect(peer.goaways.map(\.code) == [0xb])
        #expect(peer.session.takeSilentEnd() == nil)
        #expect(peer.session.wantsClose)
    }

    @Test("a protocol error that nghttp2 answers by itself is told with its code")
    func protocolError() {
        let peer = Peer()
        peer.writer.headers(stream: 2)
        peer.send()
        peer.collect()
        #expect(peer.session.takeSilentEnd() == .terminated(code: 1))
    }

    @Test("a drain is not an end to be told of")
    func drain() {
        let peer = Peer()
        peer.session.beginDrain(now: peer.now)
        peer.collect()
        peer.pass(seconds: 2)
        peer.collect()
        #expect(peer.goaways.count == 2)
        #expect(peer.session.takeSilentEnd() == nil)
    }
}
