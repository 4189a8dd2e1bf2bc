import HTTP2
import NIOCore
import TLS

/// How answers leave, in three steps that the loop takes for all connections in turn: what the sessions say, its
/// records, the socket. Each step's code then stays in the processor's cache while it runs.
extension ConnectionHandler {
    /// Stages what the session has for the peer. Called by the loop once a round.
    func flush() {
        guard let context else { return }
        defer { chargeBodies() }
        switch life {
        case .opening, .open, .closing: break
        case .lingering, .closed: return
        }
        var hasMore = false
        switch engine {
        case .none: stage { _ in }
        case .http1(let session):
            repeat {
                stage { session.produce(into: &$0, limit: LoopState.outputChunkBytes) }
                loop.sendStaged()
                pump(session)
                askAboutHead(session)
            } while session.outboxBytes > 0 && isWritable
            if session.wantsClose, session.outboxBytes == 0 { endOutput(context) }
        case .http2(let session):
            let now = loop.roundTime
            hasMore = stage { session.produce(into: &$0, limit: LoopState.outputChunkBytes, now: now) }
            if let reason = session.takeSilentEnd() { refuse(.http2Connection("\(reason.name)")) }
            // Resets that the peer brought about are told when they leave.
            if session.hasEvents { loop.markReady(self) }
            if session.wantsClose, !hasMore { endOutput(context) }
        }
        if case .closing = life, !hasMore { endOutput(context) }
    }

    /// Stages one chunk; whether it was full, so that there may be more once it has left.
    @discardableResult
    private func stage(_ produce: (inout [UInt8]) -> Void) -> Bool {
        guard isWritable else { return false }
        let start = loop.plaintext.count
        produce(&loop.plaintext)
        let count = loop.plaintext.count - start
        guard count > 0 || (tls?.pendingCiphertextBytes ?? 0) > 0 else { return false }
        let isFull = count >= LoopState.outputChunkBytes
        loop.stage(self, from: start, isFull: isFull)
        return isFull
    }

    /// Appends to `loop.output` what becomes of the plaintext at `range`, and what the handshake has to say.
    func seal(_ range: Range<Int>) {
        // INVARIANT: a connection that ended since it was staged has lost its session; nothing leaves in the clear for
        // that.
        if case .closed = life { return }
        guard let tls else {
            loop.output.writeBytes(loop.plaintext[range])
            return
        }
        let failure = tls.writing(into: &loop.records) {
            let failure = loop.plaintext.withUnsafeBytes { bytes in
                Self.write(UnsafeRawBufferPointer(rebasing: bytes[range]), tls)
            }
            if failure == nil, tls.pendingCiphertextBytes > 0 { tls.takeCiphertext { loop.output.writeBytes($0) } }
            return failure
        }
        if let failure {
            refuse(.session("\(failure)"))
            closeNow()
        }
    }

    private static func write(_ plaintext: UnsafeRawBufferPointer, _ tls: TLSSession) -> TLSError? {
        guard !plaintext.isEmpty else { return nil }
        do throws(TLSError) {
            try tls.write(plaintext)
            return nil
        } catch {
            return error
        }
    }

    /// Gives the socket what was sealed for it, and asks for another turn where there may be more.
    func send(_ bytes: ByteBuffer, isFull: Bool) {
        guard let context else { return }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        if isFull, isWritable { loop.markDirty(self) }
    }
}
