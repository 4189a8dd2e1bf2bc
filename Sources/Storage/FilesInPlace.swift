import Glibc

/// Files that stay open, and whether they still stand where they were opened: SQLite goes on writing to files that
/// were removed, and what it syncs then is gone with the process.
final class FilesInPlace: Sendable {
    private let files: [FileInPlace]

    /// - Throws: `.file` for one that cannot be opened.
    init(_ paths: [String]) throws(StorageError) {
        var files: [FileInPlace] = []
        for path in paths { files.append(try FileInPlace(path, for: .naming)) }
        self.files = files
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
            guard try file.isInPlace() else { throw .replaced(path: file.path) }
        }
    }
}
