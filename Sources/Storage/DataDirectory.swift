import Glibc

/// The directory everything durable stands in: checked, locked against a second process, and synced.
///
/// The lock is released when the value is.
package final class DataDirectory: Sendable {
    /// As configured, without a trailing `/`.
    package let path: String
    /// What is looked after while a log is open, besides its own files.
    let needs = RestartNeeds()
    private let lock: Int32
    /// The directory itself, open: a sync needs no descriptor that connections may have taken.
    private let descriptor: Int32

    /// Makes the directory if it is not there (mode 0700), checks that it can keep a promise and locks it.
    ///
    /// - Throws: `.forgetful`, `.directoryMode`, `.directorySync`, `.inUse`, `.file`.
    package init(path: String) throws(StorageError) {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.path = path
        if mkdir(path, 0o700) == 0 {
            try Self.sync(directory: Self.parent(of: path))
        } else if errno != EEXIST {
            throw .file(path: path, call: "mkdir", code: errno)
        }
        try Self.refuseForgetful(path)
        try Self.refuseShared(path)
        let descriptor = try Self.open(directory: path)
        do throws(StorageError) {
            try Self.sync(descriptor, path: path)
            lock = try Self.lock(path + "/" + Self.lockName)
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
    }

    deinit {
        close(lock)
        close(descriptor)
    }

    private static let lockName = "lock"
    /// The file whose lock keeps a second process away.
    var lockPath: String { file(Self.lockName) }

    /// The path of a file in the directory.
    package func file(_ name: String) -> String { path + "/" + name }

    /// Makes entries created, renamed or removed in the directory durable.
    ///
    /// - Throws: `.directorySync`.
    package func sync() throws(StorageError) { try Self.sync(descriptor, path: path) }

    /// Whether a file of this name is there and not empty.
    package func holds(_ name: String) -> Bool {
        var facts = stat()
        return stat(file(name), &facts) == 0 && facts.st_size > 0
    }

    private static func sync(directory path: String) throws(StorageError) {
        let descriptor = try open(directory: path)
        defer { close(descriptor) }
        try sync(descriptor, path: path)
    }

    private static func open(directory path: String) throws(StorageError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path: path, call: "open", code: errno) }
        return descriptor
    }

    private static func sync(_ descriptor: Int32, path: String) throws(StorageError) {
        guard fsync(descriptor) == 0 else { throw .directorySync(path: path, code: errno) }
    }

    /// Who may write to a directory may remove and replace what stands in it, whatever the mode of the files.
    private static func refuseShared(_ path: String) throws(StorageError) {
        var facts = stat()
        guard stat(path, &facts) == 0 else { throw .file(path: path, call: "stat", code: errno) }
        guard facts.st_mode & 0o022 == 0 else { throw .directoryMode(path: path, mode: facts.st_mode & 0o7777) }
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func lock(_ path: String) throws(StorageError) -> Int32 {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(path: path, call: "open", code: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw code == EWOULDBLOCK ? .inUse(path: path) : .file(path: path, call: "flock", code: code)
        }
        return descriptor
    }
}

extension DataDirectory {
    private static func refuseForgetful(_ path: String) throws(StorageError) {
        guard let resolved = realpath(path, nil) else { throw .file(path: path, call: "realpath", code: errno) }
        defer { free(resolved) }
        let mounts = try FileBytes.read("/proc/self/mountinfo", limit: 4 << 20)
        let forgetful = forgetfulMount(of: String(cString: resolved), mounts: String(decoding: mounts, as: UTF8.self))
        if let forgetful { throw .forgetful(path: path, forgetful) }
    }

    /// Why nothing on the mount that holds `path` survives a power cut, or `nil`.
    ///
    /// - Parameters:
    ///   - path: absolute, without symbolic links.
    ///   - mounts: the text of /proc/self/mountinfo. Source: proc(5);
    ///     docs.kernel.org/filesystems/overlayfs.html#volatile-mount
    static func forgetfulMount(of path: String, mounts: String) -> StorageError.Forgetful? {
        var longest = 0
        var found: StorageError.Forgetful?
        for line in mounts.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 6, let dash = words.firstIndex(of: "-"), dash + 3 < words.count else { continue }
            let point = unescaped(words[4])
            guard point.utf8.count >= longest, path == point || path.hasPrefix(point == "/" ? "/" : point + "/") else {
                continue
            }
            // Of two mounts on one point, the later one is seen.
            longest = point.utf8.count
            switch words[dash + 1] {
            case "tmpfs": found = .temporary
            case "ramfs": found = .memory
            case "overlay":
                found = words[dash + 3].split(separator: ",").contains("volatile") ? .volatileOverlay : nil
            default: found = nil
            }
        }
        return found
    }

    /// A path of mountinfo, where space, tab, newline and backslash stand as three octal digits.
    private static func unescaped(_ word: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = word.utf8
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let code = UInt8(String(rest.prefix(3)) ?? "", radix: 8) {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
