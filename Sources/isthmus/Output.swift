import Glibc

/// The two streams of a command line program. Everything a verb says goes through here.
enum Output {
    /// Writes `text` and a line feed to standard output.
    static func line(_ text: String) { write(Array((text + "\n").utf8), to: STDOUT_FILENO) }

    /// Writes `bytes` and a line feed to standard output.
    static func line(_ bytes: [UInt8]) { write(bytes + [0x0A], to: STDOUT_FILENO) }

    /// Writes whole lines of the log, their line feeds included, to standard error. A full disk is waited for: the
    /// gateway goes on, and its lines wait as they do for a reader that is slow.
    static func logLines(_ lines: [UInt8]) { write(lines, to: STDERR_FILENO, waitsForRoom: true) }

    /// Writes `text` and a line feed to standard error.
    static func complaint(_ text: String) { write(Array((text + "\n").utf8), to: STDERR_FILENO) }

    /// Writes all of `bytes`; a reader that went away ends the program as `SIGPIPE` would, without a word.
    private static func write(_ bytes: [UInt8], to descriptor: Int32, waitsForRoom: Bool = false) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            let fault = errno
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if fault == EAGAIN {
                // Whoever shares the descriptor made it not wait; we wait.
                var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&ready, 1, -1)
            } else if waitsForRoom, fault == ENOSPC || fault == EDQUOT {
                poll(nil, 0, millisecondsBetweenLooks)
            } else if fault != EINTR {
                if descriptor == STDOUT_FILENO, fault != EPIPE {
                    complaint(
                        "isthmus: standard output cannot be written: \(String(cString: strerror(fault))): "
                            + "what was asked for is done, send its words elsewhere")
                }
                exit(ExitStatus.outputClosed.rawValue)
            }
        }
    }

    /// How often a full disk is looked at for the log.
    private static let millisecondsBetweenLooks: Int32 = 500
}

/// How the program ends.
enum ExitStatus: Int32 {
    case success = 0
    /// What was asked for could not be done, or was answered with no; the reason is on standard error.
    case failure = 1
    /// The configuration is wrong; nothing was started or changed.
    case configuration = 3
    /// No gateway answers on the control socket.
    case unreachable = 4
    /// The disk failed: the gateway stopped so that nothing is acknowledged any more; start it again.
    case storageFailed = 5
    /// Standard output was closed or cannot be written.
    case outputClosed = 13
}

/// Why a verb could not do its work.
struct ProgramError: Error, Equatable, CustomStringConvertible {
    let status: ExitStatus
    /// What went wrong and what to do: lower case, no full stop, no secret.
    let description: String

    init(_ description: String, status: ExitStatus = .failure) {
        self.status = status
        self.description = description
    }
}
