import NIOCore

extension ConnectionHandler {
    /// Looks for passed deadlines; called by the loop twice a second.
    func tick(_ now: UInt64) {
        defer { chargeBodies() }
        if case .closed = life { return }
        if let drainEndsAt, now >= drainEndsAt {
            refuse(.deadline(.drain))
            return closeNow()
        }
        if isWriteStalled(now) {
            refuse(.deadline(.writeStall))
            return closeNow()
        }
        switch life {
        case .closed: return
        case .lingering(let until, let end):
            if now >= until, bytesInSocket == 0 { return closeNow() }
            guard now >= end else { return }
            refuse(.deadline(.lastWords))
            return closeNow()
        case .opening, .open, .closing: break
        }
        switch engine {
        case .none:
            guard now >= startedAt + limits.handshakeNanoseconds else { return }
            refuse(.deadline(.handshake))
            closeNow()
        case .http1(let session): tick(now, session)
        case .http2(let session): tick(now, session)
        }
    }

    private func tick(_ now: UInt64, _ session: HTTP1Session) {
        if now >= agesAt, drainEndsAt == nil { beginDrain() }
        // Time in which we do not read is not held against the peer, but while the budget is passed it is: only what
        // runs out of time brings the sum down.
        guard session.wantsClose || withheldSince == nil || isOverBodyBudget, let deadlines else { return }
        switch deadlines.tick(now: now, bodyBytes: session.bodyBytes) {
        case .nothing: break
        case .idle: closeNow()
        case .timeout(let deadline):
            _ = session.refuse(.timeout)
            refuse(.deadline(deadline))
            self.deadlines?.observe(session, now: now)
            loop.markDirty(self)
        }
    }

    /// `age` after `start`, give or take a tenth. Source: THREATS 2.1, row "Idle / age".
    static func spread(_ age: UInt64, after start: UInt64, jitter: UInt32) -> UInt64 {
        start + age - age / 10 + (age / 5).multipliedFullWidth(by: UInt64(jitter) << 32).high
    }

    /// Whether bytes wait in the socket and none has left for too long.
    private func isWriteStalled(_ now: UInt64) -> Bool {
        let waiting = bytesInSocket
        guard waiting > 0 else {
            stalledSince = nil
            return false
        }
        guard let since = stalledSince, waiting == stalledBytes else {
            stalledSince = now
            stalledBytes = waiting
            return false
        }
        return now >= since + limits.writeStallNanoseconds
    }

    /// Bytes given to the socket that the kernel has not taken.
    var bytesInSocket: Int {
        do {
            return try context?.channel.syncOptions?.getOption(.bufferedWritableBytes) ?? 0
        } catch {
            // The channel is closed: nothing waits.
            return 0
        }
    }
}
