import Cryptography
import Foundation
import GRDB
import Registry
import Testing

@testable import Storage

@Suite struct DataDirectoryTests {
    private static let mounts = """
        22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
        30 22 0:30 / /tmp rw - tmpfs tmpfs rw
        31 22 0:31 / /mnt/a\\040b rw - ramfs none rw
        32 22 0:32 / /over rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w,volatile
        33 22 0:33 / /safe rw - overlay overlay rw,lowerdir=/l,upperdir=/u,workdir=/w
        34 30 254:1 / /tmp/disk rw - ext4 /dev/vdb rw
        """

    @Test(
        "a place that forgets is recognised by its mount",
        arguments: [
            ("/var/lib/isthmus", nil), ("/tmp", .temporary), ("/tmp/x/y", .temporary), ("/tmpx", nil),
            ("/mnt/a b/c", .memory), ("/over/x", .volatileOverlay), ("/safe/x", nil), ("/tmp/disk/x", nil),
        ] as [(String, StorageError.Forgetful?)])
    func forgetful(path: String, expected: StorageError.Forgetful?) {
        #expect(DataDirectory.forgetfulMount(of: path, mounts: Self.mounts) == expected)
    }

    @Test("a directory that others may write to is refused, one that they may look into is not")
    func shared() throws {
        let directory = ScratchDirectory()
        _ = try DataDirectory(path: directory.path)
        for (mode, isRefused) in [(0o755, false), (0o700, false), (0o775, true), (0o757, true), (0o1777, true)] {
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: directory.path)
            do throws(StorageError) {
                _ = try DataDirectory(path: directory.path)
                #expect(!isRefused, "\(String(mode, radix: 8))")
            } catch {
                #expect(isRefused && error == .directoryMode(path: directory.path, mode: UInt32(mode)))
                #expect("\(error)".contains("run `chmod go-w \(directory.path)`"))
            }
        }
    }

    @Test("the master key is made once, private, and read again")
    func masterKey() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let first = try MasterKey(in: home, hasLog: false, random: .system)
        let again = try MasterKey(in: home, hasLog: true, random: .system)
        let path = home.file(MasterKey.fileName)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(Set(MasterKey.Purpose.allCases.map { first.key(for: $0) }).count == MasterKey.Purpose.allCases.count)
        for purpose in MasterKey.Purpose.allCases { #expect(first.key(for: purpose) == again.key(for: purpose)) }
        let secret = try Data(contentsOf: URL(fileURLWithPath: path))
        #expect(!"\(first)".contains(Hexadecimal.text([UInt8](secret))))
    }

    @Test("a derived key is HKDF's")
    func derivation() throws {
        let key = MasterKey(secret: SHA256.hash([1]))
        let info = Array("isthmus event ids 1".utf8)
        let expected = try HKDFSHA256.derive(secret: SHA256.hash([1]).bytes, salt: [], info: info, count: 32)
        #expect(key.key(for: .eventIDs).bytes == expected)
    }

    @Test("a master key that others can read, of another length, or gone beside a log is refused")
    func masterKeyRefusals() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let path = home.file(MasterKey.fileName)
        func open(hasLog: Bool = true) throws { _ = try MasterKey(in: home, hasLog: hasLog, random: .system) }
        #expect(throws: StorageError.keyFileMissing(path: path)) { try open() }
        try open(hasLog: false)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
        #expect(throws: StorageError.keyFileMode(path: path, mode: 0o644)) { try open() }
        for count in [0, 31, 33] {
            try Data(repeating: 1, count: count).write(to: URL(fileURLWithPath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            #expect(throws: StorageError.keyFileLength(path: path, bytes: count)) { try open() }
        }
    }

    @Test("a log that is gone or empty beside the control tables is refused; without them it was never begun")
    func logRefusals() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let log = home.file(LogSchema.fileName)
        #expect(try !SQLiteEventLog.exists(in: home))
        try Data().write(to: URL(fileURLWithPath: log))
        #expect(try !SQLiteEventLog.exists(in: home))
        try SQLiteControlStore(in: home).close()
        #expect(throws: StorageError.logMissing(path: log)) { try SQLiteEventLog.exists(in: home) }
        try FileManager.default.removeItem(atPath: log)
        #expect(throws: StorageError.logMissing(path: log)) { try SQLiteEventLog.exists(in: home) }
        try Data([1]).write(to: URL(fileURLWithPath: log))
        #expect(try SQLiteEventLog.exists(in: home))
    }

    @Test("the reserve takes its room and gives it back")
    func reserve() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        var reserve = ReserveFile(in: home, byteCount: 1 << 20)
        #expect(try reserve.hold() == .held)
        var facts = stat()
        #expect(stat(home.file(ReserveFile.fileName), &facts) == 0)
        #expect(facts.st_size == 1 << 20 && facts.st_blocks * 512 >= 1 << 20)
        try reserve.release()
        #expect(!home.holds(ReserveFile.fileName))
        #expect(try reserve.hold() == .held)
    }

    @Test("only wal with full or extra synchronous is accepted")
    func weakened() {
        var configuration = LogConfiguration(region: "r")
        for (journal, synchronous, isAccepted) in [
            ("wal", "full", true), ("WAL", "EXTRA", true), ("wal", "normal", false), ("wal", "off", false),
            ("wal", "", false), ("delete", "full", false), ("memory", "full", false), ("off", "full", false),
        ] {
            configuration.journalMode = journal
            configuration.synchronous = synchronous
            if isAccepted {
                #expect(throws: Never.self) { try configuration.requireDurable() }
            } else {
                #expect(throws: StorageError.self) { try configuration.requireDurable() }
            }
        }
    }

    @Test("control records are put, replaced, removed together, and survive a restart")
    func controlStore() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        func record(_ key: String, _ value: [UInt8]) -> ControlRecord {
            ControlRecord(kind: .eventBus, key: key, value: value)
        }
        var store = try SQLiteControlStore(in: home)
        #expect(try store.load().isEmpty)
        try store.commit([.put(record("a", [1])), .put(record("b", [])), .put(record("a", [2, 3]))])
        try store.commit([.remove(kind: .eventBus, key: "b"), .remove(kind: .accessKey, key: "a")])
        try store.close()
        store = try SQLiteControlStore(in: home)
        #expect(try store.load() == [record("a", [2, 3])])
        try store.close()
    }

    @Test(
        "a control record of a type that was never written is refused, and ends nothing",
        arguments: ["kind = x'FF'", "key = x'FF'", "value = 1.5", "digest = 7"])
    func controlStoreOfWrongTypes(change: String) throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        let store = try SQLiteControlStore(in: home)
        try store.commit([.put(ControlRecord(kind: .eventBus, key: "a", value: [1]))])
        try store.close()
        try DatabaseQueue(path: home.file("control.sqlite")).write { db in
            try db.execute(sql: "UPDATE record SET \(change)")
        }
        let again = try SQLiteControlStore(in: home)
        #expect(throws: ControlStoreError.self) { try again.load() }
        try again.close()
    }

    @Test("records are read beside the gateway that writes them, and where none runs; a changed one is not")
    func controlStoreBesides() throws {
        let directory = ScratchDirectory()
        let home = try DataDirectory(path: directory.path)
        func read() throws -> [ControlRecord] {
            try SQLiteControlStore.records(of: .eventBus, inDirectory: directory.path)
        }
        #expect(try read().isEmpty, "no gateway has run")
        let store = try SQLiteControlStore(in: home)
        let bus = ControlRecord(kind: .eventBus, key: "a", value: [1])
        try store.commit([.put(bus), .put(ControlRecord(kind: .accessKey, key: "k", value: [2]))])
        #expect(try read() == [bus])
        let later = ControlRecord(kind: .eventBus, key: "b", value: [3])
        try store.commit([.put(later)])
        #expect(try read() == [bus, later], "while the writer has it open")
        try store.close()
        #expect(try read() == [bus, later], "with nobody there")
        let again = try SQLiteControlStore(in: home)
        #expect(try again.load().count == 3, "reading left nothing that stops a start")
        try again.close()
        try DatabaseQueue(path: home.file("control.sqlite")).write { db in
            try db.execute(sql: "UPDATE record SET value = x'04' WHERE key = 'b'")
        }
        #expect(throws: ControlStoreError.unreadable(reason: "event-bus `b` is not as it was stored")) { try read() }
        try DatabaseQueue(path: home.file("control.sqlite")).write { db in
            try db.execute(sql: "PRAGMA user_version = 2")
        }
        #expect(throws: ControlStoreError.self) { try read() }
    }
}
