import Domain
import Testing

@testable import isthmus

@Suite struct ConfigurationTests {
    @Test("a right configuration is read whole, defaults filled in, paths seen from their own file")
    func readsAll() throws {
        let loaded = try ConfigurationFixture().load()
        let configuration = loaded.configuration
        #expect(loaded.warnings == [])
        #expect(configuration.region == "eu-central-1")
        #expect(configuration.partition == "aws")
        #expect(configuration.dataDirectory == "/srv/data")
        #expect(configuration.limits.idleSeconds == 5)
        #expect(configuration.limits.connections == 10_000)
        #expect(configuration.listeners.map(\.clientCertificate) == [.required])
        #expect(configuration.listeners[0].networks == [try #require(CIDRBlock(parsing: "127.0.0.0/8"))])
        #expect(configuration.admin.address == "127.0.0.1")
        #expect(configuration.trustDomains[0].accounts == [try #require(AccountID(parsing: "111122223333"))])
        #expect(configuration.buses[0].id.name.description == "orders")
        #expect(configuration.buses[0].tags == [.init(key: "team", value: "a")])
        #expect(configuration.logLevel == .info)
    }

    @Test("a policy may be a file or written in YAML, and both arrive as JSON")
    func readsPolicies() throws {
        let account = try ConfigurationFixture().load().configuration.accounts[0]
        #expect(account.principals[0].principal.arn == "arn:aws:iam::444455556666:role/publisher")
        let policies = account.principals[0].policies
        #expect(policies.map(\.origin) == ["etc/accounts/publisher.json", "etc/accounts/globex.yaml:4"])
        #expect(
            policies.map { String(decoding: $0.json, as: UTF8.self) } == Array(repeating: Self.policy, count: 2))
    }

    private static let policy =
        #"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#

    @Test("each mistake is one line with file, line and what to write instead", arguments: mistakes)
    func mistake(text: String, instead: String, complaint: String) throws {
        var fixture = try ConfigurationFixture()
        fixture.replace(text, instead)
        #expect(fixture.complaints() == ["etc/isthmus.yaml:" + complaint])
    }

    static let mistakes: [(String, String, String)] = [
        ("region:", "regoin: x\nregion:", "1: unknown key `regoin`: did you mean `region`?"),
        (
            "address: 127.0.0.1", "adress: 127.0.0.1\n    address: 127.0.0.1",
            "7: unknown key `adress` in `listeners[0]`: did you mean `address`?"
        ),
        (
            "port: 9443", "port: \"9443\"",
            "12: `admin.port` must be a whole number, found the text `9443`: write a number from 0 to 65535, "
                + "without quotes"
        ),
        ("port: 8443", "port: 65536", "8: `listeners[0].port` is 65536: write a number from 0 to 65535"),
        ("region: eu-central-1\n", "", "1: `region` is missing: write `region: eu-central-1`"),
        (
            "synchronous: full", "synchronous: normal",
            "3: `durability.synchronous` cannot be `normal`: an acknowledgement means durable and no setting "
                + "weakens it: write `synchronous: full` or remove the key"
        ),
        (
            "certificate: server.pem", "certificate: serve.pem",
            "9: `listeners[0].certificate`: cannot read `etc/serve.pem`: there is no such file: name a PEM "
                + "file with the certificate chain, leaf first"
        ),
        (
            "admin: {port: 9443}", "admin: {port: 9443, address: 0.0.0.0}",
            "12: `0.0.0.0` is not a loopback address: the admin listener has no authentication: write "
                + "`127.0.0.1` or `\"::1\"`"
        ),
        (
            "127.0.0.0/8", "127.0.0.1/8",
            "11: `127.0.0.1/8` is not a network: write one such as `10.0.0.0/8`, with zeros behind the prefix"
        ),
        (
            "[111122223333]", "[11112222333]",
            "18: `trustDomains[0].accounts[0]` is `11112222333`: an account id is exactly 12 digits, in quotes"
        ),
        (
            "port: 9443", "port: 8443",
            "6: `vpce-a1` and `admin` both listen on 127.0.0.1 port 8443: give one of them another port"
        ),
        (
            "\"444455556666\", name", "\"999999999999\", name",
            "21: account 999999999999 is not described: add a file for it to the accounts"
        ),
        (
            "accounts/*.yaml", "accounts/*.yml",
            "19: `accounts`: no file matches `etc/accounts/*.yml`: add one, see config/accounts/, or remove "
                + "the key"
        ),
        (
            "revocationLists: [acme.crl]", "revocationLists: []",
            "17: there is no revocation list of `CN=acme.example`: its certificates would all be refused: run "
                + "`isthmus pki crl` and name the file"
        ),
    ]

    @Test("every mistake of a file is said at once, in its order")
    func allAtOnce() throws {
        var fixture = try ConfigurationFixture()
        fixture.replace("port: 8443", "port: x")
        fixture.replace("name: orders", "name: \"a b\"")
        fixture.replace("idleSeconds: 5", "idleSeconds: 0")
        fixture["etc/accounts/globex.yaml"] = "account: 444455556666\nprincpals: []"
        let lines = fixture.complaints().map { $0.split(separator: " ").first.map(String.init) ?? "" }
        #expect(
            lines == [
                "etc/isthmus.yaml:4:", "etc/isthmus.yaml:8:", "etc/isthmus.yaml:21:", "etc/accounts/globex.yaml:2:",
            ])
    }

    @Test(
        "YAML that is broken is said with its line", arguments: [("region: [", 1), ("a: 1\na: 2", 1), ("a: b: c", 1)])
    func brokenYAML(text: String, line: Int) throws {
        var fixture = try ConfigurationFixture()
        fixture["etc/isthmus.yaml"] = text
        let complaints = fixture.complaints()
        #expect(complaints.count == 1)
        #expect(complaints[0].hasPrefix("etc/isthmus.yaml:"), "\(complaints)")
    }

    @Test("a key that others may read is refused", arguments: [UInt32(0o640), 0o604, 0o644, 0o660])
    func exposedKey(mode: UInt32) throws {
        var fixture = try ConfigurationFixture()
        let key = try #require(fixture.files["etc/server.key"])
        fixture.files["etc/server.key"] = SourceFiles.Content(bytes: key.bytes, mode: mode)
        #expect(fixture.complaints().contains { $0.contains("others may read `etc/server.key`") })
    }

    @Test(
        "a key that is pasted where its path belongs is not shown",
        arguments: ["|\n      ", "-----BEGIN KEY----- "], ["privateKey", "certificate", "policy"])
    func pastedKey(beginning: String, member: String) throws {
        var fixture = try ConfigurationFixture()
        let text = fixture["etc/isthmus.yaml"]
        let start = try #require(text.firstRange(of: "    port: 8443\n"))
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        lines.removeAll { $0.hasPrefix("    \(member): ") }
        let line = text[..<start.lowerBound].count { $0 == "\n" }
        lines.insert("    \(member): \(beginning)MC4CAQAwBQYDK2VwBCIEIsecret", at: line)
        if beginning.hasPrefix("|") { lines.insert("      -----END KEY-----", at: line + 1) }
        fixture["etc/isthmus.yaml"] = lines.joined(separator: "\n")
        let complaints = fixture.complaints()
        #expect(complaints.contains { $0.contains("`listeners[0].\(member)` is not the path of a file") })
        #expect(complaints.allSatisfy { !$0.contains("secret") }, "\(complaints)")
    }

    @Test("a key that is pasted where accounts or an authority are named is not shown", arguments: [0, 1])
    func pastedPlaces(form: Int) throws {
        let pasted = ["|\n    -----BEGIN KEY-----\n    MC4CAQAwsecret", "-----BEGIN KEY----- MC4CAQAwsecret"][form]
        for (key, text) in [("accounts", "accounts: \(pasted)"), ("authority", "onboarding:\n  authority: \(pasted)")] {
            var fixture = try ConfigurationFixture()
            fixture.replace("accounts: accounts/*.yaml", text)
            let complaints = fixture.complaints()
            #expect(complaints.contains { $0.contains("\(key)` is not the path of a file") }, "\(complaints)")
            #expect(complaints.allSatisfy { !$0.contains("secret") }, "\(complaints)")
        }
    }

    @Test("a path as long as the system takes is looked for, a longer one is none", arguments: [4094, 4095, 4096])
    func longestPath(count: Int) throws {
        var fixture = try ConfigurationFixture()
        let path = "/" + String(repeating: "x", count: count - 1)
        fixture.replace("privateKey: server.key", "privateKey: \(path)")
        let complaints = fixture.complaints()
        #expect(complaints.contains { $0.contains("cannot read `/x") } == (count <= 4095))
        let words = "`listeners[0].privateKey` is not the path of a file"
        #expect(complaints.contains { $0.contains(words) } == (count > 4095))
    }

    @Test("a key of another certificate is refused, and so is a pin of another authority")
    func strangers() throws {
        let other = try ConfigurationFixture()
        var fixture = try ConfigurationFixture()
        fixture.files["etc/server.key"] = other.files["etc/server.key"]
        fixture.files["etc/acme.pem"] = other.files["etc/acme.pem"]
        let complaints = fixture.complaints()
        #expect(complaints.contains { $0.contains("`etc/server.key` is not the key of `etc/server.pem`") })
        #expect(complaints.contains { $0.contains("is the key of no CA in `etc/acme.pem`") })
        #expect(complaints.contains { $0.contains("no CA of the bundle signed") })
    }

    @Test("certificates and lists past their time are warnings, for a restart must not make things worse")
    func staleFiles() throws {
        let later = Timestamp(seconds: ConfigurationFixture.now.seconds + 40 * 86_400)
        let warnings = try ConfigurationFixture().load(now: later).warnings.map(\.message)
        #expect(warnings.contains { $0.hasPrefix("`etc/server.pem` expired at ") })
        #expect(warnings.contains { $0.contains("is past its time: its certificates are refused") })
    }

    @Test("a revocation list past its time is said to count for its hour of grace, and not after it")
    func graceOfLists() throws {
        let due = ConfigurationFixture.now.seconds + 7 * 86_400
        let fixture = try ConfigurationFixture()
        func warning(_ seconds: Int64) throws -> String? {
            try fixture.load(now: Timestamp(seconds: due + seconds)).warnings.map(\.message).first {
                $0.hasPrefix("the revocation list")
            }
        }
        let end = Timestamp(seconds: due + 3600).iso8601
        let start = "the revocation list of `CN=acme.example` is past its time: its certificates are refused"
        #expect(try warning(0) == nil)
        #expect(try warning(1)?.hasPrefix("\(start) from \(end) on") == true)
        #expect(try warning(3600)?.hasPrefix("\(start) from \(end) on") == true)
        #expect(try warning(3601) == start)
    }

    @Test("what is in effect is printed as YAML that is read back alike, and no secret is in it")
    func effective() throws {
        var fixture = try ConfigurationFixture()
        let configuration = try fixture.load().configuration
        let text = configuration.effective
        #expect(!text.contains("BEGIN"))
        #expect(
            !"\(configuration)".contains("BEGIN") && !String(reflecting: configuration.listeners).contains("PRIVATE"))
        fixture["etc/isthmus.yaml"] = text.replacing("\"etc/", with: "\"") + "\naccounts: accounts/*.yaml\n"
        #expect(try fixture.load().configuration.effective == text)
    }

    @Test("a name with control characters stays on one line")
    func escapes() throws {
        var fixture = try ConfigurationFixture()
        fixture.replace("region: eu-central-1", "region: \"eu\\n\\e[31mcentral\"")
        let complaints = fixture.complaints()
        #expect(complaints.count == 1)
        #expect(complaints.allSatisfy { !$0.contains("\n") && !$0.contains("\u{1B}") })
    }

    @Test("an alias that multiplies itself is refused before anything is made of it")
    func aliasBomb() throws {
        var fixture = try ConfigurationFixture()
        let levels = (1..<12).map { level in
            "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]"
        }
        fixture["etc/accounts/globex.yaml"] =
            "account: 444455556666\nprincipals:\n  - name: role/a\n    policies:\n      - {a0: &a0 [x], "
            + levels.joined(separator: ", ") + "}"
        #expect(
            fixture.complaints().first
                == "etc/accounts/globex.yaml:5: a text that begins with `*` is an alias, and aliases are not taken: "
                + "write out what it stands for, and a text that begins with `*` in quotes")
    }
}
