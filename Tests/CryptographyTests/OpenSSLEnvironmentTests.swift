import Foundation
import Testing

@testable import Cryptography

@Suite("What openssl.cnf asks for")
struct OpenSSLEnvironmentTests {
    private func providers(_ text: String, isNamed: Bool = true) throws -> [String] {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).cnf")
        defer { do { try FileManager.default.removeItem(at: file) } catch { Issue.record(error) } }
        try Data(text.utf8).write(to: file)
        return try OpenSSLEnvironment.activatedProviders(in: file.path, isNamed: isNamed)
    }

    @Test("providers count that are activated, by their identity, unless a failure was said to be all right")
    func activated() throws {
        let text = """
            openssl_conf = start
            [start]
            providers = all
            [all]
            default = plain
            1.fips = validated
            other = named
            idle = untouched
            zero = valued
            soft = excused
            absent = never-written
            [plain]
            activate = 1
            [validated]
            activate = 1
            [named]
            identity = pkcs11
            x.activate = 1
            [untouched]
            module = /nowhere.so
            [valued]
            activate = 0
            [excused]
            activate = 1
            soft_load = 1
            """
        #expect(try providers(text) == ["default", "fips", "pkcs11", "zero", "absent"])
    }

    @Test("a configuration without providers, an empty one and none at all ask for nothing")
    func nothing() throws {
        #expect(try providers("") == [])
        #expect(try providers("openssl_conf = start\n[start]\nalg_section = other\n") == [])
        #expect(try OpenSSLEnvironment.activatedProviders(in: "", isNamed: true) == [])
        #expect(try OpenSSLEnvironment.activatedProviders(in: "/nowhere/openssl.cnf", isNamed: false) == [])
    }

    @Test("a file that was named and is not there, or does not parse, is refused with its line")
    func unreadable() throws {
        let nowhere = "/nowhere/openssl.cnf"
        #expect(throws: CryptographyError.configurationUnreadable(path: nowhere, line: 0, isNamed: true)) {
            try OpenSSLEnvironment.activatedProviders(in: nowhere, isNamed: true)
        }
        for text in ["openssl_conf = start\n", "openssl_conf = start\n[start]\nproviders = absent\n"] {
            #expect(throws: CryptographyError.self) { try providers(text) }
        }
        for isNamed in [false, true] {
            do {
                _ = try providers("openssl_conf = start\n[start\nx = 1\n", isNamed: isNamed)
                Issue.record("half a section was taken")
            } catch let error as CryptographyError {
                guard case .configurationUnreadable(_, let line, isNamed) = error else { throw error }
                #expect(line == 2)
                let advice = isNamed ? "mend it, or unset OPENSSL_CONF" : "mend it"
                #expect("\(error)".hasSuffix("cannot be read, line 2: \(advice)"))
            }
        }
    }

    @Test("this machine's own configuration stands")
    func standing() {
        #expect(throws: Never.self) { try OpenSSLEnvironment.require() }
    }
}
