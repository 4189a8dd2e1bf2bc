package import Bus
package import Cryptography
import Glibc

/// The gateway's one secret on disk, from which the keys of event ids and leaf salts are derived. Made at the first
/// start; lose it and the ids of stored events can no longer be read.
///
/// The value holds key material and does not print it.
package struct MasterKey: Sendable {
    /// Bytes of the file: 32.
    package static let byteCount = 32
    package static let fileName = "master.key"

    private let secret: Digest

    init(secret: Digest) { self.secret = secret }

    /// Reads the key of a data directory, or makes it when there is no log yet. From then on the log looks after the
    /// file: what is stored while it is gone, nobody could read again.
    ///
    /// - Parameter hasLog: whether events were stored before; then a missing key is an error, not a reason to make one.
    /// - Throws: `.keyFileMode`, `.keyFileLength`, `.keyFileMissing`, `.file`, `.directorySync`.
    package init(in directory: DataDirectory, hasLog: Bool, random: RandomBytes) throws(StorageError) {
        let path = directory.file(Self.fileName)
        let opened = try Self.open(path, in: directory, hasLog: hasLog, random: random)
        let mode = opened.facts.st_mode
        guard mode & 0o077 == 0 else { throw .keyFileMode(path: path, mode: mode & 0o777) }
        let file = KeyFileInPlace(opened)
        let bytes = try file.content()
        do throws(CryptographyError) {
            secret = try Digest(bytes)
        } catch { throw .keyFileLength(path: path, bytes: bytes.count) }
        directory.needs.add(Self.fileName) { [secret] () throws(StorageError) in try file.require(secret) }
    }

    /// A key for one use, named by `purpose`: HKDF-SHA-256 (RFC 5869).
    package func key(for purpose: Purpose) -> Digest {
        var message = Array("isthmus \(purpose.rawValue) 1".utf8)
        message.append(1)
        return HMACSHA256(key: HKDFSHA256.extract(secret: secret.bytes, salt: [])).authenticate(message)
    }

    /// What the master key is used for. A raw value is part of the stored format: never rename one.
    package enum Purpose: String, CaseIterable, Sendable {
        case eventIDs = "event ids"
        case leafSalts = "leaf salts"
        case check = "check"
        case accessKeys = "access keys"
        case sessionTokens = "session tokens"
        case invitations = "invitations"
    }

    /// The codec of the gateway's event ids.
    package func eventIDs() throws(CryptographyError) -> EventIDCodec {
        try EventIDCodec(key: key(for: .eventIDs).bytes)
    }

    private static func open(
        _ path: String, in directory: DataDirectory, hasLog: Bool, random: RandomBytes
    ) throws(StorageError) -> FileInPlace {
        do throws(StorageError) {
            return try FileInPlace(path, for: .reading)
        } catch .file(_, _, ENOENT) {
            guard !hasLog else { throw .keyFileMissing(path: path) }
        }
        try make(path, in: directory, random: random)
        return try FileInPlace(path, for: .reading)
    }

    /// The file appears whole or not at all: written beside, synced, renamed, directory synced.
    private static func make(
        _ path: String, in directory: DataDirectory, random: RandomBytes
    ) throws(StorageError) {
        let beside = path + ".new"
        let bytes: [UInt8]
        do throws(CryptographyError) {
            bytes = try random.bytes(byteCount)
        } catch { throw .file(path: path, call: "getrandom", code: EIO) }
        unlink(beside)
        let descriptor = Glibc.open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .file(path: beside, call: "open", code: errno) }
        defer { close(descriptor) }
        var failure: StorageError?
        bytes.withUnsafeBytes { bytes in
            do throws(StorageError) {
                try FileBytes.write(bytes, to: descriptor, at: 0, path: beside)
            } catch { failure = error }
        }
        if let failure { throw failure }
        guard fsync(descriptor) == 0 else { throw .file(path: beside, call: "fsync", code: errno) }
        guard rename(beside, path) == 0 else { throw .file(path: path, call: "rename", code: errno) }
        try directory.sync()
    }
}

extension MasterKey: CustomStringConvertible {
    package var description: String { "master key (not shown)" }
}
