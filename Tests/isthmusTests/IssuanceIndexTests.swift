import Cryptography
import Domain
import Glibc
import Registry
import Testing

@testable import isthmus

@Suite struct IssuanceIndexTests {
    private typealias Place = AuthorityDirectoryTests.Place
    private static let now = ConfigurationFixture.now
    private static let week = Lifetime(seconds: 7 * 86_400)

    private func issue(_ place: Place, _ name: String, seconds: Int64 = 3600) throws -> Certificate {
        let issued = try place.authority().issuePrincipal(
            "user/\(name)", account: AccountID(unchecked: 111_122_223_333), lifetime: Lifetime(seconds: seconds),
            to: OutputPlace())
        return try Certificate.certificates(
            pem: try SourceFiles.system.read(issued.certificatePath, 1 << 16).bytes)[0]
    }

    private func later(_ seconds: Int64) -> Timestamp { Self.now.advanced(bySeconds: seconds) }

    @Test("a revoked certificate leaves the list one list after its end, not before")
    func leaves() throws {
        let place = Place()
        _ = try place.found()
        let certificate = try issue(place, "me", seconds: 3600)
        _ = try place.authority().revoke(serial: certificate.serialHexadecimal, listLifetime: Self.week)
        let looks: [(Int64, Bool)] = [(3599, true), (3899, true), (3900, true), (3901, true), (3902, false)]
        for (seconds, isListed) in looks {
            try place.authority(at: later(seconds)).renewList(lifetime: Self.week)
            #expect(try place.list().revokes(certificate) == isListed, "\(seconds) s after the start")
        }
        #expect(try place.list().number == [7])
        #expect(try place.authority().index().issued[0].revokedAt == Self.now.seconds, "the index still says so")
    }

    @Test("a revocation that no list named yet is on the next one, however late it comes")
    func lateList() throws {
        let place = Place()
        _ = try place.found()
        let certificate = try issue(place, "me", seconds: 3600)
        let line = IssuanceIndex.revoked(serial: certificate.serialHexadecimal, at: Self.now)
        try place.authority(at: later(90_000)).renewList(lifetime: Self.week)
        try DurableFile.append(line: line, to: place.path + "/index.jsonl")
        #expect(try place.authority().index().awaitsList)
        try place.authority(at: later(90_001)).renewList(lifetime: Self.week)
        #expect(try place.list().revokes(certificate))
        try place.authority(at: later(90_002)).renewList(lifetime: Self.week)
        #expect(try place.list().count == 0)
    }

    @Test("a list that cannot be read, is another authority's or is of a time to come takes nothing off the next")
    func noListToGoBy() throws {
        let place = Place()
        let other = Place()
        _ = try place.found()
        _ = try other.found()
        let certificate = try issue(place, "me", seconds: 3600)
        _ = try place.authority().revoke(serial: certificate.serialHexadecimal, listLifetime: Self.week)
        let after = later(100_000)
        try place.authority(at: after).renewList(lifetime: Self.week)
        try other.authority(at: after).renewList(lifetime: Self.week)
        for _ in 0..<9 { try other.authority(at: after).renewList(lifetime: Self.week) }
        let foreign = try SourceFiles.system.read(other.path + "/crl.pem", 1 << 20).bytes
        for bytes in [foreign, Array("no list".utf8)] {
            try DurableFile.write(bytes, to: place.path + "/crl.pem", mode: 0o644, replacing: true)
            try place.authority(at: after).renewList(lifetime: Self.week)
            #expect(try place.list().revokes(certificate))
        }
        try place.authority(at: later(200)).renewList(lifetime: Self.week)
        #expect(try place.list().revokes(certificate), "a clock that was ahead and is mended")
    }

