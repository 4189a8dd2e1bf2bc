import Glibc
import NIOCore

/// Why a listener or a control client cannot do its work.
package enum NetworkError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The address could not be bound: why, and what to do. Retry helps when another process gives the port up.
    case cannotListen(address: String, cause: String)
    /// The control socket's path is longer than `sockaddr_un` holds (107 bytes).
    case controlPathTooLong(path: String)
    /// No gateway answers at the control socket, or not to this user. Source of the number: connect(2).
    case cannotReachControl(path: String, errorNumber: Int32)
    /// The other side closed the control connection before its answer was complete.
    case controlClosed
    /// A line on the control socket is longer than the limit.
    case controlLineTooLong(limitBytes: Int)

    package var description: String {
        switch self {
        case .cannotListen(let address, let cause): "cannot listen on `\(address)`: \(cause)"
        case .controlPathTooLong(let path):
            "the control socket's path `\(path)` is over 107 bytes; choose a data directory with a shorter path"
        case .cannotReachControl(let path, let number):
            "no gateway answers at `\(path)`: \(String(cString: strerror(number))); start it with `isthmus serve`, "
                + "as the same user"
        case .controlClosed: "the gateway closed the control connection before its answer was complete"
        case .controlLineTooLong(let limit): "a line on the control socket is over \(limit) bytes"
        }
    }
}

extension NetworkError {
    /// Why an address could not be bound, in the system's words, and what to do about it.
    static func cause(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "\(error)" }
        let reason = String(cString: strerror(error.errnoCode))
        switch error.errnoCode {
        case EADDRINUSE: return "\(reason): choose another port, or stop what uses it"
        case EADDRNOTAVAIL: return "\(reason): name an address of this machine"
        case EACCES: return "\(reason): choose a port from 1024 on, or let this user bind lower ones"
        default: return reason
        }
    }
}
