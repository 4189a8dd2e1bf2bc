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

    @Test("one that waits for leave to send content is given it once, unless its head is refused or content has come")
    func givesLeave() {
        for (isRefused, hasBegun, expectation) in [
            (false, false, "100-continue"), (true, false, "100-continue"), (false, true, "100-continue"),
            (false, false, "something-else"),
        ] {
            let peer = Peer()
            peer.writer.headers(stream: 1, FrameWriter.post + [("expect", expectation)], ends: false)
            if hasBegun { peer.writer.data(stream: 1, Self.piece, ends: false) }
            peer.send()
            for _ in 0..<2 { peer.session.askAboutHeads(now: peer.now) { _ in isRefused ? Self.refusal : nil } }
            let answers = peer.collect().filter { $0.type == 1 }
            let givesLeave = !isRefused && !hasBegun && expectation == "100-continue"
            #expect(answers.count == (givesLeave || isRefused ? 1 : 0))
            guard givesLeave else { continue }
            // `:status` by its index, and `100` in 15 bits. Source: RFC 7541, appendices A and B.
            #expect(answers.map(\.payload) == [[0x48, 0x82, 0x08, 0x01]] && !answers[0].endsStream)
            peer.writer.data(stream: 1, Self.piece)
            peer.send()
            #expect(peer.requests().map(\.request.body) == [Self.piece])
            #expect(peer.respond(1))
            #expect(peer.collect().contains { $0.type == 0 && $0.endsStream })
        }
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

    /// Opens `count` uploads one after the other, each refused by its head, and does `next` with each stream.
    private static func refusedUploads(_ peer: Peer, _ count: UInt32, _ next: (UInt32) -> Void) {
        for index in 0..<count where peer.error == nil {
            let stream = index * 2 + 1
            peer.writer.headers(stream: stream, FrameWriter.post + [("content-length", "60000")], ends: false)
            peer.writer.data(stream: stream, [1, 2, 3], ends: false)
            peer.send()
            peer.session.askAboutHeads(now: peer.now) { _ in refusal }
            peer.collect()
            next(stream)
        }
    }

    @Test("a client that gives up its upload when the answer is there is never punished for it", arguments: [0, 8])
    func obeys(code: UInt32) {
        let peer = Peer()
        Self.refusedUploads(peer, 1000) { stream in
            peer.writer.resetStream(stream, code: code)
            peer.send()
        }
        #expect(peer.error == nil)
        #expect(peer.goaways.isEmpty && peer.resets.isEmpty)
        #expect(peer.session.frameMeter.glitchCount == 0)
        #expect(peer.session.openStreams == 0)
        // What was forgiven is not saved up: resets of work are still limited to their burst.
        var stream: UInt32 = 2001
        while peer.error == nil, stream < 2401 {
            peer.writer.headers(stream: stream)
            peer.writer.resetStream(stream)
            peer.send()
            stream += 2
        }
        #expect(peer.error == .rapidReset)
        #expect((stream - 2001) / 2 == 101)
    }

    @Test("a client that does not give up its upload is told NO_ERROR a second later, and that is no violation of its")
    func toldToStop() {
        let peer = Peer()
        for round in 0..<4 as Range<UInt32> {
            for index in 0..<90 as Range<UInt32> {
                let stream = (round * 90 + index) * 2 + 1
                peer.writer.headers(stream: stream, FrameWriter.post + [("content-length", "60000")], ends: false)
            }
            peer.send()
            peer.session.askAboutHeads(now: peer.now) { _ in Self.refusal }
            peer.collect()
            peer.pass(seconds: 1.5)
            peer.collect()
        }
        #expect(peer.resets.count == 360 && peer.resets.allSatisfy { $0.code == 0 })
        #expect(peer.session.frameMeter.glitchCount == 0)
        #expect(peer.goaways.isEmpty && peer.error == nil)
    }

    @Test("an upload that is reset before its answer is out counts, and 101 of them end the connection")
    func resetsBeforeTheAnswer() {
        let peer = Peer()
        var opened: UInt32 = 0
        while peer.error == nil, opened < 400 {
            let stream = opened * 2 + 1
            peer.writer.headers(stream: stream, FrameWriter.post + [("content-length", "60000")], ends: false)
            peer.send()
            // Every other one has its answer made, but not sent.
            if opened % 2 == 0 { peer.session.askAboutHeads(now: peer.now) { _ in Self.refusal } }
            peer.writer.resetStream(stream, code: 0)
            peer.send()
            opened += 1
        }
        #expect(peer.error == .rapidReset)
        #expect(opened == 101)
    }

    @Test("a violation is counted once, whatever ends of answered uploads leave before its reset")
    func countsOnce() {
        let peer = Peer()
        peer.writer.headers(stream: 1, FrameWriter.post + [("content-length", "60000")], ends: false)
        peer.send()
        peer.session.askAboutHeads(now: peer.now) { _ in Self.refusal }
        peer.collect()
        peer.pass(seconds: 1.5)
        // An overflow of a stream's window, before the end of the first stream is on its way.
        peer.writer.headers(stream: 3, FrameWriter.post, ends: false)
        peer.writer.windowUpdate(stream: 3, by: 0x7FFF_FFFF)
        peer.send()
        peer.collect()
        #expect(peer.resets.map(\.code).sorted { ($0 ?? 0) < ($1 ?? 0) } == [0, 3])
        #expect(peer.session.frameMeter.glitchCount == 1)
    }
}
