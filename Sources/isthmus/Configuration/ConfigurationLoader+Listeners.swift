import AccessPolicy
import Domain

extension ConfigurationLoader {
    private static let listenerKeys = [
        "id", "vpc", "address", "port", "clientCertificate", "certificate", "privateKey", "networks", "policy",
        "proxyProtocol", "replay",
    ]

    /// Networks of one listener: the size of a security group. Source: VPC quotas, 60 rules a group, 16 groups.
    static let maximumNetworks = 1000

    func readListeners(_ value: YAMLValue?) -> [Configuration.Listener]? {
        guard let value, let elements = value.list() else { return nil }
        if elements.isEmpty { value.error("`listeners` is empty", "write at least one listener") }
        var seen: Set<String> = []
        return elements.compactMap { element in
            guard let listener = readListener(element) else { return nil }
            if !seen.insert(listener.id).inserted {
                element.error("two listeners are called `\(listener.id)`", "give each its own id")
            }
            return listener
        }
    }

    private func readListener(_ value: YAMLValue) -> Configuration.Listener? {
        guard let mapping = value.mapping(Self.listenerKeys) else { return nil }
        let id = readIdentifier(mapping.required("id", "vpce-0a1b2c3d4e5f60718"), prefix: "vpce-")
        let vpc = mapping["vpc"].flatMap { readIdentifier($0, prefix: "vpc-") }
        let address = readAddress(mapping.required("address", "127.0.0.1"), default: "127.0.0.1")
        let port = mapping.required("port", "8443")?.integer(in: 0...65_535)
        let mode = mapping["clientCertificate"].map { $0.choice(Configuration.ClientCertificate.self) } ?? .required
        let certificate = mapping.required("certificate", "server.pem").flatMap {
            readFile(
                $0, maximumBytes: Self.maximumCertificateBytes, "a PEM file with the certificate chain, leaf first")
        }
        let privateKey = mapping.required("privateKey", "server.key").flatMap { readSecretFile($0) }
        let networks = mapping["networks"].map { readNetworks($0) }
        let policy = mapping["policy"].flatMap { readPolicy($0, kind: .endpoint) }
        let proxies = mapping["proxyProtocol"].flatMap { readProxies($0) }
        let replay = mapping["replay"].map { $0.choice(Configuration.Replay.self) } ?? .serve
        guard let id, let address, let port, let mode, let certificate, let privateKey, let replay else { return nil }
        checkPair(certificate, privateKey, at: mapping)
        return Configuration.Listener(
            id: id, vpc: vpc, address: address.description, port: UInt16(port), clientCertificate: mode,
            certificate: certificate, privateKey: privateKey, networks: networks, policy: policy, proxies: proxies,
            replay: replay)
    }

    private func readIdentifier(_ value: YAMLValue?, prefix: String) -> String? {
        guard let value, let text = value.text() else { return nil }
        let rest = text.utf8.dropFirst(prefix.utf8.count)
        let isValid =
            text.hasPrefix(prefix) && (1...32).contains(rest.count)
            && rest.allSatisfy { ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) }
        if isValid { return text }
        value.error("`\(value.path)` is `\(text)`", "write `\(prefix)` and 1 to 32 letters a–z or digits")
        return nil
    }

    /// The load balancers that must say whom they speak for.
    private func readProxies(_ value: YAMLValue) -> [CIDRBlock]? {
        guard let mapping = value.mapping(["from"]) else { return nil }
        guard let networks = mapping.required("from", "[10.0.0.0/24]").map({ readNetworks($0) }) else { return nil }
        if networks.contains(where: { $0.prefixLength == 0 }) {
            mapping["from"]?.error(
                "`\(value.path).from` is every address: anyone could say to be anyone",
                "name the load balancers' own networks")
        }
        return networks
    }

    private func readNetworks(_ value: YAMLValue) -> [CIDRBlock] {
        guard let elements = value.list() else { return [] }
        if elements.isEmpty {
            value.error("`\(value.path)` is empty: nobody could connect", "name a network or remove the key")
        }
        if elements.count > Self.maximumNetworks {
            value.error("`\(value.path)` has \(elements.count) networks", "write at most \(Self.maximumNetworks)")
            return []
        }
        return elements.compactMap { element in
            guard let text = element.text() else { return nil }
            if let block = CIDRBlock(parsing: text) { return block }
            element.error(
                "`\(text)` is not a network", "write one such as `10.0.0.0/8`, with zeros behind the prefix")
            return nil
        }
    }

    /// A private key: readable by its owner alone.
    private func readSecretFile(_ value: YAMLValue) -> SecretFile? {
        guard let resolved = readPath(value) else { return nil }
        do throws(SourceFiles.Failure) {
            let content = try files.read(resolved, Self.maximumCertificateBytes)
            guard content.mode & 0o077 == 0 else {
                value.error(
                    "`\(value.path)`: others may read `\(resolved)`: its mode is 0\(String(content.mode, radix: 8))",
                    "run `chmod 600 \(resolved)`, and make a new key if it was exposed")
                return nil
            }
            return SecretFile(path: resolved, bytes: content.bytes)
        } catch {
            value.error(
                "`\(value.path)`: cannot read `\(resolved)`: \(error.cause)",
                "name a PEM file with the private key, mode 0600")
            return nil
        }
    }
}
