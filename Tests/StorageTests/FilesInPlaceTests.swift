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
