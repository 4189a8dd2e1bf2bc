import Glibc

/// Files that stay open, and whether they still stand where they were opened: SQLite goes on writing to files that
/// were removed, and what it syncs then is gone with the process.
///
/// The descriptors only name the files: closing any other kind would drop the locks that SQLite holds on them.
/// Source: open(2), `O_PATH`; sqlite.org/howtocorrupt.html section 2.2.
final class FilesInPlace: Sendable {
    /// Source: linux/fcntl.h; the C library's header shows it to GNU programs only.
    private static let pathOnly: Int32 = 0o10_000_000

    private struct File {
        let path: String
        let descriptor: Int32
        let identity: FileIdentity
    }

    private let files: [File]

    /// - Throws: `.file` for one that cannot be opened.
    init(_ paths: [String]) throws(StorageError) {
        var files: [File] = []
        do throws(StorageError) {
            for path in paths { files.append(try Self.open(path)) }
        } catch {
            for file in files { close(file.descriptor) }
            throw error
        }
        self.files = files
    }

    deinit {
        for file in files { close(file.descriptor) }
    }

    private static func open(_ path: String) throws(StorageError) -> File {
        let descriptor = Glibc.open(path, pathOnly | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path: path, call: "open", code: errno) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else {
            let code = errno
            close(descriptor)
            throw .file(path: path, call: "fstat", code: code)
        }
        return File(path: path, descriptor: descriptor, identity: FileIdentity(facts))
    }

    /// Makes sure that each file still has a name, by one fstat a file: cheap enough for every commit.
    ///
    /// - Throws: `.replaced`.
    func requireNamed() throws(StorageError) {
        for file in files {
            var facts = stat()
            guard fstat(file.descriptor, &facts) == 0, facts.st_nlink > 0 else { throw .replaced(path: file.path) }
        }
    }

    /// Makes sure that each path still leads to its file, so that a restart will find what is written.
    ///
    /// - Throws: `.replaced`; `.file` for a path that cannot be asked about.
    func requireInPlace() throws(StorageError) {
        for file in files {
            guard try FileIdentity(of: file.path) == file.identity else { throw .replaced(path: file.path) }
        }
    }
}
