import Cryptography
import Domain
import Foundation
import Registry
import Testing

@testable import isthmus

@Suite struct AuthorityDirectoryTests {
    /// A directory of its own for each test, gone afterwards.
    final class Place {
        let path = FileManager.default.temporaryDirectory.appending(path: "isthmus-\(UUID().uuidString)")
            .path(percentEncoded: false)

        deinit { _ = Result { try FileManager.default.removeItem(atPath: path) } }

        func authority(at now: Timestamp = ConfigurationFixture.now) -> AuthorityDirectory {
            AuthorityDirectory(path: path, files: .system, clock: WallClock { now }, random: .system)
        }

        func found() throws -> Digest {
            try authority().found(
                trustDomain: "acme.example", lifetime: Lifetime(seconds: 86_400 * 365),
                listLifetime: Lifetime(seconds: 3600))
        }

        func onboarding(_ pin: Digest) throws -> Configuration.Onboarding {
            let pem = LoadedFile(
                path: path + "/ca.pem", bytes: try SourceFiles.system.read(path + "/ca.pem", 1 << 16).bytes)
            return Configuration.Onboarding(
                authority: path, trustDomain: "acme.example", certificate: pem, listener: "vpce-open", pin: pin,
                endpoint: "https://events.example.com", bundle: pem, certificateSeconds: 3600)
        }

        func list() throws -> CertificateRevocationList {
            try CertificateRevocationList.lists(try SourceFiles.system.read(path + "/crl.pem", 1 << 20).bytes)[0]
        }

        /// Whether the list has an entry for a serial number: in its DER the bytes stand behind their tag and length.
        func listed(_ serial: String) throws -> Bool {
            let lines = String(decoding: try SourceFiles.system.read(path + "/crl.pem", 1 << 20).bytes, as: UTF8.self)
                .split(separator: "\n").filter { !$0.hasPrefix("-") }
            let der = try #require(Data(base64Encoded: lines.joined()))
            let number = try #require(Hexadecimal.bytes(serial.utf8))
            return der.range(of: Data([0x02, UInt8(number.count)] + number)) != nil
        }
    }

    private static let account = AccountID(unchecked: 111_122_223_333)

    @Test("a new authority keeps its key to itself and signs an empty revocation list")
    func founds() throws {
        let place = Place()
        let pin = try place.found()
        let key = try SourceFiles.system.read(place.path + "/ca.key", 1 << 16)
        let certificate = try Certificate.certificates(
            pem: try SourceFiles.system.read(place.path + "/ca.pem", 1 << 16).bytes)[0]
        #expect(key.mode == 0o600)
        #expect(certificate.publicKeyFingerprint == pin)
        #expect(certificate.usage.pathLength == 0)
        #expect(try place.list().isSigned(by: certificate))
        #expect(try place.list().count == 0)
    }

    @Test("an authority that is there is not overwritten")
    func keepsExisting() throws {
        let place = Place()
        let pin = try place.found()
        #expect(throws: ProgramError.self) { try place.found() }
        #expect(try place.authority().pin() == pin)
    }

    @Test("a principal's certificate carries its SPIFFE id and lives as long as asked")
    func issues() throws {
        let place = Place()
        _ = try place.found()
        let issued = try place.authority().issuePrincipal(
            "role/team/publisher", account: Self.account, lifetime: Lifetime(seconds: 3600), to: OutputPlace())
        let certificate = try Certificate.certificates(
            pem: try SourceFiles.system.read(issued.certificatePath, 1 << 16).bytes)[0]
        let uri = "spiffe://acme.example/account/111122223333/role/team/publisher"
        #expect(certificate.names.uris == [Array(uri.utf8)])
        #expect(certificate.notAfter == ConfigurationFixture.now.seconds + 3600)
        #expect(issued.certificatePath == place.path + "/issued/role-team-publisher.pem")
        #expect(try SourceFiles.system.read(try #require(issued.keyPath), 1 << 16).mode == 0o600)
        #expect(try place.authority().index().issued.map(\.name) == [uri])
    }

    @Test("a certificate whose files are there already is not issued, and the index does not say so")
    func issuesOnce() throws {
        let place = Place()
        _ = try place.found()
        func issue() throws -> AuthorityDirectory.Issued {
            try place.authority().issuePrincipal(
                "user/me", account: Self.account, lifetime: Lifetime(seconds: 60), to: OutputPlace())
        }
        let first = try issue()
        #expect(throws: ProgramError.self) { try issue() }
        #expect(try place.authority().index().issued.map(\.serial) == [first.serial])
    }

