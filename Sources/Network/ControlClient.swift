import NIOCore
import NIOPosix

/// Asks a running gateway something over its control socket.
package struct ControlClient: Sendable {
    /// The longest line of an answer: an event of the largest size, every byte escaped.
    package static let lineBytes = 8 * 1024 * 1024

    private let path: String

    /// `path`: the socket in the gateway's data directory.
    package init(path: String) { self.path = path }

    /// Sends one line and gives each line of the answer to `receive` until that returns `false` or the gateway ends it.
    ///
    /// - Throws: `.cannotReachControl` when no gateway listens there; `.controlClosed` when it went away in the middle.
    package func ask(
        _ line: [UInt8], receive: @escaping @Sendable (_ line: [UInt8]) async -> Bool
    ) async throws(NetworkError) {
        let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelOption(.allowRemoteHalfClosure, value: true)
                .connect(unixDomainSocketPath: path) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw .cannotReachControl(path: path, cause: "\(error)")
        }
        do {
            try await channel.executeThenClose { inbound, outbound in
                try await outbound.write(ByteBuffer(bytes: line + [UInt8(ascii: "\n")]))
                try await Self.read(inbound, receive)
            }
        } catch let error as NetworkError {
            throw error
        } catch {
            throw .controlClosed
        }
    }

    private static func read(
        _ inbound: NIOAsyncChannelInboundStream<ByteBuffer>,
        _ receive: @escaping @Sendable (_ line: [UInt8]) async -> Bool
    ) async throws {
        var rest: [UInt8] = []
        for try await bytes in inbound {
            var searched = rest.count
            rest.append(contentsOf: bytes.readableBytesView)
            var start = 0
            while let end = rest[max(searched, start)...].firstIndex(of: UInt8(ascii: "\n")) {
                guard await receive(Array(rest[start..<end])) else { return }
                start = end + 1
                searched = start
            }
            rest.removeFirst(start)
            guard rest.count <= lineBytes else { throw NetworkError.controlLineTooLong(limitBytes: lineBytes) }
        }
    }
}
