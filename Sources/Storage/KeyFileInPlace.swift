import Cryptography

/// The master key's file while the gateway runs: whether a restart would read the same key from it.
struct KeyFileInPlace: Sendable {
    private let file: FileInPlace

    init(_ file: FileInPlace) { self.file = file }

    /// The file as it was opened, read now: at most one byte more than a key has.
    func content() throws(StorageError) -> [UInt8] {
        try FileBytes.read(file.descriptor, path: file.path, limit: MasterKey.byteCount + 1)
    }

    /// Makes sure that the path still leads to this file and that it still holds `secret`.
    ///
    /// - Throws: `.keyFileChanged`; `.file` when it cannot be asked about.
    func require(_ secret: Digest) throws(StorageError) {
        guard try file.isInPlace() else { throw .keyFileChanged(path: file.path) }
        let found = try content()
        let isSame = found.withUnsafeBytes { found in secret.withUnsafeBytes { ConstantTime.isEqual(found, $0) } }
        guard isSame else { throw .keyFileChanged(path: file.path) }
    }
}
