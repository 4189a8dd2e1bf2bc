import Testing

@testable import HTTP2

@Suite("The frame meter")
struct FrameMeterTests {
    private static let now: UInt64 = 5_000_000_000_000

    /// Judges `bytes` in pieces and returns the verdict that ends it, with the number of frames judged by then.
    private static func judge(
        _ bytes: [UInt8], inPiecesOf size: Int = .max, limits: FrameLimits = FrameLimits(),
        time: (UInt64) -> UInt64 = { _ in now }
    ) -> (verdict: HTTP2Error?, frames: UInt64, glitches: UInt64) {
        var meter = FrameMeter(limits: limits)
        var start = 0
        while start < bytes.count {
            let end = size >= bytes.count - start ? bytes.count : start + size
            while start < end {
                let (judged, signal) = bytes.withUnsafeBytes {
                    meter.judge(UnsafeRawBufferPointer(rebasing: $0[..<end]), from: start, now: time(meter.frames))
                }
                if case .refused(let error) = signal { return (error, meter.frames, meter.glitchCount) }
                start = judged
            }
        }
        return (nil, meter.frames, meter.glitchCount)
    }

    private static func flood(_ count: Int, _ write: (inout FrameWriter, Int) -> Void) -> [UInt8] {
        var writer = FrameWriter()
        writer.preface()
        for index in 0..<count { write(&writer, index) }
        return writer.take()
    }

    @Test(
        "a PING flood ends with the frame after the burst, however the bytes are cut", arguments: [1, 7, 16_384, .max])
    func pings(size: Int) {
        let (verdict, frames, _) = Self.judge(Self.flood(1000) { writer, _ in writer.ping() }, inPiecesOf: size)
        #expect(verdict == .pingFlood)
        #expect(frames == 1 + 20 + 1)
    }

    @Test("twenty PINGs at once and two a second after that pass")
    func pingsAtTheLimit() {
        let under = Self.flood(20) { writer, _ in writer.ping() }
        #expect(Self.judge(under).verdict == nil)
        let steady = Self.flood(2000) { writer, _ in writer.ping() }
        #expect(Self.judge(steady, inPiecesOf: 17, time: { Self.now + $0 * 500_000_000 }).verdict == nil)
        #expect(Self.judge(steady, inPiecesOf: 17, time: { Self.now + $0 * 490_000_000 }).verdict == .pingFlood)
    }

    @Test("a SETTINGS flood ends with the eleventh frame")
    func settings() {
        let at = Self.flood(9) { writer, _ in writer.settings([]) }
        #expect(Self.judge(at).verdict == nil)
        let over = Self.judge(Self.flood(10) { writer, _ in writer.settings([]) })
        #expect(over.verdict == .settingsFlood)
        #expect(over.frames == 11)
    }

    @Test("floods of frames that do nothing end when the glitch bucket is empty", arguments: [1, 9, .max])
    func uselessFrames(size: Int) {
        let floods: [(name: String, allowed: UInt64, bytes: [UInt8])] = [
            (
                "PRIORITY", 100,
                Self.flood(2000) { $0.frame(type: 2, stream: UInt32($1 * 2 + 1), payload: [0, 0, 0, 0, 1]) }
            ),
            (
                "PRIORITY_UPDATE", 100,
                Self.flood(2000) { writer, _ in writer.frame(type: 0x10, payload: [0, 0, 0, 1]) }
            ),
            ("empty DATA", 10, Self.flood(2000) { writer, _ in writer.data(stream: 1, [], ends: false) }),
            (
                "padding alone", 10,
                Self.flood(2000) { writer, _ in writer.frame(type: 0, flags: 8, stream: 1, payload: [3, 0, 0, 0]) }
            ),
            ("WINDOW_UPDATE", 5, Self.flood(2000) { writer, _ in writer.windowUpdate(stream: 0, by: 1) }),
            ("unknown type", 100, Self.flood(2000) { writer, _ in writer.frame(type: 0xBB) }),
            (
                "GOAWAY", 100,
                Self.flood(2000) { writer, _ in writer.frame(type: 7, payload: [0, 0, 0, 0, 0, 0, 0, 0]) }
            ),
        ]
        for flood in floods {
            let (verdict, frames, glitches) = Self.judge(flood.bytes, inPiecesOf: size)
            #expect(verdict == .glitches, "\(flood.name)")
            #expect(frames == 1 + flood.allowed + 101, "\(flood.name)")
            #expect(glitches == 101, "\(flood.name)")
            if size == .max { print("H10 \(flood.name): closed after \(frames) frames") }
        }
    }

    @Test("the fifth CONTINUATION of a block ends the connection, the fourth does not")
    func continuations() {
        let block: (Int) -> [UInt8] = { count in
            Self.flood(1) { writer, _ in
                writer.headers(stream: 1, block: [0x82], endsBlock: false)
                for _ in 0..<count { writer.frame(type: 9, stream: 1, payload: [0x82]) }
            }
        }
        #expect(Self.judge(block(4)).verdict == nil)
        #expect(Self.judge(block(5)).verdict == .continuationFlood)
        #expect(Self.judge(block(10_000), inPiecesOf: 1).frames == 7)
    }

