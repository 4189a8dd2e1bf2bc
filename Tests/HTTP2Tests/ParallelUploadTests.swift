import Testing

@testable import HTTP2

@Suite("Uploads beside each other on one connection")
struct ParallelUploadTests {
    /// A client that sends `sizes` at the same time, a frame of each in turn, as far as its windows let it.
    private final class Uploader {
        let peer: Peer
        private var left: [UInt32: Int]
        private var windows: [UInt32: Int] = [:]
        private(set) var answered: [UInt32] = []
        private(set) var taken: [UInt32] = []
        private var seen: Int

        init(_ configuration: HTTP2Configuration, sizes: [Int]) {
            peer = Peer(configuration)
            left = [:]
            seen = peer.sent.count
            windows[0] = Int(configuration.connectionWindowBytes)
            for (index, size) in sizes.enumerated() {
                let stream = UInt32(2 * index + 1)
                left[stream] = size
                windows[stream] = Int(configuration.streamWindowBytes)
                peer.writer.headers(stream: stream, FrameWriter.post + [("content-length", "\(size)")], ends: false)
            }
            peer.send()
        }

        /// Whether anything moved.
        func turn() -> Bool {
            var moved = false
            for stream in left.keys.sorted() {
                let rest = left[stream] ?? 0
                let length = min(16_384, rest, windows[0] ?? 0, windows[stream] ?? 0)
                guard length > 0 else { continue }
                peer.writer.data(stream: stream, [UInt8](repeating: 0x20, count: length), ends: length == rest)
                left[stream] = rest - length
                windows[0, default: 0] -= length
                windows[stream, default: 0] -= length
                if length == rest { left[stream] = nil }
                moved = true
            }
            peer.send()
            for event in peer.events() {
                switch event {
                case .request(let stream, _):
                    taken.append(UInt32(stream))
                    #expect(peer.respond(stream))
                case .refused(let stream, let refusal):
                    #expect(refusal == .tooMuchAtOnce)
                    answered.append(UInt32(stream))
                    left[UInt32(stream)] = nil
                    #expect(peer.respond(stream, status: refusal.status))
                case .reset: Issue.record("a request was reset")
                }
                moved = true
            }
            peer.collect()
            for update in peer.sent[seen...] where update.type == 8 {
                windows[update.stream, default: 0] += Int(update.word(at: 0))
                moved = true
            }
            seen = peer.sent.count
            return moved
        }
    }

    @Test(
        "all of them end, and the first of them by being taken",
        arguments: [
            [Int](repeating: 1_000_000, count: 6), [Int](repeating: 2 * 1024 * 1024, count: 3),
            [Int](repeating: 300_000, count: 20), [Int](repeating: 70_000, count: 100),
            [10] + [Int](repeating: 2 * 1024 * 1024, count: 4) + [Int](repeating: 1, count: 50),
        ])
    func ends(sizes: [Int]) {
        let uploader = Uploader(HTTP2Configuration(), sizes: sizes)
        while uploader.turn() {}
        let (peer, session) = (uploader.peer, uploader.peer.session)
        #expect(uploader.taken.count + uploader.answered.count == sizes.count)
        #expect(uploader.taken.contains(1))
        #expect(session.bufferedBodyBytes == 0)
        peer.pass(seconds: 2)
        peer.collect()
        #expect(peer.error == nil && peer.goaways.isEmpty && session.frameMeter.glitchCount == 0)
        #expect(session.openStreams == 0 && session.unanswered == 0)
    }

    @Test("within the budget of a connection none is refused")
    func within() {
        let uploader = Uploader(HTTP2Configuration(), sizes: [Int](repeating: 40_000, count: 100))
        while uploader.turn() {}
        #expect(uploader.taken.count == 100 && uploader.answered.isEmpty)
    }
}
