import Domain
import HTTP2
import NIOCore

extension ConnectionHandler {
    /// Starts HTTP/2 on a connection that is ready for it.
    func openHTTP2(now: UInt64) {
        engine = .http2(
            HTTP2ServerSession(configuration: listener.http2, now: now, ageJitter: loop.nextAgeJitter()))
        life = .open
        loop.markDirty(self)
    }

    func receive(_ bytes: UnsafeRawBufferPointer, _ session: HTTP2ServerSession) {
        do throws(HTTP2Error) {
            try session.receive(bytes, now: loop.timeOfRead())
        } catch {
            // `flush` sends the GOAWAY and closes.
            refuse(.http2Connection("\(error.name)"))
        }
        if session.hasEvents { loop.markReady(self) }
        if session.wantsProduce || session.wantsClose { loop.markDirty(self) }
    }

    /// Hands out what has become whole. Called by the loop once all sockets of a round are read, so that the code of
    /// reading and that of deciding each run for many requests in turn, and find themselves in the processor's caches.
    func deliver() {
        guard case .http2(let session) = engine else { return }
        defer { chargeBodies() }
        pump(session)
        if session.wantsProduce || session.wantsClose { loop.markDirty(self) }
    }

    private func pump(_ session: HTTP2ServerSession) {
        while let event = session.nextEvent() {
            switch event {
            case .request(let streamID, let request):
                let work = loop.worker.receive(request, connection, StreamToken(stream: streamID))
                if work != .none { session.begin(work.value, of: streamID) }
            case .refused(let streamID, let refusal):
                refuse(.http2Request(status: refusal.status))
                let answer = Response(
                    status: refusal.status, contentType: RefusalContent.type, requestID: loop.nextRequestID(),
                    retryAfterSeconds: refusal == .tooMuchAtOnce ? 1 : nil,
                    body: RefusalContent.make(status: refusal.status, message: refusal.message))
                session.respond(to: streamID, with: answer, now: loop.roundTime)
            case .reset(let streamID, let work):
                let hasEnded = work != HTTP2ServerSession.noWork && loop.worker.cancel(WorkToken(value: work))
                if hasEnded { session.release(streamID) }
            }
        }
    }

    /// The connection is gone, or says nothing more: what it asked for is cancelled.
    func abandon(_ session: HTTP2ServerSession) {
        session.abandon()
        guard session.hasEvents else { return }
        pump(session)
        loop.scheduleRound()
    }

    /// Asks the gateway about the requests whose content is late.
    func askAboutHeads(_ session: HTTP2ServerSession) {
        guard session.unaskedHeads > 0, isOpen else { return }
        session.askAboutHeads(now: loop.timeOfRead()) { loop.worker.refuseHead($0, connection) }
        chargeBodies()
        if session.wantsProduce { loop.markDirty(self) }
    }

    func tick(_ now: UInt64, _ session: HTTP2ServerSession) {
        if let since = withheldSince {
            withheldSince = now
            // A peer that does not read its answers, or sends more than there is room for, gets no more time for it.
            if loop.worker.withholdsReading, !isOverBodyBudget { session.postpone(by: now &- since) }
        }
        guard now >= session.nextDeadline else { return }
        let wasClosing = session.closeReason != nil
        session.expire(now: now)
        pump(session)
        if let reason = session.closeReason, !wasClosing { refuse(.http2Connection("\(reason.name)")) }
        if session.wantsProduce || session.wantsClose { loop.markDirty(self) }
    }
}
