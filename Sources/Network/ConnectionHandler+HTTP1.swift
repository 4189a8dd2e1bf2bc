import Domain
import NIOCore

extension ConnectionHandler {
    /// Starts HTTP/1.1 without TLS.
    func openPlaintext(_ context: ChannelHandlerContext, now: UInt64) {
        finishHandshake()
        openHTTP1(context, now: now)
    }

    /// Starts HTTP/1.1 on a connection that is ready for it.
    func openHTTP1(_ context: ChannelHandlerContext, now: UInt64) {
        let session = HTTP1Session(limits: limits)
        deadlines = HTTP1Deadlines(limits: limits, start: now)
        engine = .http1(session)
        agesAt = Self.spread(limits.maximumAgeNanoseconds, after: now, jitter: loop.nextAgeJitter())
        life = .open
        let pipeline = context.pipeline.syncOperations
        do {
            let decoder = HTTP1DecoderTail.makeDecoder(limits)
            try pipeline.addHandler(decoder, position: .after(self))
            try pipeline.addHandler(HTTP1DecoderTail(session: session), position: .after(decoder))
        } catch {
            // The channel was closed in between.
            closeNow()
        }
    }

    /// Asks the gateway about a request whose content is late.
    func askAboutHead(_ session: HTTP1Session) {
        guard isOpen, let head = session.takeUnaskedHead() else { return }
        if let answer = loop.worker.refuseHead(head, connection) {
            session.refuseContent(answer)
            deadlines?.observe(session, now: loop.now())
            chargeBodies()
        } else {
            session.admitContent()
        }
        if session.outboxBytes > 0 { loop.markDirty(self) }
    }

    /// Does what the session says until it waits.
    func pump(_ session: HTTP1Session) {
        while true {
            switch session.next() {
            case .wait:
                deadlines?.observe(session, now: loop.now())
                // A full socket calls again when it has room.
                if isOpen, isWritable, session.outboxBytes > 0 || session.wantsClose { loop.markDirty(self) }
                return
            case .decode(let bytes):
                context?.fireChannelRead(wrapInboundOut(ByteBuffer(bytes: bytes)))
            case .request(let request, let token):
                deadlines?.observe(session, now: loop.now())
                _ = loop.worker.receive(request, connection, token)
                // A pipelined request is handed out while answers are written: what it brought must be submitted, too.
                loop.scheduleRound()
            case .refused(let refusal):
                refuse(.http1(refusal))
                loop.markDirty(self)
            }
        }
    }
}