    @Test("an authority whose key others may read does nothing")
    func exposedKey() throws {
        let place = Place()
        _ = try place.found()
        #expect(chmod(place.path + "/ca.key", 0o640) == 0)
        do {
            try place.authority().renewList(lifetime: Lifetime(seconds: 3600))
            Issue.record("a key that others may read was used")
        } catch {
            #expect("\(error)".contains("run `chmod 600 \(place.path)/ca.key`"))
        }
    }

    @Test("a second name of the key that a kill left is gone after the next verb, whichever it is")
    func leftoverKey() throws {
        let place = Place()
        _ = try place.found()
        let (key, leftover) = (place.path + "/ca.key", place.path + "/ca.key.new")
        let verbs: [() throws -> Void] = [
            { try place.authority().renewList(lifetime: Lifetime(seconds: 3600)) },
            { #expect(throws: ProgramError.self) { try place.found() } },
        ]
        for verb in verbs {
            #expect(link(key, leftover) == 0)
            try verb()
            #expect(access(leftover, F_OK) != 0 && access(key, F_OK) == 0)
        }
    }

    @Test("a second name of a partner's key that a kill left is gone when the partner goes on")
    func leftoverPartnerKey() throws {
        let place = Place()
        let partner = PartnerDirectory(path: place.path)
        func key() throws -> Digest {
            try partner.locked(isNew: true) { () throws(ProgramError) in try partner.makeKey() }.publicKey().fingerprint
        }
        let made = try key()
        #expect(link(partner.keyPath, partner.keyPath + ".new") == 0)
        #expect(try key() == made)
        #expect(access(partner.keyPath + ".new", F_OK) != 0)
    }

    @Test(
        "where the file system knows no links a file is renamed to its place, and never over another",
        arguments: [EPERM, EOPNOTSUPP, ENOSYS])
    func withoutLinks(number: Int32) throws {
        let place = Place()
        try DurableFile.makeDirectory(place.path)
        let draft = DurableFile.Draft(path: place.path + "/a", bytes: [1], mode: 0o600)
        func put(_ byte: UInt8) throws {
            try Data([byte]).write(to: URL(fileURLWithPath: draft.temporary))
            try DurableFile.place(draft) { _, _ in
                errno = number
                return -1
            }
        }
        try put(1)
        #expect(access(draft.temporary, F_OK) != 0)
        #expect { try put(2) } throws: { "\($0)".contains("is there already: it was left alone") }
        #expect(try SourceFiles.system.read(draft.path, 9).bytes == [1])
    }

    @Test("with a signing request no key is written")
    func requests() throws {
        let place = Place()
        _ = try place.found()
        let key = try PrivateKey.generate(.ecdsaP256)
        let request = try CertificateSigningRequest(name: "mine", key: key)
        try DurableFile.write(request.pem, to: place.path + "/mine.csr", mode: 0o644, replacing: false)
        let issued = try place.authority().issuePrincipal(
            "user/me", account: Self.account, lifetime: Lifetime(seconds: 60),
            to: OutputPlace(prefix: place.path + "/mine", request: place.path + "/mine.csr"))
        #expect(issued.keyPath == nil)
        let certificate = try Certificate.certificates(
            pem: try SourceFiles.system.read(issued.certificatePath, 1 << 16).bytes)[0]
        #expect(certificate.publicKeyFingerprint == (try key.publicKey().fingerprint))
    }

    @Test("a revoked certificate is in the next list, whose number grows, and stays in the ones after")
    func revokes() throws {
        let place = Place()
        _ = try place.found()
        let issued = try place.authority().issuePrincipal(
            "user/me", account: Self.account, lifetime: Lifetime(seconds: 60), to: OutputPlace())
        let certificate = try Certificate.certificates(
            pem: try SourceFiles.system.read(issued.certificatePath, 1 << 16).bytes)[0]
        #expect(try place.list().revokes(certificate) == false)
        #expect(try place.authority().revoke(serial: issued.serial, listLifetime: Lifetime(seconds: 3600)))
        #expect(try place.list().revokes(certificate))
        let later = Timestamp(seconds: ConfigurationFixture.now.seconds + 100)
        try place.authority(at: later).renewList(lifetime: Lifetime(seconds: 3600))
        #expect(try place.list().revokes(certificate))
        #expect(try place.list().number == [3])
        #expect(try place.authority().index().issued[0].revokedAt == ConfigurationFixture.now.seconds)
    }

    @Test("a serial of another tool is revoked, and told from one that was issued here")
    func revokesForeign() throws {
        let place = Place()
        _ = try place.found()
        let isKnown = try place.authority().revoke(serial: "0123", listLifetime: Lifetime(seconds: 3600))
        #expect(!isKnown)
        #expect(try place.list().count == 1)
    }

    @Test("where there is no authority, each verb says how one is made")
    func absent() {
        let place = Place()
        let life = Lifetime(seconds: 3600)
        for verb: () throws -> Void in [
            { _ = try place.authority().revoke(serial: "0123", listLifetime: life) },
            { try place.authority().renewList(lifetime: life) },
            { _ = try place.authority().pin() },
            {
                _ = try place.authority().issuePrincipal(
                    "role/a", account: Self.account, lifetime: life, to: OutputPlace())
            },
        ] {
            #expect { try verb() } throws: { "\($0)".contains("isthmus pki init") }
        }
        #expect(access(place.path, F_OK) != 0)
    }

    @Test(
        "what names no principal is refused",
        arguments: ["publisher", "role/", "group/a", "role/a//b", "role/../b", "role/a b", "role/é"])
    func refusesPrincipal(name: String) throws {
        let place = Place()
        _ = try place.found()
        #expect(throws: ProgramError.self) {
            try place.authority().issuePrincipal(
                name, account: Self.account, lifetime: Lifetime(seconds: 60), to: OutputPlace())
        }
    }

