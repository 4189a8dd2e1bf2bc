import CNghttp2
import Domain

/// One HTTP/2 connection as a server: bytes in, requests out; answers in, bytes out. No socket, no clock, no thread.
///
/// Confined to one event loop. Call in this order in a read cycle: `receive`, `nextEvent` until `nil`, `respond`,
/// `produce`.
/// After `receive` throws, `produce` gives the GOAWAY that says why; send it and close. Time is monotonic nanoseconds.
///
/// nghttp2 keeps the protocol; the frame meter in front of it and the counters behind it keep the limits. nghttp2's
/// callbacks only write down what happened; nothing is received or sent inside one.
///
/// Source: RFC 9113; nghttp2.org/documentation/programmers-guide.html.
package final class HTTP2ServerSession {
    /// The number of no work.
    package static let noWork = UInt64.max

    /// How the end of the connection is coming about.
    enum Phase {
        case open
        /// The first GOAWAY (2^31-1) went out: new requests are still taken until `until`.
        case noticed(until: UInt64)
        /// The last GOAWAY went out: open streams may finish until `until`.
        case draining(until: UInt64)
        /// Nothing goes on; a last GOAWAY is to be sent unless it was.
        case closing(HTTP2Error, isSaid: Bool)
    }

    // INVARIANT: no access to a field below is open while nghttp2 runs, so its callbacks never overlap one; the
    // session is
    // confined to one loop. The run-time check of this would cost an eighth of a request.
    let configuration: HTTP2Configuration
    /// Of `configuration`; beside it, for that is copied whole where one field is passed on.
    let headerLimits: HeaderLimits
    @exclusivity(unchecked) var library: OpaquePointer
    @exclusivity(unchecked) var meter: FrameMeter
    @exclusivity(unchecked) var phase = Phase.open
    @exclusivity(unchecked) var streams = StreamTable()
    @exclusivity(unchecked) var resets = TokenBucket()
    @exclusivity(unchecked) var startedAt: UInt64
    let drainsAt: UInt64
    @exclusivity(unchecked) var now: UInt64
    /// When the last stream closed and the last work on one ended; nil until `expire` has seen it.
    @exclusivity(unchecked) var idleSince: UInt64?
    /// No deadline is before this.
    @exclusivity(unchecked) var earliestDeadline: UInt64

    // What callbacks wrote down.
    @exclusivity(unchecked) var inbox: [HTTP2Event] = []
    @exclusivity(unchecked) var inboxTaken = 0
    /// The place of the stream that was handed out last.
    @exclusivity(unchecked) var placeHandedOut = -1
    @exclusivity(unchecked) var resetsDue: [(streamID: Int32, code: UInt32)] = []
    @exclusivity(unchecked) var streamCreditsDue: [Int32] = []
    @exclusivity(unchecked) var connectionCredit = 0
    /// Violations already counted whose RST_STREAM is still to be sent.
    @exclusivity(unchecked) var violationsToBeReset = 0
    /// Content bytes the connection's window is to be told of.
    @exclusivity(unchecked) var isGlitchBucketEmpty = false
    @exclusivity(unchecked) var isCalmAsked = false
    /// The last stream that a GOAWAY of ours names, from when it waits to be sent.
    @exclusivity(unchecked) var lastStreamTaken = Int32.max
    /// The GOAWAY that ended the connection without `receive` throwing, until it is asked for.
    @exclusivity(unchecked) var silentEnd: HTTP2Error?

    // The header block under way. There is never more than one on a connection.
    @exclusivity(unchecked) var block = HeaderBlock()

    /// Requests handed out and then reset, whose answers are still to come.
    @exclusivity(unchecked) var orphans: [Int32] = []
    /// Requests handed out and not answered, reset ones included: the permits in use.
    @exclusivity(unchecked) package internal(set) var unanswered = 0
    /// Requests whose head is here, whose content is not whole, and that `askAboutHeads` has not lent yet.
    @exclusivity(unchecked) package internal(set) var unaskedHeads = 0
    /// Whether a response was submitted.
    @exclusivity(unchecked) var hasResponded = false
    /// Content of requests kept here: neither taken by `nextEvent` nor dropped.
    @exclusivity(unchecked) package internal(set) var bufferedBodyBytes = 0
    /// Content of responses not yet produced.
    @exclusivity(unchecked) package internal(set) var bufferedResponseBytes = 0
    /// RST_STREAM frames sent.
    @exclusivity(unchecked) package internal(set) var resetsSent: UInt64 = 0

    @exclusivity(unchecked) var output: [UInt8] = []
    @exclusivity(unchecked) var outputLimit = 0

    /// - Parameters:
    ///   - now: monotonic nanoseconds.
    ///   - ageJitter: any 32 random bits; they spread the maximum age over ± 10 %.
    package init(configuration: HTTP2Configuration, now: UInt64, ageJitter: UInt32) {
        self.configuration = configuration
        headerLimits = HeaderLimits(bytes: configuration.headerBytes, fields: configuration.headerFields)
        self.now = now
        startedAt = now
        idleSince = now
        meter = FrameMeter(limits: configuration.frames)
        let age = configuration.ageNanoseconds
        drainsAt = now + age - age / 10 + (age / 5).multipliedFullWidth(by: UInt64(ageJitter) << 32).high
        earliestDeadline = now + configuration.prefaceNanoseconds
        library = Self.makeLibrary(configuration)
        nghttp2_session_set_user_data(library, Unmanaged.passUnretained(self).toOpaque())
        announce()
    }

    deinit {
        nghttp2_session_del(library)
    }

    /// What the meter has seen so far.
    package var frameMeter: FrameMeter { meter }
    /// Streams that are neither closed nor refused at once.
    package var openStreams: Int { streams.count }

    /// Why the connection is ending, when it is ending for a reason other than a drain.
    package var closeReason: HTTP2Error? {
        if case .closing(let reason, _) = phase { return reason }
        return nil
    }

    /// Why the connection was ended by a GOAWAY that `produce` gave and that neither `receive` nor `closeReason` told
    /// of;
    /// told once.
    package func takeSilentEnd() -> HTTP2Error? { silentEnd.take() }

    /// Whether there is nothing left to read or to send: close the socket.
    package var wantsClose: Bool {
        switch phase {
        case .closing(_, let isSaid): isSaid
        case .open, .noticed, .draining:
            nghttp2_session_want_read(library) == 0 && nghttp2_session_want_write(library) == 0
        }
    }

    /// Whether `produce` has something to give.
    package var wantsProduce: Bool {
        switch phase {
        case .closing(_, let isSaid): !isSaid
        case .open, .noticed, .draining: nghttp2_session_want_write(library) != 0
        }
    }

    /// Takes bytes from the peer, cut anywhere.
    ///
    /// - Throws: when the connection must end; then `produce` what is left, send it and close. Bytes after that are
    ///   ignored.
    package func receive(_ bytes: UnsafeRawBufferPointer, now: UInt64) throws(HTTP2Error) {
        self.now = now
        var fed = 0
        while fed < bytes.count {
            if case .closing = phase { return }
            let (judged, signal) = meter.judge(bytes, from: fed, now: now)
            if case .refused(let reason) = signal { throw close(reason) }
            try feed(UnsafeRawBufferPointer(rebasing: bytes[fed..<judged]))
            if case .reset(let streamID) = signal, !isAnswered(streamID), !resets.take(configuration.resets, now: now)
            {
                throw close(.rapidReset)
            }
            fed = judged
        }
        makeRoom()
        if meter.unfinishedFrameSince != nil { isDue(at: now + configuration.headerNanoseconds) }
    }

    private func feed(_ bytes: UnsafeRawBufferPointer) throws(HTTP2Error) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
        let taken = nghttp2_session_mem_recv(library, base.assumingMemoryBound(to: UInt8.self), bytes.count)
        guard taken >= 0 else { throw close(.library(code: Int32(taken))) }
        try settle()
    }

    /// Does what the callbacks asked for.
    private func settle() throws(HTTP2Error) {
        for due in resetsDue {
            nghttp2_submit_rst_stream(library, UInt8(NGHTTP2_FLAG_NONE.rawValue), due.streamID, due.code)
        }
        if !resetsDue.isEmpty { resetsDue.removeAll(keepingCapacity: true) }
        credit()
        if isGlitchBucketEmpty { throw close(.glitches) }
        if nghttp2_session_get_outbound_queue_size(library) > configuration.outboundFrames {
            throw close(.outboundFlood)
        }
        askForCalm()
    }

    /// Counts a violation; the next `settle` or `produce` acts on it.
    func countGlitch() {
        if !meter.glitch(now: now) { isGlitchBucketEmpty = true }
    }

    func askForCalm() {
        guard !isCalmAsked, meter.glitchCount >= configuration.frames.glitchWarning,
            meter.isGlitchWarningDue(now: now)
        else { return }
        isCalmAsked = true
        sendLastGoaway(code: NGHTTP2_ENHANCE_YOUR_CALM.rawValue)
    }

    @discardableResult
    func close(_ reason: HTTP2Error) -> HTTP2Error {
        if case .closing(let first, _) = phase { return first }
        phase = .closing(reason, isSaid: false)
        abandon()
        return reason
    }

    /// Whether the answer of an open stream is out before its request has ended: resetting it is then what the peer
    /// is to do. Source: RFC 9113 section 8.1.
    private func isAnswered(_ streamID: UInt32) -> Bool {
        guard let place = place(of: Int32(bitPattern: streamID)) else { return false }
        return streams[place].stage == .discarding
    }

    func isDue(at deadline: UInt64) {
        if deadline < earliestDeadline { earliestDeadline = deadline }
    }

    /// The place of an open stream, or `nil`.
    func place(of streamID: Int32) -> Int? {
        guard let data = nghttp2_session_get_stream_user_data(library, streamID) else { return nil }
        return Int(bitPattern: data) - 1
    }
}
