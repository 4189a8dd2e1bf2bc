import AccessPolicy
import Domain

/// A configuration that was accepted, with what its operator should know.
struct LoadedConfiguration: Sendable {
    let configuration: Configuration
    let warnings: [Diagnostic]
}

/// Reads a configuration and everything it names. Either the whole is right or nothing of it is used.
struct ConfigurationLoader {
    let files: SourceFiles
    let findings: Findings
    /// The present moment, for certificates and revocation lists that are past theirs.
    let now: Timestamp
    let workingDirectory: String
    /// What the comparison of grants may cost: `GrantSides.mostSteps` but in tests.
    let grantSteps: Int
    /// What `policies.compat` says.
    private(set) var policyCompatibility = PolicyReview.Compatibility.strict
    /// What the policy of a bus is held to.
    private(set) var busPolicyLimits = PolicyLimits.default

    /// The largest YAML file that is read: what some ten thousand principals need.
    static let maximumDocumentBytes = 4 * 1024 * 1024
    /// The largest PEM file of certificates or key. A chain of four is below 10 KB.
    static let maximumCertificateBytes = 1024 * 1024
    /// The longest path. Source: limits.h, `PATH_MAX`.
    static let maximumPathBytes = 4095
    /// The largest revocation list: above a million entries. Source: THREATS T9 asks for 100,000.
    static let maximumRevocationListBytes = 64 * 1024 * 1024

    static let keys = [
        "region", "partition", "dataDirectory", "durability", "limits", "listeners", "admin", "trustDomains",
        "accounts", "organizations", "onboarding", "partners", "policies", "buses", "webhooks", "decisions", "quotas",
        "crossRegionRoutes", "log", "threads",
    ]

    /// Reads `file` and every file it leads to.
    ///
    /// - Throws: everything that is wrong, at once.
    static func load(
        _ file: String, from files: SourceFiles, now: Timestamp, workingDirectory: String,
        grantSteps: Int = GrantSides.mostSteps
    ) throws(ConfigurationErrors) -> LoadedConfiguration {
        let findings = Findings()
        var loader = ConfigurationLoader(
            files: files, findings: findings, now: now, workingDirectory: workingDirectory, grantSteps: grantSteps)
        let configuration = loader.readConfiguration(file)
        guard findings.errors.isEmpty, let configuration else {
            throw ConfigurationErrors(diagnostics: findings.errors)
        }
        return LoadedConfiguration(configuration: configuration, warnings: findings.warnings)
    }

    /// Reads only where the data directory is: for the verbs that speak to a running gateway, whose other files may
    /// have changed since.
    static func dataDirectory(
        of file: String, from files: SourceFiles, workingDirectory: String
    ) throws(ConfigurationErrors) -> String {
        let findings = Findings()
        let loader = ConfigurationLoader(
            files: files, findings: findings, now: Timestamp(seconds: 0), workingDirectory: workingDirectory,
            grantSteps: 0)
        let root = loader.readDocument(file, namedAt: nil)?.mapping(keys)
        if let directory = root?.required("dataDirectory", "/var/lib/isthmus")?.text() {
            return Path.absolute(Path.resolve(directory, besides: file), workingDirectory: workingDirectory)
        }
        throw ConfigurationErrors(diagnostics: findings.errors)
    }

    private mutating func readConfiguration(_ file: String) -> Configuration? {
        guard let document = readDocument(file, namedAt: nil), let root = document.mapping(Self.keys) else {
            return nil
        }
        let region = readRegion(root.required("region", "eu-central-1"))
        let partition = readPartition(root["partition"])
        let dataDirectory = root.required("dataDirectory", "/var/lib/isthmus")?.text()
        checkDurability(root["durability"])
        policyCompatibility = readPolicyCompatibility(root["policies"])
        let limits = readLimits(root["limits"])
        busPolicyLimits = PolicyLimits(characters: limits.policyCharacters)
        let listeners = readListeners(root.required("listeners", "[…]"))
        let admin = readAdmin(root.required("admin", "{address: 127.0.0.1, port: 9443}"))
        let trustDomains = readTrustDomains(root["trustDomains"], region: region)
        let organizations = readOrganizations(root["organizations"])
        let onboarding = readOnboarding(root["onboarding"], listeners: listeners, trustDomains: trustDomains)
        let accounts = readAccounts(root["accounts"], partition: partition)
        let partners = readPartners(root["partners"])
        let buses = readBuses(root["buses"], accounts: accounts)
        let webhooks = readWebhooks(root["webhooks"])
        let decisions = readDecisions(root["decisions"])
        let senderQuotas = readQuotas(root["quotas"])
        let routes = readCrossRegionRoutes(root["crossRegionRoutes"], region: region, accounts: accounts)
        let logLevel = readLogLevel(root["log"])
        let threads = root["threads"]?.integer(in: 1...1024)
        guard let region, let dataDirectory, let admin, let listeners else { return nil }
        checkPlaces(listeners, admin, at: root)
        let directory = Path.absolute(
            Path.resolve(dataDirectory, besides: file), workingDirectory: workingDirectory)
        if ControlSocket.path(in: directory).utf8.count > ControlSocket.maximumPathBytes {
            root["dataDirectory"]?.error(
                "`\(directory)/control.sock` is longer than a socket's path, \(ControlSocket.maximumPathBytes) bytes",
                "name a shorter directory")
        }
        checkGrants(
            buses, accounts ?? [], region: region, partition: partition, savedIn: directory,
            at: root["buses"] ?? root["dataDirectory"])
        return Configuration(
            file: file, region: region, partition: partition, dataDirectory: directory, limits: limits,
            listeners: listeners, admin: admin, trustDomains: trustDomains, accounts: accounts ?? [], buses: buses,
            organizations: organizations, partners: partners, policyCompatibility: policyCompatibility,
            webhooks: webhooks, decisions: decisions, onboarding: onboarding, logLevel: logLevel, threads: threads,
            senderQuotas: senderQuotas, crossRegionRoutes: routes)
    }

