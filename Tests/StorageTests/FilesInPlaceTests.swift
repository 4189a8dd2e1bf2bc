import Cryptography
import Foundation
import Testing

@testable import Storage

@Suite("Files that must stay where they are")
struct FilesInPlaceTests {
    private let directory = ScratchDirectory()
    private var path: String { directory.path + "/kept" }

    private func opened() throws -> FilesInPlace {
        try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
        return try FilesInPlace([path])
    }

    @Test("one that stays passes, with a second name and without it")
    func stays() throws {
        let files = try opened()
        try FileManager.default.linkItem(atPath: path, toPath: path + ".link")
        try files.requireNamed()
        try FileManager.default.removeItem(atPath: path + ".link")
        try files.requireNamed()
        try Data([4]).write(to: URL(fileURLWithPath: path), options: [])
        #expect(throws: Never.self) { try files.requireInPlace() }
    }

    @Test("one that was removed has no name and no place")
    func removed() throws {
        let files = try opened()
        try FileManager.default.removeItem(atPath: path)
        #expect(throws: StorageError.replaced(path: path)) { try files.requireNamed() }
        #expect(throws: StorageError.replaced(path: path)) { try files.requireInPlace() }
    }

    @Test("one that was moved away has a name and no place, whatever stands there now", arguments: [false, true])
    func moved(hasAnother: Bool) throws {
        let files = try opened()
        try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
        if hasAnother { try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path)) }
        #expect(throws: Never.self) { try files.requireNamed() }
        #expect(throws: StorageError.replaced(path: path)) { try files.requireInPlace() }
    }

    @Test("a file that is not there cannot be watched")
    func absent() {
        #expect(throws: StorageError.file(path: path, call: "open", code: 2)) { try FilesInPlace([path]) }
    }
}

@Suite("What a restart has to find again")
struct RestartNeedsTests {
    private let directory = ScratchDirectory()

    private func opened() throws -> (home: DataDirectory, key: String) {
        let home = try DataDirectory(path: directory.path)
        _ = try MasterKey(in: home, hasLog: false, random: .system)
        try home.needs.require()
        return (home, home.file(MasterKey.fileName))
    }

    @Test("a master key that is gone, another file, or the same with other bytes is noticed, and a new date is not")
    func masterKey() throws {
        let (home, key) = try opened()
        let right = try Data(contentsOf: URL(fileURLWithPath: key))
        try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: key)
        try home.needs.require()
        var wrong = right
        wrong[31] ^= 1
        for bytes in [wrong, Data(), right.prefix(31), right + [0]] {
            try bytes.write(to: URL(fileURLWithPath: key), options: [])
            #expect(throws: StorageError.keyFileChanged(path: key)) { try home.needs.require() }
        }
        try right.write(to: URL(fileURLWithPath: key), options: [])
        #expect(throws: Never.self) { try home.needs.require() }
        try right.write(to: URL(fileURLWithPath: key), options: .atomic)
        #expect(throws: StorageError.keyFileChanged(path: key)) { try home.needs.require() }
        try FileManager.default.removeItem(atPath: key)
        #expect(throws: StorageError.keyFileChanged(path: key)) { try home.needs.require() }
    }

    @Test("control tables are looked after until they are closed, and again when they are opened again")
    func controlTables() throws {
        let (home, _) = try opened()
        for _ in 0..<2 {
            let store = try SQLiteControlStore(in: home)
            try home.needs.require()
            try store.close()
            #expect(throws: Never.self) { try home.needs.require() }
        }
        let store = try SQLiteControlStore(in: home)
        let path = home.file(SQLiteControlStore.fileName)
        try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
        #expect(throws: StorageError.replaced(path: path)) { try home.needs.require() }
        try store.close()
    }

    @Test("a reserve that was removed, cut or replaced is not held any more, and is made again whole")
    func reserve() throws {
        let home = try DataDirectory(path: directory.path)
        let path = home.file(ReserveFile.fileName)
        var reserve = ReserveFile(in: home, byteCount: 65_536)
        #expect(try !reserve.noteLoss() && reserve.hold() == .held && !reserve.noteLoss())
        let harms: [() throws -> Void] = [
            { try FileManager.default.removeItem(atPath: path) },
            { try Data(count: 65_535).write(to: URL(fileURLWithPath: path), options: []) },
            { try Data(count: 65_536).write(to: URL(fileURLWithPath: path), options: .atomic) },
        ]
        for harm in harms {
            try harm()
            #expect(reserve.noteLoss() && !reserve.isHeld && !reserve.noteLoss())
            #expect(try reserve.hold() == .held && !reserve.noteLoss())
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int == 65_536)
        }
        try reserve.release()
        #expect(!reserve.noteLoss() && !home.holds(ReserveFile.fileName))
    }
}
