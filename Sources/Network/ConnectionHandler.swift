import Domain
import NIOCore

/// One connection: socket ↔ HTTP, by way of TLS where the listener has it. It moves bytes and asks; the sessions decide.
///
/// ```
///           handshake done          last answer, drain or refusal        written
/// opening ─────────────────▶ open ────────────────────────────▶ closing ───────▶ lingering ──▶ closed
///    └──────────────── deadline, broken peer, closeNow ───────────────────────────────────────▶
/// ```
/// INVARIANT: everything runs on the loop of `LoopState`. What is gathered for the peer leaves in `flush`, once a round.
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
        /// answer it with a reset that takes the answer along.
        case lingering(until: UInt64)
        case closed
    }

    /// Who speaks HTTP.
    enum Engine {
        case none
        case http1(HTTP1Session)
    }

    /// How long a closing connection listens to a peer that still talks.
    static let lingerNanoseconds = 1 * UInt64.second

    let loop: LoopState
    let listener: ListenerState
    let limits: ConnectionLimits
    var life = Life.opening
    var engine = Engine.none
    var deadlines: HTTP1Deadlines?
    private(set) var context: ChannelHandlerContext?
    private(set) var connection: Connection!
    var sourceAddress = ""
    /// Place in the loop's list; `nil` when not in it.
    var place: Int?
    /// In the loop's list of those with something to write.
    var isDirty = false
    private var withheldSince: UInt64?
    private var isHandshaking = false
    private var stalledSince: UInt64?
    private var stalledBytes = 0

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

    // MARK: Channel events

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelActive(context: ChannelHandlerContext) {
        sourceAddress = context.channel.remoteAddress?.ipAddress ?? ""
        let facts = ConnectionFacts(listenerID: listener.configuration.id, sourceAddress: sourceAddress)
        connection = Connection(facts: facts, handler: self, gate: listener.gate)
        switch listener.gate.enter(address: sourceAddress) {
        case .admitted: break
        case .overBudget: return turnAway(.connectionBudget, context)
        case .overHandshaking: return turnAway(.handshakingBudget, context)
        }
        isHandshaking = true
        listener.connectionOpened()
        loop.add(self)
        if listener.isDraining { return closeNow() }
        openPlaintext(context, now: loop.now())
    }

    private func turnAway(_ reason: Refusal.Reason, _ context: ChannelHandlerContext) {
        life = .closed
        refuse(reason)
        connection.detach()
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        life = .closed
        engine = .none
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
        case .opening, .open: buffer.withUnsafeReadableBytes { receive($0) }
        case .closing, .lingering, .closed: break
        }
        loop.receiveBuffer.giveBack(buffer)
    }

    func channelReadComplete(context: ChannelHandlerContext) { loop.scheduleRound() }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable else { return }
        loop.markDirty(self)
        loop.scheduleRound()
    }

    // MARK: Reading

    func read(context: ChannelHandlerContext) {
        guard mustWithhold(context) else { return context.read() }
        if withheldSince == nil {
            withheldSince = loop.now()
            loop.withhold(self)
        }
    }

    /// Back-pressure: the log is behind, the peer does not read its answers, or a request waits for one.
    private func mustWithhold(_ context: ChannelHandlerContext) -> Bool {
        if loop.worker.withholdsReading { return true }
        switch life {
        case .closing, .lingering, .closed: return false
        case .opening, .open: break
        }
        if !context.channel.isWritable { return true }
        switch engine {
        case .none: return false
        case .http1(let session): return session.hasBacklog || session.outboxBytes > limits.heldResponseBytes
        }
    }

    /// Reads again when nothing stands against it any more, and asks to be asked again otherwise.
    func resumeReading() {
        guard let since = withheldSince, let context else { return }
        guard !mustWithhold(context) else { return loop.withhold(self) }
        withheldSince = nil
        deadlines?.postpone(by: loop.now() &- since)
        context.read()
    }

    private func receive(_ bytes: UnsafeRawBufferPointer) {
        switch engine {
        case .none: break
        case .http1(let session):
            session.receive(bytes)
            pump(session)
        }
    }

    // MARK: Answers

    func respond(_ response: Response, to token: StreamToken) {
        switch engine {
        case .none: return
        case .http1(let session): session.respond(response, to: token)
        }
        loop.markDirty(self)
    }

    /// Writes what the session has for the peer. Called by the loop once a round.
    func flush() {
        guard let context else { return }
        switch engine {
        case .none: break
        case .http1(let session):
            repeat {
                write(context) { session.produce(into: &$0, limit: LoopState.outputChunkBytes) }
                pump(session)
            } while session.outboxBytes > 0 && context.channel.isWritable
            if session.wantsClose, session.outboxBytes == 0 { endOutput(context) }
        }
    }

    private func write(_ context: ChannelHandlerContext, _ produce: (inout [UInt8]) -> Void) {
        guard context.channel.isWritable else { return }
        loop.plaintext.removeAll(keepingCapacity: true)
        produce(&loop.plaintext)
        guard !loop.plaintext.isEmpty else { return }
        loop.output.clear()
        loop.output.writeBytes(loop.plaintext)
        context.writeAndFlush(wrapOutboundOut(loop.output), promise: nil)
    }

    // MARK: The end

    /// Lets the requests under way finish and takes no more.
    func beginDrain() {
        switch engine {
        case .none: return closeNow()
        case .http1(let session): session.drain()
        }
        loop.markDirty(self)
        loop.scheduleRound()
    }

    /// Everything is written: shuts our side and waits a moment for the peer to stop talking.
    private func endOutput(_ context: ChannelHandlerContext) {
        switch life {
        case .opening, .open, .closing: break
        case .lingering, .closed: return
        }
        life = .lingering(until: loop.now() + Self.lingerNanoseconds)
        context.close(mode: .output, promise: nil)
    }

    func closeNow() {
        if case .closed = life { return }
        life = .closed
        context?.close(promise: nil)
    }

    // MARK: Deadlines

    /// Looks for passed deadlines; called by the loop twice a second.
    func tick(_ now: UInt64) {
        switch life {
        case .closed: return
        case .lingering(let until): return now >= until ? closeNow() : ()
        case .opening, .open, .closing: break
        }
        if isWriteStalled(now) {
            refuse(.deadline(.writeStall))
            return closeNow()
        }
        guard withheldSince == nil, case .http1(let session) = engine, let deadlines else { return }
        switch deadlines.tick(now: now, bodyBytes: session.bodyBytes) {
        case .nothing: break
        case .idle: closeNow()
        case .timeout(let deadline):
            _ = session.refuse(.timeout)
            refuse(.deadline(deadline))
            loop.markDirty(self)
        }
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
    private var bytesInSocket: Int {
        do {
            return try context?.channel.syncOptions?.getOption(.bufferedWritableBytes) ?? 0
        } catch {
            // The channel is closed: nothing waits.
            return 0
        }
    }

    func finishHandshake() {
        guard isHandshaking else { return }
        isHandshaking = false
        listener.gate.finishHandshake(address: sourceAddress)
    }

    func refuse(_ reason: Refusal.Reason) {
        loop.worker.refused(
            Refusal(listenerID: listener.configuration.id, sourceAddress: sourceAddress, reason: reason))
    }
}
