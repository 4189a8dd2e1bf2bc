import Glibc

/// A connection to a running gateway's control socket: lines there, lines back. Closed when it goes away.
///
/// It blocks its thread: for a program that has nothing else to do, never for an event loop or the cooperative pool.
package final class ControlClient {
    /// The longest line of an answer: an event of 1 MiB whose every byte is escaped.
    package static let lineBytesLimit = 8 * 1024 * 1024
    /// The longest path of a Unix socket. Source: unix(7), `sun_path` has 108 bytes, the last of them zero.
    package static let pathBytesLimit = 107
    /// Bytes asked of the socket at a time.
    private static let chunkBytes = 64 * 1024

    private let descriptor: Int32
    private let lineBytesLimit: Int
    private var chunk = [UInt8](repeating: 0, count: chunkBytes)
    private var buffer: [UInt8] = []
    private var start = 0

    /// Connects to the socket at `path`, in the gateway's data directory.
    ///
    /// - Throws: `.controlPathTooLong`; `.cannotReachControl` when no gateway listens there, or not to this user.
    package convenience init(path: String) throws(NetworkError) {
        try self.init(path: path, lineBytesLimit: Self.lineBytesLimit)
    }

    init(path: String, lineBytesLimit: Int) throws(NetworkError) {
        guard path.utf8.count <= Self.pathBytesLimit else { throw .controlPathTooLong(path: path) }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw .cannotReachControl(path: path, errorNumber: errno) }
        let number = Self.connect(socket, path)
        guard number == 0 else {
            close(socket)
            throw .cannotReachControl(path: path, errorNumber: number)
        }
        descriptor = socket
        self.lineBytesLimit = lineBytesLimit
    }

    deinit { close(descriptor) }

    /// Sends `line`, which holds no line feed, and its end.
    ///
    /// - Throws: `.controlClosed` when the gateway takes no more.
    package func send(_ line: [UInt8]) throws(NetworkError) {
        var rest = (line + [UInt8(ascii: "\n")])[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw .controlClosed
            }
        }
    }

    /// Waits for the next line, without its end; nil when the gateway has no more.
    ///
    /// - Throws: `.controlClosed` when the gateway went away in the middle of a line; `.controlLineTooLong`.
    package func next() throws(NetworkError) -> [UInt8]? {
        var searched = start
        while true {
            let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n"))
            guard (end ?? buffer.count) - start <= lineBytesLimit else {
                throw .controlLineTooLong(limitBytes: lineBytesLimit)
            }
            if let end {
                defer { start = end + 1 }
                return Array(buffer[start..<end])
            }
            buffer.removeSubrange(..<start)
            start = 0
            searched = buffer.count
            guard try fill() else {
                guard buffer.isEmpty else { throw .controlClosed }
                return nil
            }
        }
    }

    /// Takes what came; false at the end.
    private func fill() throws(NetworkError) -> Bool {
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count > 0 { buffer.append(contentsOf: chunk[..<count]) }
            if count >= 0 { return count > 0 }
            guard errno == EINTR else { throw .controlClosed }
        }
    }

    /// - Returns: the number of the error; 0 when it is connected.
    private static func connect(_ socket: Int32, _ path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return result == 0 ? 0 : errno
    }
}