    @Test("a serial number of elsewhere leaves the list when its end is known, and stays for ever when it is not")
    func elsewhere() throws {
        let place = Place()
        _ = try place.found()
        func revoke(_ serial: String, _ end: Int64?) throws -> Bool {
            try place.authority().revoke(serial: serial, notAfter: end, listLifetime: Self.week)
        }
        #expect(try !revoke("0A01", Self.now.seconds + 60))
        #expect(try !revoke("0a02", nil))
        #expect(try !revoke("000a02", nil), "the same number again")
        #expect(try place.list().count == 2)
        for moment in [1000, 1001] { try place.authority(at: later(Int64(moment))).renewList(lifetime: Self.week) }
        #expect(try place.list().count == 1)
    }

    @Test("of several ends that a serial number of elsewhere was given the latest holds, and none is for ever")
    func laterEnd() throws {
        let place = Place()
        _ = try place.found()
        let here = try issue(place, "me", seconds: 60)
        let numbers = ["0a01", "0a02", "0a03"]
        func revoke(_ serial: String, _ end: Int64?, at seconds: Int64) throws {
            _ = try place.authority(at: later(seconds)).revoke(
                serial: serial, notAfter: end.map { Self.now.seconds + $0 }, listLifetime: Self.week)
        }
        let words: [(String, Int64?)] = [
            ("0a01", 60), ("0a01", 5000), ("0a01", 30), ("0a02", 60), ("0a02", nil), ("0a02", 60), ("0a03", 60),
            (here.serialHexadecimal, nil), (here.serialHexadecimal, 90_000),
        ]
        for (serial, end) in words { try revoke(serial, end, at: 0) }
        func standing() throws -> [Int64?] {
            try place.authority().index().revoked.map { $0.notAfter.map { $0 - Self.now.seconds } }
        }
        #expect(try standing() == [5000, nil, 60, 60])
        func listed(at seconds: Int64) throws -> [String] {
            try place.authority(at: later(seconds)).renewList(lifetime: Self.week)
            try place.authority(at: later(seconds + 1)).renewList(lifetime: Self.week)
            return try numbers.filter { try place.listed($0) }
        }
        #expect(try listed(at: 1000) == ["0a01", "0a02"])
        try revoke("0a03", 5000, at: 1002)
        #expect(try place.listed("0a03"), "it is on the list again")
        #expect(try listed(at: 6000) == ["0a02"])
        #expect(try !place.list().revokes(here))
    }

