import Domain
import Glibc
import JSON
import Registry
import Storage

/// Where configuration comes from: the file system, or in a test a table of names. Reading a configuration is a pure
/// function of what this returns.
struct SourceFiles: Sendable {
    /// What a file holds, and who may read it.
    struct Content: Equatable, Sendable {
        let bytes: [UInt8]
        /// The permission bits: `0o600`.
        let mode: UInt32

        /// Refuses a private key that others than its owner may read.
        func requireSecret(_ path: String) throws(ProgramError) {
            guard mode & 0o077 == 0 else {
                throw ProgramError(
                    "others may read `\(path)`: run `chmod 600 \(path)`, and make a new key if it was exposed")
            }
        }
    }

    /// Why a file could not be read.
    enum Failure: Error, Equatable {
        case missing
        case notPermitted
        case notAFile
        case tooLarge(maximumBytes: Int)
        /// Any other `errno`.
        case system(Int32)

        /// The cause, for the end of a message.
        var cause: String {
            switch self {
            case .missing: "there is no such file"
            case .notPermitted: "this user may not read it"
            case .notAFile: "it is not a regular file"
            case .tooLarge(let maximum): "it is larger than \(maximum) bytes"
            case .system(let number): String(cString: strerror(number))
            }
        }
    }

    /// Reads a whole file of at most `maximumBytes`.
    let read: @Sendable (_ path: String, _ maximumBytes: Int) throws(Failure) -> Content
    /// The names in a directory, in no order; `.missing` when there is none.
    let list: @Sendable (_ directory: String) throws(Failure) -> [String]

    /// The event buses that a data directory holds; none where no gateway has run.
    ///
    /// Read by a connection of its own, closed again at once, although `serve` opens the tables soon after: what is
    /// warned of is said before anything is locked or made, and `check` says the same beside a gateway that runs.
    let savedBuses: @Sendable (_ dataDirectory: String) throws(ControlStoreError) -> [SavedBus]

    /// A bus as the data directory has it.
    struct SavedBus: Sendable {
        let id: EventBusID
        let policy: JSONNode?
    }

    /// A file that a command line names.
    func whole(_ path: String, _ maximumBytes: Int) throws(ProgramError) -> [UInt8] {
        do throws(Failure) { return try read(path, maximumBytes).bytes } catch {
            throw ProgramError(Printable.line("cannot read `\(path)`: \(error.cause): name another file"))
        }
    }

    /// The files of this machine.
    static let system = SourceFiles(
        read: { (path, maximum) throws(Failure) in try readFile(path, maximum) },
        list: { (directory) throws(Failure) in try listDirectory(directory) },
        savedBuses: { (directory) throws(ControlStoreError) in
            var buses: [SavedBus] = []
            for record in try SQLiteControlStore.records(of: .eventBus, inDirectory: directory) {
                let bus = try EventBus.policy(of: record)
                buses.append(SavedBus(id: bus.id, policy: bus.policy))
            }
            return buses
        })

    private static func failure(_ number: Int32) -> Failure {
        switch number {
        case ENOENT, ENOTDIR: .missing
        case EACCES, EPERM: .notPermitted
        default: .system(number)
        }
    }

    private static func readFile(_ path: String, _ maximum: Int) throws(Failure) -> Content {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure(errno) }
        defer { close(descriptor) }
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw failure(errno) }
        guard facts.st_mode & S_IFMT == S_IFREG else { throw .notAFile }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                if errno == EINTR { continue }
                throw failure(errno)
            }
            if count == 0 { break }
            guard bytes.count + count <= maximum else { throw .tooLarge(maximumBytes: maximum) }
            bytes.append(contentsOf: chunk[0..<count])
        }
        return Content(bytes: bytes, mode: facts.st_mode & 0o7777)
    }

    private static func listDirectory(_ directory: String) throws(Failure) -> [String] {
        guard let stream = opendir(directory) else { throw failure(errno) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }
}

/// Paths as configuration writes them.
enum Path {
    /// `path` as seen from the directory of `file`; an absolute path stays.
    static func resolve(_ path: String, besides file: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let slash = file.lastIndex(of: "/") else { return path }
        return file[...slash] + path
    }

    /// The absolute form, `.` and `..` folded without looking at the disk.
    static func absolute(_ path: String, workingDirectory: String) -> String {
        let whole = path.hasPrefix("/") ? path : workingDirectory + "/" + path
        var parts: [Substring] = []
        for part in whole.split(separator: "/", omittingEmptySubsequences: true) {
            switch part {
            case ".": continue
            case "..": _ = parts.popLast()
            default: parts.append(part)
            }
        }
        return "/" + parts.joined(separator: "/")
    }

    /// The directory of this process.
    static func workingDirectory() -> String {
        guard let pointer = getcwd(nil, 0) else { return "/" }
        defer { free(pointer) }
        return String(cString: pointer)
    }
}
