import AccessPolicy
import Cryptography
import Domain
import Registry
import Synchronization

@testable import isthmus

/// A configuration that is right in every part, in memory; a test spoils one part and reads what is said.
struct ConfigurationFixture {
    /// 2026-11-21T06:00:00Z.
    static let now = Timestamp(seconds: 1_795_240_800)

    var files: [String: SourceFiles.Content]
    /// What the data directory holds; `nil` when it cannot be read.
    var savedBuses: [SourceFiles.SavedBus]? = []

    init() throws {
        let gateway = try Self.authority("gateway.example")
        let acme = try Self.authority("acme.example")
        let key = try PrivateKey.generate(.ecdsaP256)
        let server = try gateway.issueServer(
            dnsNames: ["localhost"], addresses: [], name: "localhost", key: try key.publicKey(),
            validity: try Self.period(days: 30), random: .system)
        let list = try acme.revocationList(revoked: [], number: 1, validity: try Self.period(days: 7))
        files = [
            "etc/server.pem": Self.content(try server.pem()),
            "etc/server.key": SourceFiles.Content(bytes: try key.pem(), mode: 0o600),
            "etc/acme.pem": Self.content(try acme.certificate.pem()),
            "etc/acme.crl": Self.content(try list.pem()),
            "etc/accounts/globex.yaml": Self.content(
                """
                account: 444455556666
                principals:
                  - name: role/publisher
                    policies: [publisher.json, {Version: 2012-10-17, Statement: {Effect: Deny, Action: "*", Resource: "*"}}]
                """),
            "etc/accounts/notes.txt": Self.content("not an account"),
            "etc/accounts/publisher.json": Self.content(
                #"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#),
        ]
        self["etc/isthmus.yaml"] = Self.document(pin: acme.certificate.publicKeyFingerprint.hexadecimal)
    }

    subscript(path: String) -> String {
        get { String(decoding: files[path]?.bytes ?? [], as: UTF8.self) }
        set { files[path] = Self.content(newValue) }
    }

    /// Replaces text of the main file, which must hold it.
    mutating func replace(_ text: String, _ other: String) {
        precondition(self["etc/isthmus.yaml"].contains(text), "the fixture lacks `\(text)`")
        self["etc/isthmus.yaml"] = self["etc/isthmus.yaml"].replacing(text, with: other)
    }

    func load(
        now: Timestamp = Self.now, grantSteps: Int = GrantSides.mostSteps
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        let files = files
        let savedBuses = savedBuses
        let source = SourceFiles(
            read: { (path, maximum) throws(SourceFiles.Failure) in
                guard let content = files[path] else { throw .missing }
                guard content.bytes.count <= maximum else { throw .tooLarge(maximumBytes: maximum) }
                return content
            },
            list: { (directory) throws(SourceFiles.Failure) in
                let names = files.keys.filter { $0.hasPrefix(directory + "/") }.map {
                    String($0.dropFirst(directory.count + 1))
                }
                if names.isEmpty { throw .missing }
                return names.filter { !$0.contains("/") }
            },
            savedBuses: { (directory) throws(ControlStoreError) in
                guard directory == "/srv/data", let savedBuses else { throw .unreadable(reason: "\(directory) is shut") }
                return savedBuses
            })
        return try ConfigurationLoader.load(
            "etc/isthmus.yaml", from: source, now: now, workingDirectory: "/srv", grantSteps: grantSteps)
    }

    /// What is said about the configuration, an error a line, without warnings.
    func complaints() -> [String] {
        do throws(ConfigurationErrors) {
            _ = try load()
            return []
        } catch {
            return error.diagnostics.map(\.description)
        }
    }

    static func content(_ text: String) -> SourceFiles.Content { content(Array(text.utf8)) }
    static func content(_ bytes: [UInt8]) -> SourceFiles.Content { SourceFiles.Content(bytes: bytes, mode: 0o644) }

    static func authority(_ name: String) throws -> CertificateAuthority {
        try CertificateAuthority.root(
            name: name, pathLength: 0, key: try .generate(.ecdsaP256), validity: try period(days: 365), random: .system)
    }

    static func period(days: Int64) throws -> ValidityPeriod {
        try ValidityPeriod(notBefore: now.seconds - 60, notAfter: now.seconds + days * 86_400)
    }

    private static func document(pin: String) -> String {
        """
        region: eu-central-1
        dataDirectory: ../data
        durability: {synchronous: full}
        limits: {idleSeconds: 5}
        listeners:
          - id: vpce-a1
            address: 127.0.0.1
            port: 8443
            certificate: server.pem
            privateKey: server.key
            networks: [127.0.0.0/8]
        admin: {port: 9443}
        trustDomains:
          - name: acme.example
            bundle: acme.pem
            issuerPins: [\(pin)]
            revocationLists: [acme.crl]
            accounts: [111122223333]
        accounts: accounts/*.yaml
        buses:
          - {account: "444455556666", name: orders, tags: {team: a}}
        """
    }
}
