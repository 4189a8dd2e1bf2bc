import Glibc

/// Writes whole files so that after a power cut there is the old one or the new one, never half.
enum DurableFile {
    /// Writes `bytes` to `path`, through a new file beside it that takes its place.
    ///
    /// - Parameters:
    ///   - mode: the permission bits, from the first moment: 0o600 for a key.
    ///   - replacing: whether a file that is there already may be replaced; else it stays and the call fails.
    static func write(_ bytes: [UInt8], to path: String, mode: UInt32, replacing: Bool) throws(ProgramError) {
        if !replacing { try requireAbsent(path) }
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw failure("cannot make `\(temporary)`") }
        do throws(ProgramError) {
            try writeAll(bytes, to: descriptor, path: temporary)
        } catch {
            close(descriptor)
            unlink(temporary)
            throw error
        }
        close(descriptor)
        guard rename(temporary, path) == 0 else { throw failure("cannot put `\(path)` in its place") }
        try synchronizeDirectory(of: path)
    }

    /// Refuses when there is a file at `path`.
    static func requireAbsent(_ path: String) throws(ProgramError) {
        guard access(path, F_OK) != 0 else {
            throw ProgramError("`\(path)` is there already: it was left alone, move it away or give another name")
        }
    }

    /// Appends `line` and a line feed to a log of mode 0600 and waits until it is on disk.
    static func append(line: [UInt8], to path: String) throws(ProgramError) {
        let isNew = access(path, F_OK) != 0
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("cannot open `\(path)`") }
        defer { close(descriptor) }
        try writeAll(line + [0x0A], to: descriptor, path: path)
        if isNew { try synchronizeDirectory(of: path) }
    }

    /// Makes `path` and what leads to it, with mode 0700, where it is missing.
    static func makeDirectory(_ path: String) throws(ProgramError) {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
            if mkdir(made, 0o700) != 0 && errno != EEXIST { throw failure("cannot make the directory `\(made)`") }
        }
    }

    /// Runs `body` while no other process holds the lock file `path`.
    static func locked<Result>(
        _ path: String, _ body: () throws(ProgramError) -> Result
    ) throws(ProgramError) -> Result {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("cannot open `\(path)`") }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            if errno != EINTR { throw failure("cannot lock `\(path)`") }
        }
        return try body()
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(ProgramError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno != EINTR { throw failure("cannot write `\(path)`") }
            if count > 0 { rest = rest.dropFirst(count) }
        }
        if fsync(descriptor) != 0 { throw failure("cannot bring `\(path)` to disk") }
    }

    private static func synchronizeDirectory(of path: String) throws(ProgramError) {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot open `\(directory)`") }
        defer { close(descriptor) }
        if fsync(descriptor) != 0 { throw failure("cannot bring `\(directory)` to disk") }
    }

    private static func failure(_ what: String) -> ProgramError {
        ProgramError("\(what): \(String(cString: strerror(errno)))")
    }
}
