import Glibc

/// Whole small files, read and written with every result looked at.
enum FileBytes {
    /// The content of the file at `path`, at most `limit` bytes of it.
    static func read(_ path: String, limit: Int) throws(StorageError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path: path, call: "open", code: errno) }
        defer { close(descriptor) }
        return try read(descriptor, path: path, limit: limit)
    }

    /// The content of an open file from its beginning, at most `limit` bytes of it.
    static func read(_ descriptor: Int32, path: String, limit: Int) throws(StorageError) -> [UInt8] {
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: min(limit, 65_536))
        while content.count < limit {
            let count = pread(descriptor, &chunk, min(chunk.count, limit - content.count), off_t(content.count))
            if count < 0 {
                if errno == EINTR { continue }
                throw .file(path: path, call: "pread", code: errno)
            }
            if count == 0 { break }
            content.append(contentsOf: chunk[..<count])
        }
        return content
    }

    /// Writes all of `bytes` at `offset` of an open file.
    static func write(
        _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int, path: String
    ) throws(StorageError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
            if count < 0 {
                if errno == EINTR { continue }
                throw .file(path: path, call: "pwrite", code: errno)
            }
            done += count
        }
    }

    /// Makes the file at `path` (mode 0600 when it is new) at least `count` bytes long by writing zeros after its end,
    /// and syncs it. Written zeros, not a hole: the blocks are there afterwards, even when the disk is full.
    ///
    /// - Throws: with ENOSPC and EDQUOT the file has its old length again: what it took is left to others.
    static func extend(_ path: String, to count: Int) throws(StorageError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(path: path, call: "open", code: errno) }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw .file(path: path, call: "fstat", code: errno) }
        let length = Int(facts.st_size)
        if length >= count { return }
        do throws(StorageError) {
            try append(zerosTo: count, after: length, descriptor, path: path)
        } catch {
            if error.isNoSpace, ftruncate(descriptor, facts.st_size) != 0 {
                throw .file(path: path, call: "ftruncate", code: errno)
            }
            throw error
        }
    }

    private static func append(
        zerosTo count: Int, after length: Int, _ descriptor: Int32, path: String
    ) throws(StorageError) {
        var end = length
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        while end < count {
            let piece = min(zeros.count, count - end)
            var failure: StorageError?
            zeros.withUnsafeBytes { bytes in
                do throws(StorageError) {
                    try write(UnsafeRawBufferPointer(rebasing: bytes[..<piece]), to: descriptor, at: end, path: path)
                } catch { failure = error }
            }
            if let failure { throw failure }
            end += piece
        }
        guard fsync(descriptor) == 0 else { throw .file(path: path, call: "fsync", code: errno) }
    }
}

extension StorageError {
    /// The disk, or a quota on it, is full.
    var isNoSpace: Bool {
        guard case .file(_, _, let code) = self else { return false }
        return code == ENOSPC || code == EDQUOT
    }
}
