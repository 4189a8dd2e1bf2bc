import Glibc

/// Writes whole files so that after a power cut there is the old one or the new one, never half.
enum DurableFile {
    /// A file to be: what it holds, and its permission bits from the first moment, 0o600 for a key.
    struct Draft {
        let path: String
        let bytes: [UInt8]
        let mode: UInt32

        var temporary: String { path + ".new" }
    }

    /// Writes `bytes` to `path`, through a new file beside it that takes its place.
    ///
    /// - Parameters:
    ///   - mode: the permission bits, from the first moment: 0o600 for a key.
    ///   - replacing: whether a file that is there already may be replaced; else it stays and the call fails.
    static func write(_ bytes: [UInt8], to path: String, mode: UInt32, replacing: Bool) throws(ProgramError) {
        try write([Draft(path: path, bytes: bytes, mode: mode)], replacing: replacing) {}
    }

    /// Writes files that belong together: all are on disk beside their places before `note`, and take their places
    /// after it. Where any of that fails, what was there is there and nothing else; a file that was replaced stays so.
    static func write(
        _ drafts: [Draft], replacing: Bool, note: () throws(ProgramError) -> Void
    ) throws(ProgramError) {
        for draft in drafts { removeLeftover(besides: draft.path) }
        if !replacing { for draft in drafts { try requireAbsent(draft.path) } }
        var placed: [Draft] = []
        do throws(ProgramError) {
            for draft in drafts { try stage(draft) }
            try note()
            for draft in drafts {
                try replacing ? replace(draft) : place(draft)
                if !replacing { placed.append(draft) }
            }
            for draft in drafts { try synchronizeDirectory(of: draft.path) }
        } catch {
            for draft in drafts { unlink(draft.temporary) }
            for draft in placed { unlink(draft.path) }
            throw error
        }
    }

    private static func stage(_ draft: Draft) throws(ProgramError) {
        let descriptor = open(draft.temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, draft.mode)
        guard descriptor >= 0 else { throw failure("cannot make `\(draft.temporary)`") }
        defer { close(descriptor) }
        try takeOver(draft, descriptor)
        try writeAll(draft.bytes, to: descriptor, path: draft.temporary)
    }

    /// What takes the place of a file belongs to who owned that: written anew by root, it must not shut out the user
    /// whose file it was.
    private static func takeOver(_ draft: Draft, _ descriptor: Int32) throws(ProgramError) {
        var old = stat()
        guard stat(draft.path, &old) == 0 else { return }
        var own = stat()
        guard fstat(descriptor, &own) == 0 else { throw failure("cannot ask about `\(draft.temporary)`") }
        if (own.st_uid, own.st_gid) != (old.st_uid, old.st_gid), fchown(descriptor, old.st_uid, old.st_gid) != 0 {
            // Only root may give a file away. Who owned the old one reads the new one all the same where everybody
            // does, or where it was root or this user.
            let isHarmless = draft.mode & 0o004 != 0 || old.st_uid == 0 || old.st_uid == own.st_uid
            guard errno == EPERM, isHarmless else {
                throw failure("cannot give `\(draft.temporary)` to who owns `\(draft.path)`")
            }
        }
        // The mode that was asked for, whatever this process's umask takes away.
        if fchmod(descriptor, draft.mode) != 0 { throw failure("cannot set the mode of `\(draft.temporary)`") }
    }

    private static func replace(_ draft: Draft) throws(ProgramError) {
        guard rename(draft.temporary, draft.path) == 0 else { throw failure("cannot put `\(draft.path)` in its place") }
    }

    /// Unlike a rename, a link never takes the place of what came there meanwhile. Where the file system knows no
    /// links, the file is renamed after a look.
    static func place(
        _ draft: Draft, link: (_ from: String, _ to: String) -> Int32 = { Glibc.link($0, $1) }
    ) throws(ProgramError) {
        if link(draft.temporary, draft.path) == 0 {
            unlink(draft.temporary)
            return
        }
        switch errno {
        case EEXIST: throw taken(draft.path)
        case EPERM, EOPNOTSUPP, ENOSYS:
            try requireAbsent(draft.path)
            try replace(draft)
        default: throw failure("cannot put `\(draft.path)` in its place")
        }
    }

    /// Removes what a kill left beside `path`: a draft, or a second name of the file itself. The lock must be held.
    static func removeLeftover(besides path: String) { unlink(Draft(path: path, bytes: [], mode: 0).temporary) }

    /// Refuses when there is a file at `path`.
    static func requireAbsent(_ path: String) throws(ProgramError) {
        if access(path, F_OK) == 0 { throw taken(path) }
    }

    private static func taken(_ path: String) -> ProgramError {
        ProgramError(
            Printable.line("`\(path)` is there already: it was left alone, move it away or give another name"))
    }

    /// Appends `line` and a line feed to an index of mode 0600 and waits until it is on disk. What a power cut or a
    /// full disk left of a line that was never whole goes first; a whole one that lacks its line feed gets it.
    static func append(line: [UInt8], to path: String) throws(ProgramError) {
        let isNew = access(path, F_OK) != 0
        let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("cannot open `\(path)`") }
        defer { close(descriptor) }
        let (length, lacksFeed) = try endOfActs(descriptor, path: path)
        if ftruncate(descriptor, length) != 0 { throw failure("cannot shorten `\(path)`") }
        do throws(ProgramError) {
            try writeAll((lacksFeed ? [0x0A] : []) + line + [0x0A], to: descriptor, path: path)
        } catch {
            ftruncate(descriptor, length)
            throw error
        }
        if isNew { try synchronizeDirectory(of: path) }
    }

    /// Where the last whole act ends, and whether its line feed is still to be written.
    private static func endOfActs(
        _ descriptor: Int32, path: String
    ) throws(ProgramError) -> (length: off_t, lacksFeed: Bool) {
        let length = try endOfLines(descriptor, path: path)
        let rest = lseek(descriptor, 0, SEEK_END) - length
        guard (1...off_t(IssuanceIndex.maximumLineBytes)).contains(rest) else { return (length, false) }
        var tail = [UInt8](repeating: 0, count: Int(rest))
        guard pread(descriptor, &tail, tail.count, length) == tail.count else { throw failure("cannot read `\(path)`") }
        return IssuanceIndex.isWhole(tail) ? (length + rest, true) : (length, false)
    }

    /// Where the last line ends that has its line feed.
    private static func endOfLines(_ descriptor: Int32, path: String) throws(ProgramError) -> off_t {
        var end = lseek(descriptor, 0, SEEK_END)
        var chunk = [UInt8](repeating: 0, count: 4096)
        while end > 0 {
            let start = max(0, end - off_t(chunk.count))
            let count = pread(descriptor, &chunk, Int(end - start), start)
            guard count == Int(end - start) else { throw failure("cannot read `\(path)`") }
            if let feed = chunk[..<count].lastIndex(of: 0x0A) { return start + off_t(feed) + 1 }
            end = start
        }
        guard end == 0 else { throw failure("cannot read `\(path)`") }
        return 0
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
        let number = errno
        return ProgramError(Printable.line("\(what): \(String(cString: strerror(number))): \(advice(number))"))
    }

    /// What helps against an `errno`.
    private static func advice(_ number: Int32) -> String {
        switch number {
        case ENOSPC, EDQUOT: "free some space there and run it again"
        case EROFS: "name a place that can be written"
        case EACCES, EPERM: "run it as the user that owns the directory"
        case ENOENT, ENOTDIR: "name a directory that is there"
        default: "mend that and run it again"
        }
    }
}
