import Domain
import HTTP2

// Feeds the frame meter and a whole session. The first byte is the seed of the cuts and pauses, the rest is the wire.
//
// Oracles: the meter judges the same however the bytes are cut; what a session keeps stays within its budgets; after it
// ended it says so in at most one last GOAWAY and stays silent.

private let second: UInt64 = 1_000_000_000

/// The verdict on `bytes` fed in pieces of `size`, with the number of frames judged.
private func judge(_ bytes: UnsafeRawBufferPointer, inPiecesOf size: Int) -> (String, UInt64, UInt64) {
    var meter = FrameMeter(limits: FrameLimits())
    var start = 0
    var end = 0
    while end < bytes.count {
        end = min(bytes.count, end + size)
        while start < end {
            let (judged, signal) = meter.judge(
                UnsafeRawBufferPointer(rebasing: bytes[..<end]), from: start, now: 1000 * second)
            if case .refused(let error) = signal { return ("\(error)", meter.frames, meter.glitchCount) }
            precondition(judged > start && judged <= end)
            start = judged
        }
    }
    return ("passed", meter.frames, meter.glitchCount)
}

private func answer(_ session: HTTP2ServerSession, _ streamID: Int32, now: UInt64) {
    session.respond(
        to: streamID,
        with: Response(
            status: 200, contentType: .json, requestID: UniqueID(high: 1, low: 2),
            body: [UInt8](repeating: 0x61, count: Int(streamID & 0xFFFF))), now: now)
}

private func drive(_ bytes: UnsafeRawBufferPointer, seed: UInt8) {
    var now = 1000 * second
    let configuration = HTTP2Configuration()
    let session = HTTP2ServerSession(configuration: configuration, now: now, ageJitter: UInt32(seed))
    var output: [UInt8] = []
    var state = UInt32(seed) | 1
    var start = 0
    while start < bytes.count {
        state = state &* 1_664_525 &+ 1_013_904_223
        let end = min(bytes.count, start + 1 + Int(state >> 24) * (seed & 1 == 0 ? 1 : 64))
        do throws(HTTP2Error) {
            try session.receive(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), now: now)
        } catch {
            precondition(session.closeReason == error)
        }
        start = end
        while let event = session.nextEvent() {
            switch event {
            case .request(let streamID, let request):
                precondition(request.body.count <= configuration.bodyBytes)
                precondition(request.fields.buffer.count <= 2 * configuration.headerBytes)
                session.begin(UInt64(streamID), of: streamID)
                if state & 3 != 0 { answer(session, streamID, now: now) }
            case .refused(let streamID, _): answer(session, streamID, now: now)
            case .reset(let streamID, let work):
                precondition(work == UInt64(streamID))
                if state & 8 != 0 { session.release(streamID) } else { answer(session, streamID, now: now) }
            }
        }
        precondition(session.unanswered <= Int(configuration.concurrentStreams))
        precondition(session.bufferedBodyBytes >= 0 && session.bufferedBodyBytes <= 8 * 1024 * 1024)
        precondition(session.bufferedResponseBytes >= 0)
        precondition(session.bufferedResponseBytes <= configuration.responseBytesPerConnection)
        if state & 4 == 0 { session.produce(into: &output, limit: 16_384, now: now) }
        if state & 0xF0 == 0 {
            now += second * UInt64(state >> 28)
            session.expire(now: now)
        }
    }
    session.produce(into: &output, limit: 1 << 20, now: now)
    guard session.closeReason != nil else { return }
    let said = output.count
    session.produce(into: &output, limit: 1 << 20, now: now)
    precondition(output.count == said && session.wantsClose)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHTTP2Meter(_ start: UnsafePointer<UInt8>, _ count: Int) -> Int32 {
    guard count > 1 else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: start + 1, count: count - 1)
    let whole = judge(bytes, inPiecesOf: .max / 2)
    precondition(judge(bytes, inPiecesOf: 1) == whole)
    precondition(judge(bytes, inPiecesOf: 2 + Int(start[0])) == whole)
    drive(bytes, seed: start[0])
    return 0
}
