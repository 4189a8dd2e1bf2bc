import NIOCore

/// How a connection begins: who it is from, whether there is room for it, and what comes first on it.
///
/// ```
/// accepted ─▶ from a proxy ─▶ its header ─┐
///         └─▶ from anyone else ───────────┴▶ networks, limits of the address ─▶ TLS or, without it, HTTP/1.1
/// ```
extension ConnectionHandler {
    func channelActive(context: ChannelHandlerContext) {
        let address = SourceSlot.unmapped(context.channel.remoteAddress?.ipAddress ?? "")
        name(address)
        let isProxy = listener.configuration.proxies.admits(address)
        guard isProxy || listener.configuration.sources.admits(address) else { return turnAway(.network, context) }
        // A proxy's own address says nothing about how many speak through it: its connections count from their header.
        switch listener.gate.enter(block: isProxy ? nil : connection.facts.addressBlock) {
        case .admitted: break
        case .overBudget: return turnAway(.connectionBudget, context)
        case .overHandshaking: return turnAway(.handshakingBudget, context)
        }
        isHandshaking = !isProxy
        listener.connectionOpened()
        loop.add(self)
        if listener.isDraining { return closeNow() }
        startedAt = loop.now()
        if isProxy { proxyBytes = [] } else { begin(context) }
    }

    /// Whom the connection is from, for everything that asks from now on.
    private func name(_ address: String) {
        sourceAddress = address
        connection?.detach()
        connection = Connection(
            facts: ConnectionFacts(listener.configuration, sourceAddress: address), handler: self, gate: listener.gate)
    }

    private func turnAway(_ reason: Refusal.Reason, _ context: ChannelHandlerContext) {
        life = .closed
        refuse(reason)
        connection.detach()
        context.close(promise: nil)
    }

    /// What the client itself says begins.
    private func begin(_ context: ChannelHandlerContext) {
        switch listener.configuration.security {
        case .plaintext: openPlaintext(context, now: startedAt)
        case .tls(let slot): startHandshake(slot.current)
        }
    }

    /// Gathers the header that a proxy sends first.
    ///
    /// - Returns: what of `bytes` comes behind the header; `nil` while there is none, or when the connection has ended.
    func readProxyHeader(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let gathered = proxyBytes, let context else { return bytes }
        let all = gathered + bytes.prefix(ProxyHeader.maximumBytes - gathered.count)
        do throws(ProxyHeaderRefusal) {
            guard let header = try ProxyHeader.read(all) else {
                proxyBytes = all
                return nil
            }
            proxyBytes = nil
            guard enter(header.origin) else { return nil }
            begin(context)
            return UnsafeRawBufferPointer(rebasing: bytes[(header.byteCount - gathered.count)...])
        } catch {
            refuse(.proxyHeader(error))
            closeNow()
            return nil
        }
    }

    /// Counts the connection for whom it is from; `false` when it has ended for that.
    private func enter(_ origin: ProxyHeader.Origin) -> Bool {
        if case .client(let address) = origin { name(address) }
        guard listener.configuration.sources.admits(sourceAddress) else {
            refuse(.network)
            closeNow()
            return false
        }
        guard listener.gate.beginHandshake(block: connection.facts.addressBlock) else {
            refuse(.handshakingBudget)
            closeNow()
            return false
        }
        isHandshaking = true
        return true
    }
}
