import Glibc

/// Room kept aside on the disk: given back when a delete or a dead letter finds the disk full, made again afterwards.
struct ReserveFile {
    static let fileName = "reserve"

    private let path: String
    private let directory: DataDirectory
    private let byteCount: Int
    /// The file, while the room is kept aside.
    private var held: FileIdentity?
    /// Whether the room is kept aside at present.
    var isHeld: Bool { held != nil }

    init(in directory: DataDirectory, byteCount: Int) {
        path = directory.file(Self.fileName)
        self.directory = directory
        self.byteCount = byteCount
    }

    /// What became of an attempt to keep the room aside.
    enum Attempt {
        case held
        /// The disk has no room for it yet.
        case noRoom
        /// Connections have taken the last descriptor: nothing is known of the disk.
        case noDescriptor
    }

    /// Allocates the room if it is not held.
    ///
    /// - Throws: any other failure of the disk.
    mutating func hold() throws(StorageError) -> Attempt {
        guard !isHeld, byteCount > 0 else { return .held }
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            switch errno {
            case ENOSPC, EDQUOT: return .noRoom
            case EMFILE, ENFILE: return .noDescriptor
            default: throw .file(path: path, call: "open", code: errno)
            }
        }
        defer { close(descriptor) }
        let code = posix_fallocate(descriptor, 0, byteCount)
        if code == ENOSPC || code == EDQUOT || code == EFBIG {
            unlink(path)
            return .noRoom
        }
        guard code == 0 else { throw .file(path: path, call: "posix_fallocate", code: code) }
        guard fsync(descriptor) == 0 else { throw .file(path: path, call: "fsync", code: errno) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw .file(path: path, call: "fstat", code: errno) }
        try directory.sync()
        held = FileIdentity(facts)
        return .held
    }

    /// Looks whether the room that was kept aside still is.
    ///
    /// - Returns: whether it was lost since the last look; then it is not held any more.
    mutating func noteLoss() -> Bool {
        guard let held else { return false }
        var facts = stat()
        if stat(path, &facts) == 0, FileIdentity(facts) == held, facts.st_size >= byteCount { return false }
        self.held = nil
        return true
    }

    /// Gives back the room that an earlier process kept, so that this one can start on a full disk.
    ///
    /// - Returns: whether there was any.
    func releaseLeftover() -> Bool { unlink(path) == 0 }

    /// Gives the room back to the file system.
    mutating func release() throws(StorageError) {
        guard isHeld else { return }
        held = nil
        guard unlink(path) == 0 || errno == ENOENT else { throw .file(path: path, call: "unlink", code: errno) }
    }
}