    @Test("a server certificate lives at most its ninety days, a leaf no longer than its authority")
    func lifetimes() throws {
        let place = Place()
        _ = try place.found()
        #expect(throws: ProgramError.self) {
            try place.authority().issueServer(
                names: ["a.example"], addresses: [], lifetime: Lifetime(seconds: 90 * 86_400), to: OutputPlace())
        }
        #expect(throws: ProgramError.self) {
            try place.authority().issuePrincipal(
                "role/a", account: Self.account, lifetime: Lifetime(seconds: 366 * 86_400), to: OutputPlace())
        }
        #expect(throws: Never.self) {
            try place.authority().issueServer(
                names: ["a.example"], addresses: [], lifetime: Lifetime(seconds: 89 * 86_400), to: OutputPlace())
        }
    }

    @Test("an index whose last line was cut off by a power cut is read; one with a broken line is not")
    func cutIndex() throws {
        let whole = IssuanceIndex.founded(trustDomain: "a.example", at: ConfigurationFixture.now) + [0x0A]
        #expect(try IssuanceIndex(reading: whole + Array("{\"act\":".utf8), file: "i").trustDomain == "a.example")
        #expect(throws: ProgramError.self) { try IssuanceIndex(reading: Array("{\"act\":\n".utf8) + whole, file: "i") }
    }

    @Test(
        "spans of time are read as operators write them",
        arguments: [
            ("90s", Int64(90)), ("30m", 1800), ("24h", 86_400), ("7d", 604_800), ("0d", nil), ("7", nil), ("-1d", nil),
            ("99999999d", nil), ("9223372036854775807d", nil),
        ])
    func lifetimeText(text: String, seconds: Int64?) {
        #expect(Lifetime(argument: text)?.seconds == seconds)
    }

    @Test("gateways that share an authority each know their own certificates, and an operator's are nobody's")
    func shared() throws {
        let place = Place()
        let pin = try place.found()
        let settings = try place.onboarding(pin)
        let clock = WallClock { ConfigurationFixture.now }
        let gateways = ["a", "b"].map { PartnerAuthority(settings, gateway: $0, clock: clock) }
        let key = try PrivateKey.generate(.ecdsaP256).publicKey()
        let uri = "spiffe://acme.example/account/\(Self.account)/role/x"
        let serials = try gateways.map { try $0.issue(uri, key).serial }
        _ = try place.authority().issuePrincipal(
            "role/own", account: Self.account, lifetime: Lifetime(seconds: 3600), to: OutputPlace())
        for (gateway, serial) in zip(gateways, serials) { #expect(try gateway.standing() == [serial]) }
        #expect(try PartnerAuthority(settings, clock: clock).standing().isEmpty)
        #expect(try gateways[0].withdraw([serials[0]]))
        #expect(try gateways[0].standing().isEmpty)
        #expect(try gateways[1].standing() == [serials[1]])
        let later = WallClock { ConfigurationFixture.now.advanced(bySeconds: 3600) }
        #expect(try PartnerAuthority(settings, gateway: "b", clock: later).standing().isEmpty, "what ran out is over")
    }

    @Test("a gateway that issued many certificates renews the list, and with it the index, before they are due")
    func manyIssued() throws {
        let place = Place()
        let pin = try place.found()
        let settings = try place.onboarding(pin)
        let gateway = PartnerAuthority(
            settings, gateway: "a", clock: WallClock { ConfigurationFixture.now }, issuedPerList: 3)
        let key = try PrivateKey.generate(.ecdsaP256).publicKey()
        var renewed: [Bool] = []
        for _ in 0..<6 {
            _ = try gateway.issue("spiffe://acme.example/account/\(Self.account)/role/x", key)
            renewed.append(try gateway.withdraw([]))
        }
        #expect(renewed == [false, false, true, false, false, true])
        #expect(try place.list().number == [3])
    }
}