    /// Reads a YAML file; `value` is the place that names it, nil for the file of the command line.
    func readDocument(_ file: String, namedAt value: YAMLValue?) -> YAMLValue? {
        do throws(SourceFiles.Failure) {
            let content = try files.read(file, Self.maximumDocumentBytes)
            return YAMLValue(reading: content.bytes, file: file, findings: findings)
        } catch {
            findings.error(
                value?.file ?? file, value?.line ?? 1, "cannot read `\(file)`: \(error.cause)",
                "name a file that is there and that this user may read")
            return nil
        }
    }

    /// Reads the file that `value` names, relative to the file that `value` stands in.
    func readFile(_ value: YAMLValue, maximumBytes: Int, _ purpose: String) -> LoadedFile? {
        guard let resolved = readPath(value) else { return nil }
        do throws(SourceFiles.Failure) {
            return LoadedFile(path: resolved, bytes: try files.read(resolved, maximumBytes).bytes)
        } catch {
            value.error("`\(value.path)`: cannot read `\(resolved)`: \(error.cause)", "name \(purpose)")
            return nil
        }
    }

    /// Where the file is that `value` names. What cannot be a path may be a key that was pasted here: it is not shown.
    func readPath(_ value: YAMLValue) -> String? {
        guard let text = value.text() else { return nil }
        let isLine = text.utf8.count <= Self.maximumPathBytes && text.utf8.allSatisfy { $0 >= 0x20 }
        guard isLine, !text.contains("-----BEGIN") else {
            value.error("`\(value.path)` is not the path of a file", "write the content to a file and name that here")
            return nil
        }
        return Path.resolve(text, besides: value.file)
    }

    private func readRegion(_ value: YAMLValue?) -> String? {
        guard let text = value?.text() else { return nil }
        if RegionName.isValid(text) { return text }
        value?.error("`\(text)` is not a region", "write one such as `eu-central-1`: letters, digits and hyphens")
        return nil
    }

    private func readPartition(_ value: YAMLValue?) -> String {
        guard let value else { return "aws" }
        return value.choice(Partition.self)?.rawValue ?? "aws"
    }

    private enum Partition: String, CaseIterable {
        case commercial = "aws"
        case china = "aws-cn"
        case government = "aws-us-gov"
    }

    private func checkDurability(_ value: YAMLValue?) {
        guard let mapping = value?.mapping(["synchronous"]), let member = mapping["synchronous"] else { return }
        guard let text = member.text(), text != "full" else { return }
        member.error(
            "`\(member.path)` cannot be `\(text)`: an acknowledgement means durable and no setting weakens it",
            "write `synchronous: full` or remove the key")
    }

    private func readLimits(_ value: YAMLValue?) -> GatewayLimits {
        var limits = GatewayLimits()
        guard let mapping = value?.mapping(GatewayLimits.fields.map(\.name)) else { return limits }
        for field in GatewayLimits.fields {
            if let number = mapping[field.name]?.integer(in: field.range) { limits[keyPath: field.place] = number }
        }
        return limits
    }

    private func readAdmin(_ value: YAMLValue?) -> Configuration.Admin? {
        guard let mapping = value?.mapping(["address", "port"]) else { return nil }
        let address = readAddress(mapping["address"], default: "127.0.0.1")
        let port = mapping.required("port", "9443")?.integer(in: 0...65_535)
        guard let address, let port else { return nil }
        guard address.isLoopback else {
            mapping["address"]?.error(
                "`\(address)` is not a loopback address: the admin listener has no authentication",
                "write `127.0.0.1` or `\"::1\"`")
            return nil
        }
        return Configuration.Admin(address: address.description, port: UInt16(port))
    }

    /// An address of this machine.
    func readAddress(_ value: YAMLValue?, default standard: String) -> IPAddress? {
        guard let value else { return IPAddress(parsing: standard) }
        guard let text = value.text() else { return nil }
        if let address = IPAddress(parsing: text) { return address }
        value.error(
            "`\(value.path)` is `\(text)`, not an IP address", "write one such as `127.0.0.1` or `\"::1\"`, not a name")
        return nil
    }

    private func readLogLevel(_ value: YAMLValue?) -> Configuration.LogLevel {
        value?.mapping(["level"])?["level"]?.choice(Configuration.LogLevel.self) ?? .info
    }

    /// Two listeners on one address and port cannot both start.
    private func checkPlaces(_ listeners: [Configuration.Listener], _ admin: Configuration.Admin, at root: YAMLMapping)
    {
        var seen: [String: String] = [:]
        for (id, address, port) in listeners.map({ ($0.id, $0.address, $0.port) }) + [
            ("admin", admin.address, admin.port)
        ]
        where port != 0 {
            let place = "\(address) port \(port)"
            if let other = seen[place] {
                root["listeners"]?.error(
                    "`\(other)` and `\(id)` both listen on \(place)", "give one of them another port")
            }
            seen[place] = id
        }
    }
}

/// The form of a region's name: `eu-central-1`.
enum RegionName {
    /// Two to six parts of lower-case letters and digits, 32 characters at most.
    static func isValid(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return text.utf8.count <= 32 && (2...6).contains(parts.count)
            && parts.allSatisfy { part in
                !part.isEmpty && part.utf8.allSatisfy { ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) }
            }
    }
}
