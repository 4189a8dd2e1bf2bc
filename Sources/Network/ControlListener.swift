import Glibc
import NIOCore
import NIOPosix

/// The control socket: JSON lines over a Unix socket of mode 0600, for the operator of this gateway alone.
///
/// One request line a connection; the answer is one line, or many until the reader goes away. The peer's user id is
/// asked
/// of the kernel (`SO_PEERCRED`): the gateway's own user or root, anyone else is turned away before a byte is read.
/// Source: unix(7).
package final class ControlListener: Sendable {
    /// The longest request line.
    package static let lineBytes = 64 * 1024
    /// Connections served at once.
    static let connectionsLimit = 64

    private typealias Peer = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    private let path: String
    private let channel: any Channel
    private let serving: Task<Void, Never>

    private init(path: String, channel: any Channel, serving: Task<Void, Never>) {
        self.path = path
        self.channel = channel
        self.serving = serving
    }

    /// Binds `path`, replacing a socket that a process before has left, and serves.
    ///
    /// - Parameter answer: answers one line; it is cancelled when the reader goes away.
    /// - Throws: `.cannotListen` with the system's reason.
    package static func start(
        path: String, on loops: EventLoops,
        answer: @escaping @Sendable (_ line: [UInt8], _ stream: ControlStream) async -> Void
    ) async throws(NetworkError) -> ControlListener {
        do {
            let server = try await ServerBootstrap(group: loops.group)
                .bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try Peer(
                            wrappingChannelSynchronously: channel,
                            configuration: .init(isOutboundHalfClosureEnabled: true))
                    }
                }
            guard chmod(path, 0o600) == 0 else {
                let code = errno
                server.channel.close(promise: nil)
                throw NetworkError.cannotListen(address: path, cause: "chmod failed with errno \(code)")
            }
            let serving = Task { await serve(server, answer) }
            return ControlListener(path: path, channel: server.channel, serving: serving)
        } catch let error as NetworkError {
            throw error
        } catch {
            throw .cannotListen(address: path, cause: "\(error)")
        }
    }

    /// Stops listening and ends what is being answered.
    package func close() async {
        channel.close(promise: nil)
        serving.cancel()
        await serving.value
        unlink(path)
    }

    private static func serve(
        _ server: NIOAsyncChannel<Peer, Never>,
        _ answer: @escaping @Sendable (_ line: [UInt8], _ stream: ControlStream) async -> Void
    ) async {
        do {
            try await server.executeThenClose { peers in
                await withTaskGroup(of: Void.self) { group in
                    var open = 0
                    do {
                        for try await peer in peers {
                            if open >= connectionsLimit { await group.next() }
                            open = min(open + 1, connectionsLimit)
                            group.addTask { await serve(peer, answer) }
                        }
                    } catch {
                        // The listening socket is gone: nobody comes any more.
                    }
                    group.cancelAll()
                }
            }
        } catch {
            // Closing failed: the socket is gone all the same.
        }
    }

    private static func serve(
        _ peer: Peer, _ answer: @escaping @Sendable (_ line: [UInt8], _ stream: ControlStream) async -> Void
    ) async {
        do {
            try await peer.executeThenClose { inbound, outbound in
                guard await isOperator(peer.channel) else { return }
                var lines = inbound.makeAsyncIterator()
                var line: [UInt8] = []
                while !line.contains(UInt8(ascii: "\n")) {
                    guard let bytes = try await lines.next(), line.count + bytes.readableBytes <= lineBytes else {
                        return
                    }
                    line.append(contentsOf: bytes.readableBytesView)
                }
                let request = Array(line.prefix { $0 != UInt8(ascii: "\n") })
                await withTaskGroup(of: Bool.self) { group in
                    group.addTask {
                        await answer(request, ControlStream(outbound))
                        outbound.finish()
                        return true
                    }
                    group.addTask {
                        await untilGone(peer.channel)
                        return false
                    }
                    // An answer that is complete may still be on its way: the reader closes when it has read the end.
                    if await group.next() == true { _ = await group.next() }
                    group.cancelAll()
                }
            }
        } catch {
            // The reader went away in the middle of a line: there is nobody to tell.
        }
    }

    /// Returns when the channel is closed, or at once when the task is cancelled.
    private static func untilGone(_ channel: any Channel) async {
        let (gone, end) = AsyncStream<Void>.makeStream()
        channel.closeFuture.whenComplete { _ in end.finish() }
        for await _ in gone {}
    }

    private static func isOperator(_ channel: any Channel) async -> Bool {
        guard let provider = channel as? any SocketOptionProvider else { return false }
        do {
            let peer: PeerCredentials = try await provider.unsafeGetSocketOption(
                level: .socket, name: .init(rawValue: SO_PEERCRED)
            ).get()
            return mayControl(userID: peer.uid, ownUserID: geteuid())
        } catch {
            return false
        }
    }

    /// `struct ucred` of the kernel, which the C library's module does not show.
    private struct PeerCredentials: Sendable {
        var processID: Int32
        var uid: UInt32
        var gid: UInt32
    }

    /// Whether a peer's user may give orders: the gateway's own user and root.
    static func mayControl(userID: UInt32, ownUserID: UInt32) -> Bool { userID == 0 || userID == ownUserID }
}

/// The way back to one reader of the control socket.
package struct ControlStream: Sendable {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

    init(_ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>) { self.outbound = outbound }

    /// Sends a line; returns when there is room for another. `false` when the reader is gone.
    package func send(_ line: [UInt8]) async -> Bool {
        do {
            try await outbound.write(ByteBuffer(bytes: line + [UInt8(ascii: "\n")]))
            return true
        } catch {
            return false
        }
    }
}
