import Glibc
import Network

/// The socket over which the verbs of this program speak to a running gateway: `control.sock` in its data directory.
enum ControlSocket {
    /// The longest path of it.
    static let maximumPathBytes = ControlClient.pathBytesLimit

    /// Where the gateway of `dataDirectory` listens.
    static func path(in dataDirectory: String) -> String { dataDirectory + "/control.sock" }
}

/// One question to a running gateway and its answers, a JSON object a line each way. Closed when it goes away.
///
/// It blocks: a verb of the command line has nothing else to do.
final class ControlConversation {
    private let client: ControlClient

    /// Connects and sends `request`.
    ///
    /// - Throws: `.unreachable` when no gateway answers there.
    init(path: String, request: [UInt8]) throws(ProgramError) {
        client = try Self.carry { () throws(NetworkError) in
            let client = try ControlClient(path: path)
            try client.send(request)
            return client
        }
    }

    /// The next answer; nil when the gateway has no more.
    ///
    /// - Throws: what the gateway refused.
    func next() throws(ProgramError) -> ControlAnswer? {
        guard let line = try line() else { return nil }
        return try ControlAnswer(line)
    }

    /// The next event as the gateway wrote it; nil when the gateway has no more.
    ///
    /// What a publisher put into it is not parsed here: the reader of the lines judges it.
    ///
    /// - Throws: what the gateway refused.
    func nextEvent() throws(ProgramError) -> [UInt8]? {
        guard let line = try line() else { return nil }
        // An event begins with its version; only a refusal begins with `error`.
        if line.starts(with: "{\"error\":".utf8) { _ = try ControlAnswer(line) }
        return line
    }

    /// The one answer that must come.
    func answer() throws(ProgramError) -> ControlAnswer {
        guard let answer = try next() else {
            throw ProgramError(
                "the gateway closed the connection without an answer: it hears its own user and root only; see its log",
                status: .unreachable)
        }
        return answer
    }

    private func line() throws(ProgramError) -> [UInt8]? {
        try Self.carry { [client] () throws(NetworkError) in try client.next() }
    }

    private static func carry<Value>(_ step: () throws(NetworkError) -> Value) throws(ProgramError) -> Value {
        do throws(NetworkError) { return try step() } catch { throw ProgramError(error) }
    }
}

extension ProgramError {
    /// What kept this program from speaking to the gateway.
    fileprivate init(_ error: NetworkError) {
        switch error {
        case .controlPathTooLong(let path):
            self.init(
                "`\(path)` is longer than the \(ControlSocket.maximumPathBytes) bytes of a socket's path: "
                    + "give the gateway a shorter `dataDirectory`")
        case .cannotReachControl(let path, let number):
            self.init(Self.unreachable(path, number), status: .unreachable)
        case .controlClosed:
            self.init(
                "the gateway closed the connection before its answer was whole: see its log", status: .unreachable)
        case .controlLineTooLong(let limit): self.init("the gateway's answer has a line over \(limit) bytes")
        case .cannotListen: self.init("\(error)")
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
}
