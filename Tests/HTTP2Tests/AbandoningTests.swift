import Domain
import Testing

@testable import HTTP2

extension HTTP2Event {
    /// The stream and the work of a reset.
    fileprivate var endedWork: [UInt64]? {
        if case .reset(let stream, let work) = self { return [UInt64(stream), work] }
        return nil
    }
}

extension Peer {
    /// Opens `streams` with whole requests, which are handed out; the work of each is ten times its stream.
    fileprivate func begin(_ streams: [UInt32]) {
        for stream in streams { writer.headers(stream: stream) }
        send()
        while case .request(let stream, _)? = session.nextEvent() { session.begin(UInt64(stream) * 10, of: stream) }
    }
}

@Suite("What becomes of requests whose streams end")
struct AbandoningTests {
    @Test("work comes back with the reset of its stream, and the permit when the work has ended")
    func work() {
        let peer = Peer()
        peer.begin([1, 3, 5])
        peer.writer.resetStream(3)
        peer.send()
        #expect(peer.events().compactMap(\.endedWork) == [[3, 30]])
        #expect(peer.session.unanswered == 3)
        peer.session.release(3)
        peer.session.release(3)
        peer.session.release(1)
        #expect(peer.session.unanswered == 2)
        #expect(peer.respond(1) && peer.respond(5))
        #expect(peer.session.unanswered == 0)
    }

    @Test("a stream that is reset for what its peer did gives its work back when the reset leaves")
    func invited() {
        let peer = Peer()
        peer.begin([1, 3])
        peer.writer.windowUpdate(stream: 3, by: 0x7FFF_FFFF)
        peer.send()
        peer.collect()
        #expect(peer.resets.map(\.stream) == [3])
        #expect(peer.events().compactMap(\.endedWork) == [[3, 30]])
    }

    @Test("a connection that ends for abuse gives back all work, once, and hands out nothing else")
    func abuse() {
        let peer = Peer()
        peer.begin([1, 3, 5])
        peer.writer.resetStream(1)
        peer.send()
        peer.writer.post(stream: 7, body: [1, 2, 3])
        peer.send()
        for _ in 0..<100 { peer.writer.ping() }
        peer.send()
        #expect(peer.error != nil && peer.session.closeReason != nil)
        #expect(peer.session.hasEvents)
        let events = peer.events()
        #expect(events.compactMap(\.endedWork) == [[1, 10], [3, 30], [5, 50]])
        #expect(events.count == 3)
        #expect(peer.session.bufferedBodyBytes == 0)
        peer.session.abandon()
        #expect(peer.events().isEmpty)
        for stream in [1, 3, 5] as [Int32] { peer.session.release(stream) }
        #expect(peer.session.unanswered == 0)
    }
}
