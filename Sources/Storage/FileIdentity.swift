import Glibc

/// Which file a path leads to: another one at the same path has another identity.
///
/// Source: stat(2), `st_dev` and `st_ino`.
struct FileIdentity: Equatable {
    private let device: UInt64
    private let inode: UInt64

    /// The file at `path`; `nil` when there is none.
    init?(of path: String) throws(StorageError) {
        var facts = stat()
        if stat(path, &facts) != 0 {
            guard errno == ENOENT else { throw .file(path: path, call: "stat", code: errno) }
            return nil
        }
        self.init(facts)
    }

    init(_ facts: stat) {
        device = UInt64(facts.st_dev)
        inode = UInt64(facts.st_ino)
    }
}
