import Cryptography
import Glibc

/// The master key's file while the gateway runs: whether a restart would read the same key from it.
final class KeyFileInPlace: Sendable {
    private let path: String
    private let descriptor: Int32
    private let identity: FileIdentity

    /// - Throws: `.file` when it cannot be opened.
    init(_ path: String) throws(StorageError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .file(path: path, call: "open", code: errno) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else {
            let code = errno
            close(descriptor)
            throw .file(path: path, call: "fstat", code: code)
        }
        identity = FileIdentity(facts)
    }

    deinit { close(descriptor) }

    /// The file as it was opened, read now: at most `limit` bytes.
    func content(limit: Int) throws(StorageError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var done = 0
        while done < limit {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, limit - done, off_t(done))
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw .file(path: path, call: "pread", code: errno)
            }
            if count == 0 { break }
            done += count
        }
        return Array(bytes[..<done])
    }

    /// Makes sure that the path still leads to this file and that it still holds `secret`.
    ///
    /// - Throws: `.keyFileChanged`; `.file` when it cannot be asked about.
    func require(_ secret: Digest) throws(StorageError) {
        guard try FileIdentity(of: path) == identity else { throw .keyFileChanged(path: path) }
        let found = try content(limit: MasterKey.byteCount + 1)
        let isSame = found.withUnsafeBytes { found in secret.withUnsafeBytes { ConstantTime.isEqual(found, $0) } }
        guard isSame else { throw .keyFileChanged(path: path) }
    }
}
