import NIOCore

/// The one buffer that all sockets of a loop are read into.
///
/// It is lent for one read and given back when the bytes have been used. A buffer that someone still holds comes back
/// shared, and NIO copies it before it writes: slower, never wrong.
///
/// `@unchecked Sendable`: NIO asks the allocator and calls the handlers on the channel's loop only, and each loop has
/// its own `ReceiveBuffer`.
final class ReceiveBuffer: @unchecked Sendable {
    static let capacity = 64 * 1024

    private var lent: ByteBuffer?

    func take(_ allocator: ByteBufferAllocator) -> ByteBuffer {
        guard var buffer = lent else { return allocator.buffer(capacity: Self.capacity) }
        lent = nil
        buffer.clear()
        return buffer
    }

    func giveBack(_ buffer: consuming ByteBuffer) {
        if buffer.storageCapacity >= Self.capacity { lent = buffer }
    }
}

/// Makes NIO read into the loop's buffer, so that an idle connection holds none.
///
/// NIO keeps the first buffer a channel was given for as long as the channel lives; the first one is therefore tiny.
/// `record` claims growth so that NIO asks for a new buffer at each read instead of using the one it keeps.
/// Source: NIOPooledRecvBufferAllocator of SwiftNIO 2.101.
struct LoopReceiveAllocator: RecvByteBufferAllocator {
    private static let firstCapacity = 64

    private let shared: ReceiveBuffer
    private let first: FirstRead

    /// Whether the tiny buffer has been given; a class, for `buffer` does not mutate.
    private final class FirstRead: @unchecked Sendable {
        // Proof of `@unchecked Sendable`: one channel, one loop.
        var isGiven = false
    }

    init(shared: ReceiveBuffer) {
        self.shared = shared
        first = FirstRead()
    }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        guard first.isGiven else {
            first.isGiven = true
            return allocator.buffer(capacity: Self.firstCapacity)
        }
        return shared.take(allocator)
    }

    func nextBufferSize() -> Int? { nil }

    mutating func record(actualReadBytes: Int) -> Bool { true }
}
