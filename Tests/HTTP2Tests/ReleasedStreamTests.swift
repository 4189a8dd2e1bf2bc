import Domain
import Testing

@testable import HTTP2

@Suite("What a session keeps of streams that nobody waits for")
struct ReleasedStreamTests {
    /// A session that holds content of a request that is not whole, and content of an answer that its peer cannot take.
    private func laden() -> Peer {
        let peer = Peer(settings: [(4, 100)])
        peer.writer.headers(stream: 1)
        peer.writer.headers(stream: 3, FrameWriter.post, ends: false)
        peer.writer.data(stream: 3, [UInt8](repeating: 1, count: 5000), ends: false)
        peer.send()
        #expect(peer.requests().map(\.stream) == [1])
        #expect(peer.respond(1, bytes: 9000))
        peer.collect()
        #expect(peer.session.bufferedBodyBytes == 5000)
        #expect(peer.session.bufferedResponseBytes == 8900)
        return peer
    }

    private func expectNothingKept(_ session: HTTP2ServerSession) {
        #expect(session.bufferedBodyBytes == 0)
        #expect(session.bufferedResponseBytes == 0)
        #expect(session.unaskedHeads == 0)
        #expect(session.streams.places.allSatisfy { $0.request == nil && $0.response.isEmpty })
    }

    @Test("a connection that says nothing more keeps no content, neither of requests nor of answers")
    func abandoned() {
        let peer = laden()
        peer.session.abandon()
        expectNothingKept(peer.session)
        #expect(peer.events().isEmpty)
        peer.session.abandon()
        expectNothingKept(peer.session)
    }

    @Test("a connection that ends for abuse keeps no content, and still says why it ends")
    func abuse() {
        let peer = laden()
        for _ in 0..<100 { peer.writer.ping() }
        peer.send()
        #expect(peer.error != nil)
        expectNothingKept(peer.session)
        peer.collect()
        #expect(peer.goaways.count == 1)
        #expect(peer.session.wantsClose)
    }

    @Test("a connection is idle from when the last work on its streams has ended, however that ends", arguments: [
        true, false,
    ])
    func idle(isAnswered: Bool) {
        let peer = Peer()
        for stream in [1, 3] as [UInt32] { peer.writer.headers(stream: stream) }
        peer.send()
        #expect(peer.requests().count == 2)
        for stream in [1, 3] as [UInt32] { peer.writer.resetStream(stream) }
        peer.send()
        #expect(peer.events().count(where: \.isReset) == 2)
        // The commit takes longer than an idle connection may live.
        for _ in 0..<140 { peer.pass(seconds: 0.5) }
        peer.session.release(1)
        for _ in 0..<140 { peer.pass(seconds: 0.5) }
        peer.collect()
        #expect(peer.goaways.isEmpty, "something is still at work")
        if isAnswered { #expect(!peer.respond(3)) } else { peer.session.release(3) }
        #expect(peer.session.unanswered == 0)
        for _ in 0..<120 { peer.pass(seconds: 0.5) }
        peer.collect()
        #expect(peer.goaways.isEmpty)
        peer.pass(seconds: 0.5)
        peer.collect()
        #expect(peer.goaways.count == 1)
        #expect(peer.sent(type: 3).isEmpty)
    }
}
