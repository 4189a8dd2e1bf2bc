import Glibc

/// A file that stays open, and whether its path still leads to it: another file at the same path is another one.
final class FileInPlace: Sendable {
    /// What the descriptor is for.
    enum Purpose {
        /// It only names the file: closing any other kind would drop the locks that SQLite holds on it.
        /// Source: open(2), `O_PATH`; sqlite.org/howtocorrupt.html section 2.2.
        case naming
        case reading
    }

    /// Source: linux/fcntl.h; the C library's header shows it to GNU programs only.
    private static let pathOnly: Int32 = 0o10_000_000

    let path: String
    let descriptor: Int32
    /// As it was when it was opened.
    let facts: stat

    /// - Throws: `.file` when it cannot be opened.
    init(_ path: String, for purpose: Purpose) throws(StorageError) {
        let flags = purpose == .naming ? Self.pathOnly : O_RDONLY
        let descriptor = open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path: path, call: "open", code: errno) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else {
            let code = errno
            close(descriptor)
            throw .file(path: path, call: "fstat", code: code)
        }
        self.path = path
        self.descriptor = descriptor
        self.facts = facts
    }

    deinit { close(descriptor) }

    /// Whether the path still leads to this file.
    ///
    /// - Throws: `.file` for a path that cannot be asked about.
    func isInPlace() throws(StorageError) -> Bool { try FileIdentity(of: path) == FileIdentity(facts) }
}
