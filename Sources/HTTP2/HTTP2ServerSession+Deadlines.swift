import CNghttp2
import Domain

extension HTTP2ServerSession {
    /// When `expire(now:)` is next worth calling, in monotonic nanoseconds. It may be too early, never too late; it
    /// moves
    /// forward only when `expire` is called, so a timer set for it need not be set again with every request.
    package var nextDeadline: UInt64 { earliestDeadline }

    /// Does what is due: resets slow streams, drains an idle or old connection, ends one that is slow in its frames.
    ///
    /// Afterwards `produce` what there is, and look at `wantsClose`.
    package func expire(now: UInt64) {
        self.now = now
        guard now >= earliestDeadline else { return }
        earliestDeadline = .max
        expireConnection()
        if case .closing = phase { return }
        for place in streams.places.indices where streams[place].id != 0 { expireStream(at: place) }
        if streams.count == 0 { expireIdle() }
    }

    /// Nothing was read for `nanoseconds`, and what the peer sent meanwhile waits: it is not to blame for that time.
    package func postpone(by nanoseconds: UInt64) {
        if !meter.hasSettings { startedAt += nanoseconds }
        meter.postpone(by: nanoseconds)
        for place in streams.places.indices where streams[place].id != 0 && streams[place].stage == .content {
            streams[place].since += nanoseconds
        }
    }

    /// Begins to say goodbye: GOAWAY with the highest stream id, so that requests already under way are still taken;
    /// the
    /// final GOAWAY follows `drainNoticeNanoseconds` later out of `expire`. Source: RFC 9113 section 6.8.
    package func beginDrain(now: UInt64) {
        self.now = now
        guard case .open = phase else { return }
        nghttp2_submit_shutdown_notice(library)
        phase = .noticed(until: now + configuration.drainNoticeNanoseconds)
        isDue(at: now + configuration.drainNoticeNanoseconds)
    }

    /// Sends the final GOAWAY at once: new streams are no longer taken, open ones finish.
    package func finishDrain(now: UInt64) {
        self.now = now
        sendLastGoaway(code: NGHTTP2_NO_ERROR.rawValue)
    }

    func sendLastGoaway(code: UInt32) {
        switch phase {
        case .draining, .closing: return
        case .open, .noticed: break
        }
        lastStreamTaken = nghttp2_session_get_last_proc_stream_id(library)
        nghttp2_submit_goaway(library, 0, lastStreamTaken, code, nil, 0)
        phase = .draining(until: now + configuration.drainNanoseconds)
        isDue(at: now + configuration.drainNanoseconds)
    }

    private func expireConnection() {
        switch phase {
        case .open:
            if now >= drainsAt { beginDrain(now: now) } else { isDue(at: drainsAt) }
        case .noticed(let until):
            if now >= until { finishDrain(now: now) } else { isDue(at: until) }
        case .draining(let until):
            if now >= until { close(.drainTimeout) } else { isDue(at: until) }
        case .closing: return
        }
        if !meter.hasSettings {
            let until = startedAt + configuration.prefaceNanoseconds
            if now >= until { close(.prefaceTimeout) } else { isDue(at: until) }
        }
        if let since = meter.unfinishedFrameSince {
            let until = since + configuration.headerNanoseconds
            if now >= until { close(.headerTimeout) } else { isDue(at: until) }
        }
    }

    private func expireStream(at place: Int) {
        switch streams[place].stage {
        case .headers, .offered, .working: return
        case .content:
            guard now >= contentDeadline(at: place) else { return isDue(at: contentDeadline(at: place)) }
        case .discarding:
            let until = streams[place].since + configuration.discardNanoseconds
            guard now >= until else { return isDue(at: until) }
            nghttp2_submit_rst_stream(library, 0, streams[place].id, NGHTTP2_NO_ERROR.rawValue)
            streams[place].since = now
            return isDue(at: now + configuration.discardNanoseconds)
        case .answering:
            let until = streams[place].since + configuration.responseNanoseconds
            guard now >= until else { return isDue(at: until) }
        }
        nghttp2_submit_rst_stream(library, 0, streams[place].id, NGHTTP2_CANCEL.rawValue)
        // The stream stays until its RST_STREAM is sent; by then it is not to be reset again.
        streams[place].since = now
        isDue(at: now + configuration.responseNanoseconds)
    }

    /// The end of the time for all the content, or the moment when it falls behind the least rate.
    ///
    /// While our own window holds the peer back, the rate is not held against it.
    private func contentDeadline(at place: Int) -> UInt64 {
        let since = streams[place].since
        let last = since + configuration.bodyNanoseconds
        if connectionCredit > 0 { return last }
        let received = UInt64(streams[place].request?.body.count ?? 0)
        let paidFor = received * 1_000_000_000 / configuration.bodyBytesPerSecond
        return min(last, since + max(configuration.bodyGraceNanoseconds, paidFor))
    }

    private func expireIdle() {
        let since = idleSince ?? now
        idleSince = since
        let shrinksAt = since + configuration.shrinkNanoseconds
        if now >= shrinksAt { shrink() } else { isDue(at: shrinksAt) }
        guard case .open = phase, orphans.isEmpty else { return }
        let until = since + configuration.idleNanoseconds
        if now >= until { beginDrain(now: now) } else { isDue(at: until) }
    }

    /// Gives back the memory that only a busy connection needs.
    private func shrink() {
        streams.shrink()
        if inboxTaken == inbox.count {
            inbox = []
            inboxTaken = 0
        }
        resetsDue = []
        streamCreditsDue = []
        if orphans.isEmpty { orphans = [] }
        block.shrink()
    }
}
