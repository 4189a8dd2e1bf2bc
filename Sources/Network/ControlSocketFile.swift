import Glibc

/// The control socket's place in the file system, its owner's alone from the moment it is there.
enum ControlSocketFile {
    /// The mode of the socket: connecting asks for permission to write. Source: unix(7), "Pathname socket ownership".
    static let mode: mode_t = 0o600

    /// Binds a socket to `path`, in place of a socket that a process before has left.
    ///
    /// - Returns: the descriptor, not listening yet; whoever takes it closes it.
    /// - Throws: `.cannotListen` with the system's reason.
    static func bind(_ path: String) throws(NetworkError) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .cannotListen(address: path, cause: "the path is too long for a socket")
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        try removeSocket(path)
        let flags = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, flags, 0)
        guard descriptor >= 0 else { throw failure(path, "socket") }
        // The kernel makes the file with the mode of the socket. A change of mode afterwards would come too late, and
        // the process's mask is every thread's. Source: linux/net/unix/af_unix.c, `unix_bind_bsd`.
        guard fchmod(descriptor, mode) == 0 else {
            defer { close(descriptor) }
            throw failure(path, "fchmod")
        }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            defer { close(descriptor) }
            throw failure(path, "bind")
        }
        return descriptor
    }

    /// Removes what stands at `path` when it is a socket; anything else stays and is told.
    private static func removeSocket(_ path: String) throws(NetworkError) {
        var facts = stat()
        guard lstat(path, &facts) == 0 else { return }
        guard facts.st_mode & S_IFMT == S_IFSOCK else {
            throw .cannotListen(address: path, cause: "something that is no socket stands there: move it away")
        }
        guard unlink(path) == 0 else { throw failure(path, "unlink") }
    }

    private static func failure(_ path: String, _ call: String) -> NetworkError {
        .cannotListen(address: path, cause: "\(call) failed: \(String(cString: strerror(errno)))")
    }
}
