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

    /// How long a peer holds its place without doing its part.
    struct Deadlines {
        /// From the connection until the request line is whole.
        var request = TimeAmount.seconds(10)
        /// Until what was sent is taken: a line of an answer, and after the last one until the peer goes.
        var answer = TimeAmount.seconds(60)
    }

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
    /// - Parameters:
    ///   - turnedAway: hears the user id of a peer that may not give orders.
    ///   - answer: answers one line; it is cancelled when the reader goes away.
    /// - Throws: `.cannotListen` with the system's reason.
    package static func start(
        path: String, on loops: EventLoops, turnedAway: @escaping @Sendable (_ userID: UInt32) -> Void = { _ in },
        answer: @escaping @Sendable (_ line: [UInt8], _ stream: ControlStream) async -> Void
    ) async throws(NetworkError) -> ControlListener {
        try await start(path: path, on: loops, deadlines: Deadlines(), turnedAway: turnedAway, answer: answer)
    }

    static func start(
        path: String, on loops: EventLoops, deadlines: Deadlines,
        turnedAway: @escaping @Sendable (_ userID: UInt32) -> Void = { _ in },
        answer: @escaping @Sendable (_ line: [UInt8], _ stream: ControlStream) async -> Void
    ) async throws(NetworkError) -> ControlListener {
        let socket = try ControlSocketFile.bind(path)
        do {
            let server = try await ServerBootstrap(group: loops.group)
                .bind(socket) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try Peer(
                            wrappingChannelSynchronously: channel,
                            configuration: .init(isOutboundHalfClosureEnabled: true))
                    }
                }
            let serving = Task { await serve(server, deadlines, turnedAway, answer) }
            return ControlListener(path: path, channel: server.channel, serving: serving)
        } catch {
            throw .cannotListen(address: path, cause: NetworkError.cause(error))
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
        _ server: NIOAsyncChannel<Peer, Never>, _ deadlines: Deadlines,
        _ turnedAway: @escaping @Sendable (_ userID: UInt32) -> Void,
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
                            group.addTask { await serve(peer, deadlines, turnedAway, answer) }
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
        _ peer: Peer, _ deadlines: Deadlines, _ turnedAway: @escaping @Sendable (_ userID: UInt32) -> Void,
        _ answer: @escaping @Sendable (_ line: [UInt8], _ stream: ControlStream) async -> Void
    ) async {
        do {
            try await peer.executeThenClose { inbound, outbound in
                guard let userID = await userID(of: peer.channel) else { return }
                guard mayControl(userID: userID, ownUserID: geteuid()) else { return turnedAway(userID) }
                let patience = Alarm(peer.channel, after: deadlines.request)
                var lines = inbound.makeAsyncIterator()
                var line: [UInt8] = []
                while !line.contains(UInt8(ascii: "\n")) {
                    guard let bytes = try await lines.next(), line.count + bytes.readableBytes <= lineBytes else {
                        return
                    }
                    line.append(contentsOf: bytes.readableBytesView)
                }
                patience.cancel()
                let request = Array(line.prefix { $0 != UInt8(ascii: "\n") })
                await withTaskGroup(of: Bool.self) { group in
                    group.addTask {
                        await answer(request, ControlStream(outbound, peer.channel, patience: deadlines.answer))
                        outbound.finish()
                        return true
                    }
                    group.addTask {
                        await untilGone(peer.channel)
                        return false
                    }
                    // An answer that is complete may still be on its way: the reader closes when it has read the end.
                    if await group.next() == true {
                        let patience = Alarm(peer.channel, after: deadlines.answer)
                        _ = await group.next()
                        patience.cancel()
                    }
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

    /// What the kernel says of the peer; nil where it says nothing.
    private static func userID(of channel: any Channel) async -> UInt32? {
        guard let provider = channel as? any SocketOptionProvider else { return nil }
        do {
            let peer: PeerCredentials = try await provider.unsafeGetSocketOption(
                level: .socket, name: .init(rawValue: SO_PEERCRED)
            ).get()
            return peer.uid
        } catch {
            return nil
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

/// Closes a channel after a time, unless it is cancelled before.
private struct Alarm: Sendable {
    private let scheduled: Scheduled<Void>

    init(_ channel: any Channel, after time: TimeAmount) {
        scheduled = channel.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }

    func cancel() { scheduled.cancel() }
}

/// The way back to one reader of the control socket.
package struct ControlStream: Sendable {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private let channel: any Channel
    private let patience: TimeAmount

    init(_ outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>, _ channel: any Channel, patience: TimeAmount) {
        self.outbound = outbound
        self.channel = channel
        self.patience = patience
    }

    /// Sends a line; returns when there is room for another. `false` when the reader is gone, or has read nothing for
    /// so long that it was closed.
    package func send(_ line: [UInt8]) async -> Bool {
        let alarm = Alarm(channel, after: patience)
        defer { alarm.cancel() }
        do {
            try await outbound.write(ByteBuffer(bytes: line + [UInt8(ascii: "\n")]))
            return true
        } catch {
            return false
        }
    }
}