    @Test("a certificate that bears the authority's name and not its signature is not believed")
    func forged() throws {
        let place = Place()
        let other = Place()
        _ = try place.found()
        _ = try other.found()
        let own = try issue(place, "me")
        let forged = try issue(other, "me")
        let file = { (place: Place) in place.path + "/issued/user-me.pem" }
        #expect(try place.authority().certificate(toRevoke: file(place)) == own)
        #expect {
            try place.authority().certificate(toRevoke: file(other))
        } throws: { error in
            "\(error)".contains("not its key's signature")
                && "\(error)".contains("write `--serial \(forged.serialHexadecimal)`")
        }
    }

    /// An index of `count` certificates that ended long ago, of which every fourth was revoked, and two that did not.
    private func longIndex(_ place: Place, count: Int) throws -> [Certificate] {
        let kept = [try issue(place, "a", seconds: 200_000), try issue(place, "b", seconds: 200_000)]
        _ = try place.authority().revoke(serial: kept[1].serialHexadecimal, listLifetime: Self.week)
        var bytes = try SourceFiles.system.read(place.path + "/index.jsonl", 1 << 24).bytes
        for number in 1...count {
            let serial = Hexadecimal.text([0x7F, UInt8(number >> 8), UInt8(number & 0xFF)])
            bytes += IssuanceIndex.issued(
                serial: serial, name: "spiffe://x", notAfter: Self.now.seconds + 60, at: Self.now, gateway: "g")
            bytes.append(0x0A)
            if number.isMultiple(of: 4) { bytes += IssuanceIndex.revoked(serial: serial, at: Self.now) + [0x0A] }
        }
        try DurableFile.write(bytes, to: place.path + "/index.jsonl", mode: 0o600, replacing: true)
        return kept
    }

    @Test("an index most of which is over is written anew, and says the same of all that is not")
    func compacts() throws {
        let place = Place()
        _ = try place.found()
        let kept = try longIndex(place, count: 2000)
        try place.authority(at: later(100_000)).renewList(lifetime: Self.week)
        #expect(try place.list().count == 501)
        #expect(try place.authority().index().issued.count == 502, "what a list still names stays")
        try place.authority(at: later(100_001)).renewList(lifetime: Self.week)
        let index = try place.authority().index()
        #expect(try place.list().count == 1 && place.list().revokes(kept[1]))
        #expect(index.trustDomain == "acme.example" && index.listNumber == 4)
        #expect(try place.list().number == [4])
        #expect(!index.awaitsList)
        try place.authority(at: later(100_002)).renewList(lifetime: Self.week)
        #expect(try place.list().revokes(kept[1]) && !place.list().revokes(kept[0]))
        #expect(try SourceFiles.system.read(place.path + "/index.jsonl", 1 << 24).mode == 0o600)
    }

    @Test("an index is left as it is until enough certificates are over", arguments: [(1364, 1366), (1365, 343)])
    func leastOver(count: Int, kept: Int) throws {
        let place = Place()
        _ = try place.found()
        _ = try longIndex(place, count: count)
        // A fourth is revoked and still on the list.
        #expect((count - count / 4 >= IssuanceIndex.leastOver) == (kept < count))
        try place.authority(at: later(100_000)).renewList(lifetime: Self.week)
        #expect(try place.authority().index().issued.count == kept)
    }

    @Test("a clock that was ahead when two lists were made has no revocation forgotten")
    func clockAhead() throws {
        let place = Place()
        _ = try place.found()
        let serials = (1...1100).map { Hexadecimal.text([0x7E, UInt8($0 >> 8), UInt8($0 & 0xFF)]) }
        var bytes = try SourceFiles.system.read(place.path + "/index.jsonl", 1 << 20).bytes
        for serial in serials {
            bytes += IssuanceIndex.revoked(serial: serial, notAfter: Self.now.seconds + 200_000, at: Self.now) + [0x0A]
        }
        try DurableFile.write(bytes, to: place.path + "/index.jsonl", mode: 0o600, replacing: true)
        func renew(at moments: Int64...) throws {
            for moment in moments { try place.authority(at: later(moment)).renewList(lifetime: Self.week) }
        }
        try renew(at: 0, 300_000, 300_001)
        #expect(try !place.listed(serials[0]), "the second list of a time to come")
        #expect(try place.authority().index().revoked.map(\.serial) == serials)
        try renew(at: 10)
        #expect(try place.list().count == serials.count)
        try renew(at: 300_002, 300_003)
        #expect(try place.authority().index().revoked.count == serials.count, "they leave the list in this run")
        try renew(at: 300_004)
        #expect(try place.authority().index().revoked.isEmpty)
    }

    @Test("an end as late as a number can say is no end")
    func latestEnd() throws {
        let place = Place()
        _ = try place.found()
        for end in [Int64.max, .max - 300, .min] {
            _ = try place.authority().revoke(serial: "0a01", notAfter: end, listLifetime: Self.week)
        }
        for moment in [1000, 1001] as [Int64] { try place.authority(at: later(moment)).renewList(lifetime: Self.week) }
        #expect(try place.listed("0a01"))
    }

    @Test(
        "a list and an index that root writes anew stay the files of who owned them",
        .enabled(if: geteuid() == 0, "only root may give a file away"))
    func keepsOwner() throws {
        let place = Place()
        _ = try place.found()
        _ = try longIndex(place, count: 2000)
        let files = [("/crl.pem", UInt32(0o644)), ("/index.jsonl", 0o600)]
        for (file, _) in files { #expect(chown(place.path + file, 65_534, 65_533) == 0) }
        try place.authority(at: later(100_000)).renewList(lifetime: Self.week)
        #expect(try place.authority().index().issued.count == 502, "the index was written anew")
        for (file, mode) in files {
            var facts = stat()
            #expect(stat(place.path + file, &facts) == 0)
            #expect((facts.st_uid, facts.st_gid) == (65_534, 65_533), "\(file)")
            #expect(facts.st_mode & 0o7777 == mode, "\(file)")
        }
    }

    @Test("half a line that a power cut or a full disk left never counts and is gone with the next line")
    func tornLine() throws {
        let place = Place()
        _ = try place.found()
        let certificate = try issue(place, "me")
        let file = place.path + "/index.jsonl"
        let whole = try SourceFiles.system.read(file, 1 << 20).bytes
        let line = IssuanceIndex.revoked(serial: certificate.serialHexadecimal, at: Self.now)
        for cut in [1, line.count / 2, line.count - 1] {
            try DurableFile.write(whole + line[..<cut], to: file, mode: 0o600, replacing: true)
            #expect(try place.authority().index().revoked.isEmpty)
            try place.authority().renewList(lifetime: Self.week)
            let healed = try SourceFiles.system.read(file, 1 << 20).bytes
            #expect(Array(healed.prefix(whole.count)) == whole && healed.last == 0x0A)
            #expect(healed.count { $0 == 0x0A } == whole.count { $0 == 0x0A } + 1)
        }
        let long = [UInt8](repeating: 0x20, count: 10_000)
        try DurableFile.write(whole + long, to: file, mode: 0o600, replacing: true)
        try place.authority().renewList(lifetime: Self.week)
        #expect(try place.authority().index().issued.count == 1)
    }

    @Test("a whole last line that lacks its line feed counts, and gets it before the next line")
    func lineWithoutFeed() throws {
        let place = Place()
        _ = try place.found()
        let certificate = try issue(place, "me")
        let file = place.path + "/index.jsonl"
        let whole = try SourceFiles.system.read(file, 1 << 20).bytes
        let line = IssuanceIndex.revoked(serial: certificate.serialHexadecimal, at: Self.now)
        try DurableFile.write(whole + line, to: file, mode: 0o600, replacing: true)
        #expect(try place.authority().index().revoked.map(\.serial) == [certificate.serialHexadecimal])
        try place.authority().renewList(lifetime: Self.week)
        #expect(try place.list().revokes(certificate))
        let listed = IssuanceIndex.listed(number: 2, at: Self.now)
        #expect(try SourceFiles.system.read(file, 1 << 20).bytes == whole + line + [0x0A] + listed + [0x0A])
        let alone = IssuanceIndex.founded(trustDomain: "a.example", at: Self.now)
        #expect(try IssuanceIndex(reading: alone, file: "i").trustDomain == "a.example")
        #expect(try IssuanceIndex(reading: Array("7".utf8), file: "i").acts.isEmpty, "not an act")
    }

    @Test("the gateway writes a list again when a power cut came between its index and its list")
    func cutShort() throws {
        let place = Place()
        _ = try place.found()
        let certificate = try issue(place, "me")
        #expect(try !place.authority().withdraw([], listLifetime: Self.week).isChanged)
        let revoked = IssuanceIndex.revoked(serial: certificate.serialHexadecimal, at: Self.now)
        try DurableFile.append(line: revoked, to: place.path + "/index.jsonl")
        #expect(try place.authority().withdraw([], listLifetime: Self.week).isChanged)
        #expect(try place.list().revokes(certificate))
        let listed = IssuanceIndex.listed(number: 9, at: Self.now)
        try DurableFile.append(line: listed, to: place.path + "/index.jsonl")
        #expect(try place.authority().withdraw([], listLifetime: Self.week).isChanged)
        #expect(try place.list().number == [10])
        #expect(try !place.authority().withdraw([certificate.serialHexadecimal], listLifetime: Self.week).isChanged)
    }
}
