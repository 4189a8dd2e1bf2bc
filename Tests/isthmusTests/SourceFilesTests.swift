import Foundation
import Testing

@testable import isthmus

@Suite struct SourceFilesTests {
    private let place = AuthorityDirectoryTests.Place()

    @Test("a file at the limit is read with its mode, one past it, a directory and a missing one are not")
    func reads() throws {
        try DurableFile.makeDirectory(place.path)
        let file = place.path + "/a"
        try DurableFile.write(Array("0123456789".utf8), to: file, mode: 0o640, replacing: false)
        #expect(try SourceFiles.system.read(file, 10).bytes.count == 10)
        #expect(try SourceFiles.system.read(file, 10).mode == 0o640)
        #expect(throws: SourceFiles.Failure.tooLarge(maximumBytes: 9)) { try SourceFiles.system.read(file, 9) }
        #expect(throws: SourceFiles.Failure.notAFile) { try SourceFiles.system.read(place.path, 10) }
        #expect(throws: SourceFiles.Failure.missing) { try SourceFiles.system.read(file + "/b", 10) }
        #expect(throws: SourceFiles.Failure.missing) { try SourceFiles.system.list(place.path + "/none") }
        #expect(try SourceFiles.system.list(place.path) == ["a"])
    }

    @Test("a file is replaced only when that is asked for, and nothing is left beside it")
    func replaces() throws {
        try DurableFile.makeDirectory(place.path)
        let file = place.path + "/a"
        try DurableFile.write([1], to: file, mode: 0o600, replacing: false)
        #expect(throws: ProgramError.self) { try DurableFile.write([2], to: file, mode: 0o600, replacing: false) }
        #expect(try SourceFiles.system.read(file, 10).bytes == [1])
        try DurableFile.write([2], to: file, mode: 0o600, replacing: true)
        #expect(try SourceFiles.system.read(file, 10).bytes == [2])
        #expect(try SourceFiles.system.list(place.path) == ["a"])
    }

    @Test(
        "paths are seen from the file they stand in",
        arguments: [
            ("a.pem", "etc/c.yaml", "/srv/etc/a.pem"), ("/a.pem", "etc/c.yaml", "/a.pem"),
            ("../a", "etc/c.yaml", "/srv/a"), ("a", "c.yaml", "/srv/a"), ("../../../a", "/etc/c.yaml", "/a"),
        ])
    func paths(path: String, file: String, whole: String) {
        #expect(Path.absolute(Path.resolve(path, besides: file), workingDirectory: "/srv") == whole)
    }

    @Test(
        "a pattern of account files matches what it says",
        arguments: [
            ("a.yaml", "*.yaml", true), (".a.yaml", "*.yaml", false), ("a.yml", "*.yaml", false),
            ("prod-1.yaml", "prod-*.yaml", true), ("a.yaml", "a.yaml", true), (".yaml", "*.yaml", false),
            ("a-b-c", "a*b*c", true), ("a-c", "a*b*c", false), ("ab", "ab*b", false),
        ])
    func patterns(name: String, pattern: String, isMatch: Bool) {
        #expect(ConfigurationLoader.matches(name, pattern) == isMatch)
    }
}
