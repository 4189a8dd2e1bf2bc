import Glibc

/// The socket over which the verbs of this program speak to a running gateway: `control.sock` in its data directory.
enum ControlSocket {
    /// The longest path of a Unix socket. Source: unix(7), `sun_path` has 108 bytes, the last of them zero.
    static let maximumPathBytes = 107

    /// Where the gateway of `dataDirectory` listens.
    static func path(in dataDirectory: String) -> String { dataDirectory + "/control.sock" }
}

/// One question to a running gateway and its answers, a JSON object a line each way. Closed when it goes away.
///
/// It blocks: a verb of the command line has nothing else to do.
final class ControlConversation {
    private let descriptor: Int32
    private var lines: LineReader

    /// Connects and sends `request`.
    ///
    /// - Throws: `.unreachable` when no gateway answers there.
    init(path: String, request: [UInt8]) throws(ProgramError) {
        guard path.utf8.count <= ControlSocket.maximumPathBytes else {
            throw ProgramError(
                "`\(path)` is longer than the \(ControlSocket.maximumPathBytes) bytes of a socket's path: "
                    + "give the gateway a shorter `dataDirectory`")
        }
        let socket = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw ProgramError("no socket can be made: \(Self.cause)") }
        descriptor = socket
        lines = LineReader(socket, maximumLineBytes: ControlAnswer.maximumBytes)
        guard Self.connect(socket, path) == 0 else {
            throw ProgramError(Self.unreachable(path, errno), status: .unreachable)
        }
        try send(request + [0x0A])
    }

    deinit { close(descriptor) }

    /// The next answer; nil when the gateway has no more.
    ///
    /// - Throws: what the gateway refused.
    func next() throws(ProgramError) -> ControlAnswer? {
        switch try lines.next() {
        case nil: return nil
        case .tooLong?: throw ProgramError("the gateway's answer has a line over \(ControlAnswer.maximumBytes) bytes")
        case .whole(let line)?: return try ControlAnswer(line)
        }
    }

    /// The next event as the gateway wrote it; nil when the gateway has no more.
    ///
    /// What a publisher put into it is not parsed here: the reader of the lines judges it.
    ///
    /// - Throws: what the gateway refused.
    func nextEvent() throws(ProgramError) -> [UInt8]? {
        switch try lines.next() {
        case nil: return nil
        case .tooLong?: throw ProgramError("the gateway's answer has a line over \(ControlAnswer.maximumBytes) bytes")
        case .whole(let line)?:
            // An event begins with its version; only a refusal begins with `error`.
            if line.starts(with: "{\"error\":".utf8) { _ = try ControlAnswer(line) }
            return line
        }
    }

    /// The one answer that must come.
    func answer() throws(ProgramError) -> ControlAnswer {
        guard let answer = try next() else {
            throw ProgramError("the gateway closed the connection without an answer: see its log", status: .unreachable)
        }
        return answer
    }

    private static func connect(_ socket: Int32, _ path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func unreachable(_ path: String, _ number: Int32) -> String {
        switch number {
        case EACCES, EPERM: "this user may not speak to `\(path)`: be the gateway's user or root"
        case ENOENT, ECONNREFUSED:
            "no gateway answers on `\(path)`: start it with `isthmus serve`, or name the one that runs"
        default: "no gateway answers on `\(path)`: \(String(cString: strerror(number)))"
        }
    }

    private func send(_ bytes: [UInt8]) throws(ProgramError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw ProgramError("the gateway closed the connection: \(Self.cause)", status: .unreachable)
            }
        }
    }

    private static var cause: String { String(cString: strerror(errno)) }
}
