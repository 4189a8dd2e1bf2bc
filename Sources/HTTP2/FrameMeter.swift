/// Counts the frames of a connection before nghttp2 sees them, and stops floods that nghttp2 lets pass.
///
/// A value: bytes and monotonic time in, verdicts out. Bytes may be cut anywhere. Only frame headers, the pad length of
/// DATA and the connection preface are looked at; everything else is nghttp2's to judge.
///
///     preface ──24 bytes──▶ header ──9 bytes──▶ payload ──length──▶ header …
///
/// Source: RFC 9113 sections 3.4, 4.1 and 6; the attack classes of the threat model, section 2.1.
package struct FrameMeter: Sendable {
    /// What to do with the bytes judged so far.
    package enum Signal: Equatable, Sendable {
        /// Everything given was judged and may go to nghttp2.
        case passed
        /// What was judged may go to nghttp2; settle what it did before judging on.
        case pause
        /// As `pause`, and the judged bytes end with the header of RST_STREAM for this stream.
        case reset(streamID: UInt32)
        /// The connection is over; nothing of these bytes needs to go anywhere.
        case refused(HTTP2Error)
    }

    private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    private static let prefaceBytes = 24
    private static let headerBytes = 9

    private let limits: FrameLimits
    private var prefaceSeen = 0
    private var header = InlineArray<9, UInt8>(repeating: 0)
    private var headerSeen = 0
    private var payloadLeft = 0
    private var isData = false
    /// The length of a padded DATA frame whose pad length has not arrived, and whether the frame ends its stream.
    private var padded: (length: Int, ends: Bool)?
    private var isBlockOpen = false
    private var continuations = 0
    private var blockBytes = 0
    private var emptyFrames = 0
    private var headersInSlice: UInt8 = 0
    private var unfinishedSince: UInt64 = .max
    private var totalBytes: UInt64 = 0
    private var contentBytes: UInt64 = 0
    private var lastStreamID: UInt32 = 0
    private var streamsOpened: UInt64 = 0
    private var dataFramesSent: UInt64 = 0
    private var windowUpdates: UInt64 = 0
    private var pings = TokenBucket()
    private var settings = TokenBucket()
    private var priorities = TokenBucket()
    private var others = TokenBucket()
    private var glitches = TokenBucket()
    /// Frames whose header was judged.
    package private(set) var frames: UInt64 = 0
    /// Violations so far.
    package private(set) var glitchCount: UInt64 = 0
    /// Whether the first SETTINGS frame has begun.
    package private(set) var hasSettings = false

    package init(limits: FrameLimits) {
        self.limits = limits
    }

    /// When the frame or header block under way, DATA excepted, began; `nil` between frames.
    package var unfinishedFrameSince: UInt64? { unfinishedSince == .max ? nil : unfinishedSince }

    /// Moves the beginning of the frame under way.
    package mutating func postpone(by nanoseconds: UInt64) {
        if unfinishedSince != .max { unfinishedSince += nanoseconds }
    }

    /// Counts a violation that was found elsewhere; false when the bucket is empty and the connection must close.
    package mutating func glitch(now: UInt64) -> Bool {
        glitchCount += 1
        return glitches.take(limits.glitches, now: now)
    }

    /// Whether so many violations came that the peer is to be told to go.
    package func isGlitchWarningDue(now: UInt64) -> Bool {
        glitches.used(limits.glitches, now: now) >= limits.glitchWarning
    }

    /// Tells of a DATA frame that was sent: it earns the peer WINDOW_UPDATE frames.
    package mutating func dataFrameSent() {
        dataFramesSent += 1
    }

    /// Judges `bytes` from `start` on.
    ///
    /// - Returns: how far the bytes were judged (an offset into `bytes`) and what to do; call again from there until
    ///   `passed`.
    package mutating func judge(
        _ bytes: UnsafeRawBufferPointer, from start: Int, now: UInt64
    ) -> (judged: Int, signal: Signal) {
        var index = start
        var began = unfinishedSince == .max
        defer {
            let isUnfinished = isBlockOpen || headerSeen > 0 || (payloadLeft > 0 && !isData)
            unfinishedSince = isUnfinished ? (began ? now : unfinishedSince) : .max
        }
        if prefaceSeen < Self.prefaceBytes, !passPreface(bytes, &index) { return (index, .refused(.badPreface)) }
        while index < bytes.count {
            if payloadLeft > 0 {
                if padded != nil, let verdict = passPadLength(bytes[index], now: now) { return (index, verdict) }
                let taken = min(payloadLeft, bytes.count - index)
                payloadLeft -= taken
                index += taken
                continue
            }
            if headerSeen == 0 {
                if !isBlockOpen { began = true }
                if bytes.count - index >= Self.headerBytes {
                    let signal = begin(frameAt: bytes.baseAddress.unsafelyUnwrapped + index, now: now)
                    index += Self.headerBytes
                    if signal != .passed { return (index, signal) }
                    continue
                }
            }
            header[headerSeen] = bytes[index]
            headerSeen += 1
            index += 1
            guard headerSeen == Self.headerBytes else { continue }
            headerSeen = 0
            let copy = header
            let signal = copy.span.withUnsafeBytes { begin(frameAt: $0.baseAddress.unsafelyUnwrapped, now: now) }
            if signal != .passed { return (index, signal) }
        }
        return (index, .passed)
    }

    private mutating func passPreface(_ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> Bool {
        while prefaceSeen < Self.prefaceBytes, index < bytes.count {
            guard bytes[index] == Self.preface.utf8Start[prefaceSeen] else { return false }
            prefaceSeen += 1
            index += 1
        }
        return true
    }

    private mutating func passPadLength(_ byte: UInt8, now: UInt64) -> Signal? {
        guard let frame = padded else { return nil }
        padded = nil
        let content = max(0, frame.length - 1 - Int(byte))
        contentBytes += UInt64(content)
        let signal = countEmpty(isEmpty: content == 0 && !frame.ends, now: now)
        return signal == .passed ? nil : signal
    }
}

extension FrameMeter {
    private mutating func begin(frameAt pointer: UnsafeRawPointer, now: UInt64) -> Signal {
        let word = UInt32(bigEndian: pointer.loadUnaligned(as: UInt32.self))
        let length = Int(word >> 8)
        guard length <= limits.frameBytes else { return .refused(.frameTooLong(bytes: length)) }
        let flags = pointer.load(fromByteOffset: 4, as: UInt8.self)
        let streamID = UInt32(bigEndian: pointer.loadUnaligned(fromByteOffset: 5, as: UInt32.self)) & 0x7FFF_FFFF
        let type = UInt8(truncatingIfNeeded: word)
        frames += 1
        payloadLeft = length
        isData = type == 0
        totalBytes += UInt64(Self.headerBytes + length)
        let signal = count(type: type, flags: flags, streamID: streamID, length: length, now: now)
        if totalBytes / limits.overheadDivisor > contentBytes + limits.overheadBytes { return .refused(.overhead) }
        return signal
    }

    private mutating func count(type: UInt8, flags: UInt8, streamID: UInt32, length: Int, now: UInt64) -> Signal {
        switch type {
        case 0x0: return countData(flags: flags, length: length, now: now)
        case 0x1: return countHeaders(flags: flags, streamID: streamID, length: length, now: now)
        case 0x2, 0x10: return priorities.take(limits.priorities, now: now) ? .passed : countGlitch(now: now)
        case 0x3: return .reset(streamID: streamID)
        case 0x4:
            hasSettings = true
            return settings.take(limits.settings, now: now) ? .passed : .refused(.settingsFlood)
        case 0x6: return pings.take(limits.pings, now: now) ? .passed : .refused(.pingFlood)
        case 0x8:
            windowUpdates += 1
            let allowed =
                limits.windowUpdates + limits.windowUpdatesPerStream * streamsOpened
                + limits.windowUpdatesPerDataFrame * dataFramesSent
            return windowUpdates <= allowed ? .passed : countGlitch(now: now)
        case 0x9:
            continuations += 1
            blockBytes += length
            guard continuations <= limits.continuations, blockBytes <= limits.headerBlockBytes else {
                return .refused(.continuationFlood)
            }
            isBlockOpen = flags & 0x4 == 0
            contentBytes += UInt64(length)
            return countEmpty(isEmpty: length == 0 && isBlockOpen, now: now)
        default: return others.take(limits.others, now: now) ? .passed : countGlitch(now: now)
        }
    }

    private mutating func countData(flags: UInt8, length: Int, now: UInt64) -> Signal {
        let ends = flags & 0x1 != 0
        if flags & 0x8 != 0, length > 0 {
            padded = (length, ends)
            return .passed
        }
        contentBytes += UInt64(length)
        return countEmpty(isEmpty: length == 0 && !ends, now: now)
    }

    private mutating func countHeaders(flags: UInt8, streamID: UInt32, length: Int, now: UInt64) -> Signal {
        if streamID > lastStreamID {
            lastStreamID = streamID
            streamsOpened += 1
        }
        isBlockOpen = flags & 0x4 == 0
        continuations = 0
        blockBytes = length
        contentBytes += UInt64(length)
        let signal = countEmpty(isEmpty: length == 0 && flags & 0x1 == 0, now: now)
        headersInSlice += 1
        guard signal == .passed, headersInSlice >= limits.headersPerSlice else { return signal }
        headersInSlice = 0
        return .pause
    }

    private mutating func countEmpty(isEmpty: Bool, now: UInt64) -> Signal {
        guard isEmpty else {
            emptyFrames = 0
            return .passed
        }
        emptyFrames += 1
        return emptyFrames <= limits.emptyFrames ? .passed : countGlitch(now: now)
    }

    private mutating func countGlitch(now: UInt64) -> Signal {
        glitch(now: now) ? .passed : .refused(.glitches)
    }
}
