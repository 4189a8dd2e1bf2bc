import Domain

@testable import HTTP2

/// A frame that the session sent.
struct SentFrame: Equatable {
    var type: UInt8
    var flags: UInt8
    var stream: UInt32
    var payload: [UInt8]

    var endsStream: Bool { flags & 1 != 0 }
    /// The error code of RST_STREAM or GOAWAY.
    var code: UInt32? {
        switch type {
        case 3: word(at: 0)
        case 7: word(at: 4)
        default: nil
        }
    }

    func word(at start: Int) -> UInt32 {
        payload[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
}

/// A client at the other end of a session, with its own clock.
final class Peer {
    static let second: UInt64 = 1_000_000_000

    let session: HTTP2ServerSession
    var writer = FrameWriter()
    var now: UInt64
    /// Everything the session sent, frame by frame.
    var sent: [SentFrame] = []
    var sentBytes = 0
    /// What `receive` threw.
    var error: HTTP2Error?

    /// A connection whose preface is done, unless `greets` is false.
    init(
        _ configuration: HTTP2Configuration = HTTP2Configuration(), settings: [(id: UInt16, value: UInt32)] = [],
        greets: Bool = true
    ) {
        now = 1000 * Self.second
        session = HTTP2ServerSession(configuration: configuration, now: now, ageJitter: 1 << 31)
        guard greets else { return }
        writer.preface(settings: settings)
        writer.frame(type: 4, flags: 1)
        send()
        collect()
    }

    /// Gives the session what was written, in pieces of `size` bytes.
    func send(inPiecesOf size: Int = .max) {
        let bytes = writer.take()
        var start = 0
        while start < bytes.count, error == nil {
            let end = size > bytes.count - start ? bytes.count : start + size
            bytes.withUnsafeBytes { all in
                do throws(HTTP2Error) {
                    try session.receive(UnsafeRawBufferPointer(rebasing: all[start..<end]), now: now)
                } catch {
                    self.error = error
                }
            }
            start = end
        }
    }

    /// Takes what the session has to send, at most about `limit` bytes, and returns its frames.
    @discardableResult
    func collect(limit: Int = 1 << 24) -> [SentFrame] {
        var bytes: [UInt8] = []
        session.produce(into: &bytes, limit: limit, now: now)
        sentBytes += bytes.count
        var frames: [SentFrame] = []
        var start = 0
        while start < bytes.count {
            let length = Int(bytes[start]) << 16 | Int(bytes[start + 1]) << 8 | Int(bytes[start + 2])
            let stream = bytes[start + 5..<start + 9].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
            frames.append(
                SentFrame(
                    type: bytes[start + 3], flags: bytes[start + 4], stream: stream,
                    payload: Array(bytes[start + 9..<start + 9 + length])))
            start += 9 + length
        }
        sent += frames
        return frames
    }

    func events() -> [HTTP2Event] {
        var all: [HTTP2Event] = []
        while let event = session.nextEvent() { all.append(event) }
        return all
    }

    /// Takes every event, which must be whole requests, and returns them with their streams.
    func requests() -> [(stream: Int32, request: Request)] {
        events().compactMap { event in
            if case .request(let stream, let request) = event { return (stream, request) }
            return nil
        }
    }

    func respond(_ stream: Int32, bytes: Int = 100, status: UInt16 = 200) -> Bool {
        session.respond(
            to: stream,
            with: Response(
                status: status, contentType: .amzJSON, requestID: UniqueID(high: 1, low: 2),
                body: [UInt8](repeating: 0x62, count: bytes)), now: now)
    }

    /// Answers all that waits.
    func answerAll() -> Int {
        let waiting = requests()
        for (stream, _) in waiting { _ = respond(stream) }
        return waiting.count
    }

    func pass(seconds: Double) {
        now += UInt64(seconds * Double(Self.second))
        session.expire(now: now)
    }

    func sent(type: UInt8) -> [SentFrame] { sent.filter { $0.type == type } }
    var resets: [SentFrame] { sent(type: 3) }
    var goaways: [SentFrame] { sent(type: 7) }
}

extension HTTP2Event {
    var refusal: HTTP2Refusal? {
        if case .refused(_, let refusal) = self { return refusal }
        return nil
    }

    var isReset: Bool {
        if case .reset = self { return true }
        return false
    }
}
