import Domain
import HTTP2
import NIOCore
import TLS

/// One connection: socket ↔ HTTP, by way of TLS where the listener has it. It moves bytes and asks; the sessions
/// decide.
///
/// ```
///           handshake done          last answer, drain or refusal        written
/// opening ─────────────────▶ open ────────────────────────────▶ closing ───────▶ lingering ──▶ closed
///    └──────────────── deadline, broken peer, closeNow ───────────────────────────────────────▶
/// ```
/// INVARIANT: everything runs on the loop of `LoopState`. What is gathered for the peer leaves in `flush`, once a
/// round.
final class ConnectionHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Where the connection stands.
    enum Life {
        case opening
        case open
        /// Closes when everything is written.
        case closing
        /// The answer is on its way and our side is shut; what still comes is thrown away, so that the kernel does not
        /// answer it with a reset that takes the answer along. Until `end`, the time of an idle connection, the peer
        /// may read it as slowly as it likes.
        case lingering(until: UInt64, end: UInt64)
        case closed
    }

    /// Who speaks HTTP.
    enum Engine {
        case none
        case http1(HTTP1Session)
        case http2(HTTP2ServerSession)
    }

    /// How long a closing connection listens to a peer that still talks.
    static let lingerNanoseconds = 1 * UInt64.second

    let loop: LoopState
    let listener: ListenerState
    let limits: ConnectionLimits
    var life = Life.opening
    var engine = Engine.none
    /// `nil` where the listener speaks in the clear.
    var tls: TLSSession?
    var deadlines: HTTP1Deadlines?
    var startedAt: UInt64 = 0
    /// When an HTTP/1.1 connection drains for its age.
    var agesAt = UInt64.max
    /// When a draining connection is closed whatever it owes.
    var drainEndsAt: UInt64?
    private(set) var context: ChannelHandlerContext?
    var connection: Connection!
    var sourceAddress = ""
    /// Place in the loop's list; `nil` when not in it.
    var place: Int?
    /// In the loop's list of those with requests to hand out.
    var isReady = false
    /// In the loop's list of those with something to write.
    var isDirty = false
    var withheldSince: UInt64?
    /// Content held here that the process's budget knows of.
    private(set) var chargedBodyBytes = 0
    /// Counted among the unfinished handshakes of its address.
    var isHandshaking = false
    /// What has come of the header that a proxy owes; `nil` where none is owed any more.
    var proxyBytes: [UInt8]?
    /// The peer has shut its side.
    private(set) var isInputClosed = false
    var stalledSince: UInt64?
    var stalledBytes = 0

    init(loop: LoopState, listener: ListenerState) {
        self.loop = loop
        self.listener = listener
        limits = listener.configuration.limits
    }

    /// Whether an answer could still be sent.
    var isOpen: Bool {
        switch life {
        case .opening, .open: true
        case .closing, .lingering, .closed: false
        }
    }

    /// Whether the socket takes more, as the channel last said: asking it costs more than all else about a read.
    private(set) var isWritable = true

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelInactive(context: ChannelHandlerContext) {
        life = .closed
        if case .http2(let session) = engine { abandon(session) }
        engine = .none
        tls = nil
        chargeBodies()
        guard place != nil else { return }
        loop.remove(self)
        finishHandshake()
        loop.worker.closed(connection)
        connection.attachment = nil
        connection.detach()
        listener.gate.leave(principal: connection.principal)
        listener.connectionClosed()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or a broken pipe: the peer is gone.
        closeNow()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        switch life {
        case .opening, .open:
            buffer.withUnsafeReadableBytes { bytes in
                guard let bytes = proxyBytes == nil ? bytes : readProxyHeader(bytes), !bytes.isEmpty else { return }
                if let tls { decrypt(bytes, tls) } else { receive(bytes) }
            }
        case .closing, .lingering, .closed: break
        }
        loop.receiveBuffer.giveBack(buffer)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch engine {
        case .none: break
        case .http1(let session): askAboutHead(session)
        case .http2(let session): askAboutHeads(session)
        }
        loop.scheduleRound()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        guard isWritable else { return }
        loop.markDirty(self)
        loop.scheduleRound()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed? = event as? ChannelEvent else { return }
        isInputClosed = true
        switch life {
        case .opening: closeNow()
        case .open, .closing: inputEnded()
        case .lingering: if bytesInSocket == 0 { closeNow() }
        case .closed: break
        }
    }

    // MARK: Reading

    func read(context: ChannelHandlerContext) {
        guard mustWithhold else { return context.read() }
        if withheldSince == nil {
            withheldSince = loop.now()
            loop.withhold(self)
        }
    }

    /// Back-pressure: the log is behind, the peer does not read its answers, or a request waits for one.
    private var mustWithhold: Bool {
        switch life {
        case .opening, .closing, .lingering, .closed: return false
        case .open: break
        }
        // The admin pages answer whatever the log does.
        if loop.worker.withholdsReading, tls != nil { return true }
        if isOverBodyBudget || !isWritable { return true }
        switch engine {
        case .none: return false
        case .http2(let session): return session.bufferedResponseBytes > limits.heldResponseBytes
        case .http1(let session): return session.hasBacklog || session.outboxBytes > limits.heldResponseBytes
        }
    }

    /// Reads again when nothing stands against it any more, and asks to be asked again otherwise.
    func resumeReading() {
        guard let since = withheldSince, let context else { return }
        guard !mustWithhold else { return loop.withhold(self) }
        withheldSince = nil
        deadlines?.postpone(by: loop.now() &- since)
        context.read()
    }

    /// Whether this connection waits until the process holds less content.
    var isOverBodyBudget: Bool { listener.gate.bodies.mustWait(own: chargedBodyBytes) }

    /// Tells the process's budget what this connection holds now.
    func chargeBodies() {
        let held =
            switch engine {
            case .none: 0
            case .http1(let session): session.heldBytes
            case .http2(let session): session.bufferedBodyBytes
            }
        guard held != chargedBodyBytes else { return }
        listener.gate.bodies.add(held - chargedBodyBytes)
        chargedBodyBytes = held
    }

    /// The peer will send nothing more. What it has asked is still answered: one that has only shut its side waits for
    /// it. One that is gone says so when it is written to, and what it asked over HTTP/2 is cancelled then.
    func inputEnded() {
        switch engine {
        case .none: return closeNow()
        case .http1(let session):
            session.finishInput()
            pump(session)
        case .http2(let session):
            guard session.openStreams > 0 else { return closeAfterFlush() }
            session.finishDrain(now: loop.now())
        }
        loop.markDirty(self)
        loop.scheduleRound()
    }

    /// Plaintext from the peer.
    func receive(_ bytes: UnsafeRawBufferPointer) {
        defer { chargeBodies() }
        switch engine {
        case .none: break
        case .http1(let session):
            session.receive(bytes)
            pump(session)
        case .http2(let session): receive(bytes, session)
        }
    }

    // MARK: Answers

    func respond(_ response: Response, to token: StreamToken) {
        switch engine {
        case .none: return
        case .http2(let session): session.respond(to: token.stream, with: response, now: loop.roundTime)
        case .http1(let session): session.respond(response, to: token)
        }
        loop.markDirty(self)
    }

    /// The work on a request ended without an answer.
    func release(_ token: StreamToken) {
        switch engine {
        case .none, .http1: return
        case .http2(let session): session.release(token.stream)
        }
    }

    // MARK: The end

    /// Lets the requests under way finish and takes no more.
    func beginDrain() {
        switch engine {
        case .none: return closeNow()
        case .http1(let session):
            session.drain()
            endDrain(after: limits.drainNanoseconds)
        case .http2(let session):
            session.beginDrain(now: loop.now())
            // The session keeps the time itself; what it then has to say must leave, too.
            endDrain(after: listener.http2.drainNoticeNanoseconds + limits.drainNanoseconds + Self.lingerNanoseconds)
        }
        loop.markDirty(self)
        loop.scheduleRound()
    }

    private func endDrain(after nanoseconds: UInt64) {
        if drainEndsAt == nil { drainEndsAt = loop.now() + nanoseconds }
    }

    /// Everything is written: shuts our side and waits a moment for the peer to stop talking.
    func endOutput(_ context: ChannelHandlerContext) {
        switch life {
        case .opening, .open, .closing: break
        case .lingering, .closed: return
        }
        let now = loop.now()
        life = .lingering(until: now + Self.lingerNanoseconds, end: now + limits.idleNanoseconds)
        if case .http2(let session) = engine { abandon(session) }
        // What is staged must leave before we say that there is no more, and that before our side is shut.
        loop.sendStaged()
        if let tls {
            tls.shutdown()
            loop.stage(self, from: loop.plaintext.count, isFull: false)
            loop.sendStaged()
        }
        // With the peer's side shut, shutting ours is closing, which drops what the socket has not taken.
        guard isInputClosed else { return context.close(mode: .output, promise: nil) }
        if bytesInSocket == 0 { closeNow() }
    }

    /// Closes once what is pending is written.
    func closeAfterFlush() {
        life = .closing
        loop.markDirty(self)
        loop.scheduleRound()
    }

    func closeNow() {
        if case .closed = life { return }
        life = .closed
        context?.close(promise: nil)
    }

    func finishHandshake() {
        guard isHandshaking else { return }
        isHandshaking = false
        listener.gate.finishHandshake(block: connection.facts.addressBlock)
    }

    func refuse(_ reason: Refusal.Reason) {
        loop.worker.refused(
            Refusal(listenerID: listener.configuration.id, sourceAddress: sourceAddress, reason: reason))
    }
}
