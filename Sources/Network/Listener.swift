import NIOCore
import NIOPosix

/// One listening socket and its connections.
package final class Listener: Sendable {
    /// The port that is listened on: the configured one, or the system's choice.
    package let port: Int
    private let channel: any Channel
    private let loops: EventLoops
    private let state: ListenerState

    private init(port: Int, channel: any Channel, loops: EventLoops, state: ListenerState) {
        self.port = port
        self.channel = channel
        self.loops = loops
        self.state = state
    }

    /// Binds and starts to accept.
    ///
    /// - Throws: `.cannotListen` with the system's reason.
    package static func start(
        _ configuration: ListenerConfiguration, on loops: EventLoops, gate: AcceptGate
    ) async throws(NetworkError) -> Listener {
        let state = ListenerState(configuration: configuration, gate: gate)
        let bootstrap = ServerBootstrap(group: loops.group)
            .serverChannelOption(.backlog, value: Int32(clamping: configuration.backlog))
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try prepare(channel, loops: loops, state: state) }
            }
        let channel: any Channel
        do {
            channel = try await bootstrap.bind(host: configuration.host, port: configuration.port).get()
        } catch {
            throw .cannotListen(
                address: "\(configuration.host):\(configuration.port)", cause: NetworkError.cause(error))
        }
        return Listener(
            port: channel.localAddress?.port ?? configuration.port, channel: channel, loops: loops, state: state)
    }

    private static func prepare(_ channel: any Channel, loops: EventLoops, state: ListenerState) throws {
        let loop = loops.state(of: channel.eventLoop)
        let limits = state.configuration.limits
        guard let options = channel.syncOptions else { preconditionFailure("a socket channel has synchronous options") }
        try options.setOption(.recvAllocator, value: LoopReceiveAllocator(shared: loop.receiveBuffer))
        try options.setOption(
            .writeBufferWaterMark,
            value: .init(low: limits.writeLowWaterBytes, high: limits.writeHighWaterBytes))
        try channel.pipeline.syncOperations.addHandler(ConnectionHandler(loop: loop, listener: state))
    }

    /// Connections open now.
    package var openConnections: Int { state.openConnections }

    /// Whether `drain` or `close` has begun.
    package var isDraining: Bool { state.isDraining }

    /// Stops accepting, tells every connection to finish, and returns when the last one has closed, at the latest after
    /// `ConnectionLimits.drainNanoseconds`.
    package func drain() async {
        state.beginDraining()
        await stopAccepting()
        await loops.onEach { [state] loop in
            for handler in loop.connections where handler.listener === state { handler.beginDrain() }
        }
        await state.untilEmpty()
    }

    /// Stops accepting and closes every connection now.
    package func close() async {
        state.beginDraining()
        await stopAccepting()
        await loops.onEach { [state] loop in
            for handler in loop.connections.filter({ $0.listener === state }) { handler.closeNow() }
        }
        await state.untilEmpty()
    }

    private func stopAccepting() async {
        await withCheckedContinuation { continuation in
            // The outcome does not matter: a channel that cannot be closed is closed.
            channel.close().whenComplete { _ in continuation.resume() }
        }
    }
}
