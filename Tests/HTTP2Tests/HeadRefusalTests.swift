import Domain
import Testing

@testable import HTTP2

@Suite("Requests whose content is late")
struct HeadRefusalTests {
    private static let refusal = Response(
        status: 403, contentType: .text, requestID: UniqueID(high: 1, low: 2), body: Array("no".utf8))
    private static let piece = [UInt8](repeating: 1, count: 16_000)

    @Test("one that its head refuses is answered at once, what came of it is dropped, its stream ends without error")
    func refuses() {
        let peer = Peer()
        peer.writer.headers(stream: 1, FrameWriter.post + [("content-length", "60000")], ends: false)
        peer.writer.data(stream: 1, Self.piece, ends: false)
        peer.send()
        #expect(peer.requests().isEmpty)
        #expect(peer.session.bufferedBodyBytes == 16_000)
        var lent: [Int] = []
        peer.session.askAboutHeads(now: peer.now) { request in
            lent.append(request.body.count)
            return Self.refusal
        }
        #expect(lent == [0])
        #expect(peer.session.bufferedBodyBytes == 0)
        #expect(peer.session.unanswered == 0)
        let frames = peer.collect()
        #expect(frames.contains { $0.type == 0 && $0.endsStream && $0.payload == Self.refusal.body })
        for _ in 0..<2 {
            peer.writer.data(stream: 1, Self.piece, ends: false)
            peer.send()
            #expect(peer.session.bufferedBodyBytes == 0)
        }
        peer.pass(seconds: 1.5)
        peer.collect()
        #expect(peer.resets.map(\.code) == [0])
        #expect(peer.events().isEmpty)
        #expect(peer.error == nil)
        #expect(peer.session.unaskedHeads == 0)
    }

    @Test("one that may go on is asked about once and arrives with all its content")
    func admits() throws {
        let peer = Peer()
        peer.writer.headers(stream: 1, FrameWriter.post, ends: false)
        peer.writer.data(stream: 1, Self.piece, ends: false)
        peer.send()
        var asked = 0
        for _ in 0..<2 {
            peer.session.askAboutHeads(now: peer.now) { _ in
                asked += 1
                return nil
            }
        }
        #expect(asked == 1)
        peer.writer.data(stream: 1, Self.piece)
        peer.send()
        let request = try #require(peer.requests().first?.request)
        #expect(request.body == Self.piece + Self.piece)
        #expect(peer.session.bufferedBodyBytes == 0)
    }

    @Test("what is whole and waits to be taken is not touched by the question about what is late")
    func leavesWhole() {
        let peer = Peer()
        peer.writer.post(stream: 1, body: Self.piece)
        peer.writer.headers(stream: 3, FrameWriter.post, ends: false)
        peer.writer.data(stream: 3, Self.piece, ends: false)
        peer.writer.headers(stream: 5)
        peer.send()
        #expect(peer.session.bufferedBodyBytes == 2 * Self.piece.count)
        peer.session.askAboutHeads(now: peer.now) { _ in Self.refusal }
        #expect(peer.session.bufferedBodyBytes == Self.piece.count)
        #expect(peer.requests().map { $0.request.body.count } == [Self.piece.count, 0])
        #expect(peer.session.unanswered == 2)
        #expect(peer.session.bufferedBodyBytes == 0)
    }

    @Test("only a request whose content is not whole counts as unasked, whatever becomes of it")
    func counts() {
        let peer = Peer()
        peer.writer.headers(stream: 1)
        peer.writer.post(stream: 3, body: Self.piece)
        peer.writer.headers(stream: 5, FrameWriter.post + [("content-length", "2097153")], ends: false)
        peer.send()
        #expect(peer.session.unaskedHeads == 0)
        peer.writer.headers(stream: 7, FrameWriter.post, ends: false)
        peer.writer.headers(stream: 9, FrameWriter.post, ends: false)
        peer.send()
        #expect(peer.session.unaskedHeads == 2)
        peer.writer.resetStream(7)
        peer.writer.data(stream: 9, [])
        peer.send()
        #expect(peer.session.unaskedHeads == 0)
        #expect(peer.events().count == 4)
    }
}