    @Test("a header block of 30 KiB passes, one of a byte more ends the connection")
    func blockLength() {
        let blocks: (Int, [Int]) -> [UInt8] = { count, pieces in
            Self.flood(count) { writer, index in
                let stream = UInt32(index) * 2 + 1
                writer.headers(stream: stream, block: [UInt8](repeating: 0x82, count: 16_384), endsBlock: false)
                for (place, size) in pieces.enumerated() {
                    let flags: UInt8 = place == pieces.count - 1 ? 4 : 0
                    writer.frame(
                        type: 9, flags: flags, stream: stream, payload: [UInt8](repeating: 0x82, count: size))
                }
            }
        }
        #expect(Self.judge(blocks(1, [14_000, 336])).verdict == nil)
        #expect(Self.judge(blocks(1, [14_000, 337])).verdict == .continuationFlood)
        #expect(Self.judge(blocks(3, [14_336])).verdict == nil, "each block counts for itself")
    }

    @Test("a frame of 16,384 bytes passes and one of 16,385 does not")
    func frameLength() {
        let body: (Int) -> [UInt8] = { count in
            Self.flood(1) { writer, _ in writer.data(stream: 1, [UInt8](repeating: 0, count: count)) }
        }
        #expect(Self.judge(body(16_384)).verdict == nil)
        #expect(Self.judge(body(16_385)).verdict == .frameTooLong(bytes: 16_385))
        #expect(Self.judge(body(16_385), inPiecesOf: 1).verdict == .frameTooLong(bytes: 16_385))
    }

    @Test("overhead past an eighth of all bytes and 1 MiB ends the connection, whatever its frames are")
    func ratio() {
        var limits = FrameLimits()
        limits.others = RateLimit(burst: 1_000_000, perSecond: 1000)
        let filler = [UInt8](repeating: 0, count: 16_384)
        let bytes = Self.flood(600) { writer, _ in writer.frame(type: 0xBB, payload: filler) }
        let (verdict, frames, _) = Self.judge(bytes, limits: limits)
        #expect(verdict == .overhead)
        // 9-byte SETTINGS, then 16,393 bytes a frame: 512 of them pass 8 MiB.
        #expect(frames == 1 + 512)
        let content = Self.flood(2000) { writer, _ in writer.data(stream: 1, filler, ends: false) }
        #expect(Self.judge(content, limits: limits).verdict == nil)
        print("H10 ratio rule: closed after \(frames) frames of 16 KiB")
    }

    @Test("WINDOW_UPDATE frames are allowed for streams and for DATA that was sent")
    func windowUpdatesEarned() {
        var meter = FrameMeter(limits: FrameLimits())
        for _ in 0..<10 { meter.dataFrameSent() }
        let bytes = Self.flood(1) { writer, _ in
            writer.headers(stream: 1, block: [0x82])
            for _ in 0..<207 { writer.windowUpdate(stream: 0, by: 1) }
        }
        let whole = bytes.withUnsafeBytes { meter.judge($0, from: 0, now: Self.now) }
        #expect(whole.signal == .passed)
        #expect(meter.glitchCount == 0)
        let more = Self.flood(1) { writer, _ in writer.windowUpdate(stream: 0, by: 1) }.dropFirst(24 + 9)
        _ = Array(more).withUnsafeBytes { meter.judge($0, from: 0, now: Self.now) }
        #expect(meter.glitchCount == 1)
    }

    @Test("bytes that are not the HTTP/2 preface are refused at the first that differs")
    func preface() {
        #expect(Self.judge(Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)).verdict == .badPreface)
        #expect(Self.judge(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r".utf8)).verdict == nil)
    }

    @Test("a frame or header block under way is dated by its first byte, DATA is not")
    func unfinished() {
        var meter = FrameMeter(limits: FrameLimits())
        func feed(_ bytes: some Sequence<UInt8>, at now: UInt64) {
            _ = Array(bytes).withUnsafeBytes { meter.judge($0, from: 0, now: now) }
        }
        feed(Self.flood(0) { _, _ in }, at: 1)
        #expect(meter.unfinishedFrameSince == nil)
        let head = Self.flood(1) { writer, _ in writer.headers(stream: 1, block: [0x82, 0x84], ends: false) }.dropFirst(
            33)
        feed(head.prefix(3), at: 2)
        feed(head.dropFirst(3).prefix(7), at: 3)
        #expect(meter.unfinishedFrameSince == 2)
        feed(head.dropFirst(10), at: 4)
        #expect(meter.unfinishedFrameSince == nil)
        let data = Self.flood(1) { writer, _ in writer.data(stream: 1, [1, 2, 3]) }.dropFirst(33)
        feed(data.prefix(10), at: 5)
        #expect(meter.unfinishedFrameSince == nil)
        feed(data.dropFirst(10) + head.prefix(1), at: 6)
        #expect(meter.unfinishedFrameSince == 6)
    }
}
