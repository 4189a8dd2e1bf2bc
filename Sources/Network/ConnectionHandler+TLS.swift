import NIOCore
import TLS

extension ConnectionHandler {
    /// Takes the listener's current context for this connection.
    func startHandshake(_ server: ServerContext) {
        do throws(TLSError) {
            tls = try TLSSession(server: server)
        } catch {
            refuse(.handshake("\(error)"))
            closeNow()
        }
    }

    /// Decrypts what one read brought, and hands the plaintext on in one piece.
    func decrypt(_ ciphertext: UnsafeRawBufferPointer, _ tls: TLSSession) {
        var rest = ciphertext
        var gathered = 0
        do throws(TLSError) {
            while isOpen {
                let room = UnsafeMutableRawBufferPointer(rebasing: loop.inbound[gathered...])
                let result = try tls.read(from: &rest, into: room)
                if case .opening = life, case .established(let handshake) = tls.state { open(handshake) }
                switch result {
                case .plaintext(let count):
                    gathered += count
                    // Asking once more would only hear that more is needed.
                    if rest.isEmpty, !tls.holdsBytes { return finishRead(&gathered, tls) }
                    if loop.inbound.count - gathered < 16_384 { deliver(&gathered) }
                case .needsMore: return finishRead(&gathered, tls)
                case .closed:
                    deliver(&gathered)
                    return inputEnded()
                }
            }
        } catch {
            deliver(&gathered)
            if case .opening = life { refuse(.handshake("\(error)")) } else { refuse(.session("\(error)")) }
            closeAfterFlush()
        }
    }

    private func finishRead(_ gathered: inout Int, _ tls: TLSSession) {
        deliver(&gathered)
        if tls.pendingCiphertextBytes > 0 { loop.markDirty(self) }
    }

    private func deliver(_ gathered: inout Int) {
        guard gathered > 0 else { return }
        receive(UnsafeRawBufferPointer(rebasing: loop.inbound[..<gathered]))
        gathered = 0
    }

    /// The handshake is done: its protocol takes over.
    private func open(_ handshake: Handshake) {
        guard let context else { return }
        finishHandshake()
        connection.establish(handshake)
        switch handshake.applicationProtocol {
        case .http2: openHTTP2(now: loop.timeOfRead())
        case .http11: openHTTP1(context, now: loop.timeOfRead())
        }
    }
}
