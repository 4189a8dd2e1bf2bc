import Glibc

/// Why the storage refused to start or had to stop. Each is a matter of the machine, its disk or its configuration.
package enum StorageError: Error, Hashable, Sendable {
    /// The kinds of file system on which an acknowledgement would be a lie.
    package enum Forgetful: String, Hashable, Sendable {
        case temporary = "tmpfs"
        case memory = "ramfs"
        case volatileOverlay = "overlay mounted volatile"
    }

    /// A call on a file or directory failed; `code` is errno.
    case file(path: String, call: String, code: Int32)
    /// The data directory does not survive a power cut.
    case forgetful(path: String, Forgetful)
    /// The data directory cannot be made durable: fsync on it fails with errno `code`.
    case directorySync(path: String, code: Int32)
    /// Others than its owner may write to the data directory, and so put their own files in place of its; `mode` is its
    /// permission bits.
    case directoryMode(path: String, mode: UInt32)
    /// Another process has the data directory.
    case inUse(path: String)
    /// The configuration, or SQLite, has less durability than an acknowledgement promises.
    case weakened(setting: String, value: String, required: String)
    /// The master key file can be read by others than its owner; `mode` is its permission bits.
    case keyFileMode(path: String, mode: UInt32)
    /// The master key file has not exactly 32 bytes.
    case keyFileLength(path: String, bytes: Int)
    /// There is a log but no master key for it.
    case keyFileMissing(path: String)
    /// The master key's file was removed, replaced or overwritten while the gateway ran.
    case keyFileChanged(path: String)
    /// The log is gone or empty, but what is made after it is there.
    case logMissing(path: String)
    /// The master key is not the one the log was begun with.
    case wrongKey(path: String)
    /// The log is of a region that is not the configured one: what it holds stays there.
    case otherRegion(path: String, region: String, configured: String)
    /// The database was written by a later version; `format` is its number.
    case laterFormat(path: String, format: Int)
    /// The file was removed or replaced while it was open: what was written since is lost with the process.
    case replaced(path: String)
    /// What is stored contradicts itself. `what` names the table and row.
    case damaged(path: String, what: String)
    /// SQLite failed; `code` is its extended result code.
    case database(path: String, code: Int32)
}

extension StorageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .file(let path, let call, let code):
            "`\(path)`: \(call) failed: \(String(cString: strerror(code))): see that it is there, of the right kind, "
                + "and this user's to read and write"
        case .forgetful(let path, let kind):
            "`\(path)` is on \(kind.rawValue) and would not survive a power cut: put the data directory on a disk"
        case .directorySync(let path, let code):
            "`\(path)` cannot be made durable: fsync failed: \(String(cString: strerror(code))): use a file system "
                + "that can"
        case .directoryMode(let path, let mode):
            "`\(path)` has mode \(String(mode, radix: 8)): others could replace its files; run `chmod go-w \(path)`"
        case .inUse(let path): "`\(path)` is in use by another gateway: stop it or choose another data directory"
        case .weakened(let setting, let value, let required):
            "\(setting) is `\(value)`: an acknowledged event needs `\(required)`; remove the setting"
        case .keyFileMode(let path, let mode):
            "`\(path)` has mode \(String(mode, radix: 8)): others could read it; run chmod 600 on it"
        case .keyFileLength(let path, let bytes): "`\(path)` has \(bytes) bytes, a master key has 32: restore it"
        case .keyFileMissing(let path):
            "`\(path)` is missing but there is a log that was begun with it: restore it from the backup"
        case .keyFileChanged(let path):
            "`\(path)` was removed or changed while it was in use: restore it from the backup, or nothing that is "
                + "stored can be read again"
        case .logMissing(let path):
            "`\(path)` is missing or empty, but there was a log: restore it from the backup, or begin a new one in "
                + "another data directory"
        case .wrongKey(let path): "`\(path)` is not the key this log was begun with: restore the right one"
        case .otherRegion(let path, let region, let configured):
            "`\(path)` is of region `\(region)`, the configuration says `\(configured)`: give each region a data "
                + "directory of its own"
        case .laterFormat(let path, let format):
            "`\(path)` has format \(format), which a later version wrote: start that version"
        case .replaced(let path):
            "`\(path)` was removed or replaced while it was open: restart the gateway, and leave its files alone"
        case .damaged(let path, let what): "`\(path)` is damaged: \(what): restore it from the backup"
        case .database(let path, let code): "`\(path)`: SQLite failed with code \(code): \(Self.advice(code))"
        }
    }
}

extension StorageError {
    /// What to do about a result code of SQLite; its lowest byte is the primary one. Source: sqlite.org/rescode.html.
    private static func advice(_ code: Int32) -> String {
        switch code & 0xFF {
        case 8, 14: "see that the file and its directory are this user's to read and write"
        case 10: "look at the disk, and at what the system's log says of it"
        case 11: "it is damaged: restore it from the backup"
        case 13: "the disk, or a quota on it, is full: make room"
        case 26: "it is no database: restore it from the backup"
        default: "see sqlite.org/rescode.html"
        }
    }
}
