import Testing

@testable import HTTP2

/// Source: RFC 9113 section 6.8: what was asked on a later stream than GOAWAY names "might be retried", so it must not
/// have been worked on.
@Suite("GOAWAY names the last stream that is worked on")
struct GoawayTests {
    /// A peer that has used up what it may before it is asked to be calm, and says so by the reset of stream 1.
    private static func asked(for streams: [UInt32]) -> Peer {
        let peer = Peer()
        peer.writer.headers(stream: 1)
        for _ in 0..<175 { peer.writer.frame(type: 0xBB) }
        peer.writer.resetStream(1)
        for stream in streams { peer.writer.headers(stream: stream) }
        peer.send()
        return peer
    }

    @Test("requests that came before the peer could know of its GOAWAY are not worked on")
    func calm() {
        let peer = Self.asked(for: [3, 5])
        #expect(peer.answerAll() == 0)
        peer.collect()
        #expect(peer.goaways.map { [$0.word(at: 0), $0.code] } == [[1, 0xb]])
        #expect(peer.session.openStreams == 0)
        #expect(peer.session.wantsClose)
    }

    @Test("neither are those between the last GOAWAY of a drain and its leaving; their content is dropped")
    func drain() {
        let peer = Peer()
        peer.writer.headers(stream: 1)
        peer.send()
        peer.session.finishDrain(now: peer.now)
        peer.writer.post(stream: 3, body: [UInt8](repeating: 1, count: 20_000))
        peer.send()
        #expect(peer.session.bufferedBodyBytes == 0)
        #expect(peer.answerAll() == 1)
        peer.collect()
        #expect(peer.goaways.map { $0.word(at: 0) } == [1])
        #expect(peer.session.frameMeter.glitchCount == 0)
        #expect(peer.session.wantsClose)
    }

    @Test("the GOAWAY of an error names no later stream than the one before it")
    func second() {
        let peer = Self.asked(for: [3, 5])
        peer.collect()
        for _ in 0..<200 { peer.writer.frame(type: 0xBB) }
        peer.send()
        peer.collect()
        #expect(peer.error == .glitches)
        #expect(peer.goaways.map { [$0.word(at: 0), $0.code] } == [[1, 0xb], [1, 0xb]])
        #expect(peer.requests().isEmpty)
    }
}
