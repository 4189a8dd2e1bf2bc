import AccessPolicy
import Cryptography
import Domain
import Identity
import JSON
import Registry

extension Configuration {
    /// What is in effect, as YAML of the same schema: defaults filled in, paths resolved, secrets left out.
    var effective: String {
        var out = YAMLText()
        out.line(0, "region", region)
        out.line(0, "partition", partition)
        out.line(0, "dataDirectory", dataDirectory)
        out.open(0, "durability")
        out.line(1, "synchronous", "full")
        out.open(0, "limits")
        for field in GatewayLimits.fields { out.line(1, field.name, limits[keyPath: field.place]) }
        out.open(0, "listeners")
        for listener in listeners { listener.write(to: &out) }
        out.open(0, "admin")
        out.line(1, "address", admin.address)
        out.line(1, "port", Int(admin.port))
        if !trustDomains.isEmpty { out.open(0, "trustDomains") }
        for domain in trustDomains { domain.write(to: &out) }
        if !organizations.isEmpty { out.open(0, "organizations") }
        for organization in organizations { organization.write(to: &out) }
        if let onboarding { onboarding.write(to: &out) }
        if !partners.isEmpty { out.open(0, "partners") }
        for partner in partners {
            out.item("name", partner.name.description)
            out.line(2, "account", partner.account.description)
        }
        out.open(0, "policies")
        out.line(1, "compat", policyCompatibility.rawValue)
        writeAccounts(to: &out)
        if !buses.isEmpty { out.open(0, "buses") }
        for bus in buses { bus.write(to: &out) }
        if !webhooks.isEmpty { out.open(0, "webhooks") }
        for webhook in webhooks { webhook.write(to: &out) }
        out.open(0, "decisions")
        out.line(1, "allows", decisions.allows.rawValue)
        if decisions.allows == .sampled { out.line(1, "sampleOneIn", decisions.sampleOneIn) }
        out.line(1, "keepRecords", decisions.keepRecords)
        out.line(1, "keepBytes", decisions.keepBytes)
        out.line(1, "keepDays", decisions.keepDays)
        senderQuotas.write(to: &out)
        if !crossRegionRoutes.isEmpty { out.open(0, "crossRegionRoutes") }
        for route in crossRegionRoutes { route.write(to: &out) }
        out.open(0, "log")
        out.line(1, "level", logLevel.rawValue)
        if let threads { out.line(0, "threads", threads) } else { out.note("threads: one a core") }
        return out.text
    }

    private func writeAccounts(to out: inout YAMLText) {
        for account in accounts {
            out.note("account \(account.id)\(account.isLocal ? "" : " (foreign)"), from \(account.file)")
            if account.partnerConsent == .required { out.note("  partnerConsent required") }
            for principal in account.principals {
                let origins = principal.policies.map(\.origin)
                let none = account.isLocal ? "no policy: identity allows nothing" : "its own side is decided elsewhere"
                let policies = origins.isEmpty ? none : origins.joined(separator: ", ")
                out.note("  \(principal.principal.arn): \(policies)")
                for line in principal.more { out.note("    \(line)") }
            }
        }
    }
}

extension Configuration.AccountPrincipal {
    /// What else the account's file says of it.
    fileprivate var more: [String] {
        var lines = ["aws:userid \(PrincipalID.text(of: principal))"]
        if let permissionsBoundary { lines.append("permissionsBoundary \(permissionsBoundary.origin)") }
        if !tags.isEmpty { lines.append("tags " + tags.map { "\($0.key)=\($0.value)" }.joined(separator: ", ")) }
        guard let role else { return lines }
        lines.append("trust \(role.trust.origin), maxSessionSeconds \(role.maximumSessionSeconds)")
        if let moment = role.sessionsNotBefore { lines.append("sessionsNotBefore \(moment.iso8601)") }
        return lines
    }
}

extension Configuration.Listener {
    fileprivate func write(to out: inout YAMLText) {
        out.item("id", id)
        if let vpc { out.line(2, "vpc", vpc) }
        out.line(2, "address", address)
        out.line(2, "port", Int(port))
        out.line(2, "clientCertificate", clientCertificate.rawValue)
        out.line(2, "certificate", certificate.path)
        out.line(2, "privateKey", privateKey.path, remark: "content not shown")
        if let networks { out.line(2, "networks", networks.map(\.description)) }
        if let policy { out.line(2, "policy", policy.origin) }
        if let proxies {
            out.open(2, "proxyProtocol")
            out.line(3, "from", proxies.map(\.description))
        }
        out.line(2, "replay", replay.rawValue)
    }
}

extension Configuration.TrustDomain {
    fileprivate func write(to out: inout YAMLText) {
        out.item("name", name)
        out.line(2, "bundle", bundle.path)
        out.line(2, "issuerPins", issuerPins.map(\.hexadecimal))
        out.line(2, "revocationLists", revocationLists.map(\.path))
        out.line(2, "accounts", accounts.map(\.description))
        if let regions { out.line(2, "regions", regions) }
    }
}

extension Configuration.Onboarding {
    fileprivate func write(to out: inout YAMLText) {
        out.open(0, "onboarding")
        out.note("partners are named by trust domain \(trustDomain)")
        out.line(1, "authority", authority)
        out.line(1, "listener", listener)
        out.note("  its key, as `isthmus partner renew --pin` takes it: \(pin.hexadecimal)")
        out.line(1, "endpoint", endpoint)
        out.line(1, "bundle", bundle.path)
        out.line(1, "certificateSeconds", certificateSeconds)
    }
}

extension Configuration.Organization {
    fileprivate func write(to out: inout YAMLText) {
        out.item("manifest", manifest.path)
        out.line(2, "signature", signature.path)
        out.line(2, "publicKey", publicKeyPath)
    }
}

extension Configuration.BusSeed {
    fileprivate func write(to out: inout YAMLText) {
        out.item("account", id.account.description)
        out.line(2, "name", id.name.description)
        if let description { out.line(2, "description", description) }
        if let policy { out.line(2, "policy", policy.origin) }
        if !tags.isEmpty { out.open(2, "tags") }
        for tag in tags { out.line(3, YAMLText.quoted(tag.key), tag.value) }
    }
}

extension CrossRegionRoute {
    fileprivate func write(to out: inout YAMLText) {
        out.item("to", region)
        out.open(2, "from")
        out.line(3, "account", bus.account.description)
        out.line(3, "bus", bus.name.description)
        if let rule { out.line(3, "rule", rule) }
        out.line(2, "through", peer)
        out.line(2, "as", String(carrier.arn.split(separator: ":", maxSplits: 5).last ?? ""))
    }
}

extension SenderQuotas {
    fileprivate func write(to out: inout YAMLText) {
        out.open(0, "quotas")
        out.open(1, "everybody")
        Self.write(everybody, 2, to: &out)
        let own = overrides.map { ("\($0.key)".split(separator: " "), $0.value) }
        for (kind, title) in [("account", "accounts"), ("partner", "partners")] {
            let senders = own.filter { $0.0.first ?? "" == kind }.map { (String($0.0.last ?? ""), $0.1) }
            if !senders.isEmpty { out.open(1, title) }
            for (name, quotas) in senders.sorted(by: { $0.0 < $1.0 }) {
                out.open(2, YAMLText.quoted(name))
                Self.write(quotas, 3, to: &out)
            }
        }
    }

    private static func write(_ quotas: [String: Quota], _ depth: Int, to out: inout YAMLText) {
        for (action, quota) in quotas.sorted(by: { $0.key < $1.key }) {
            out.open(depth, YAMLText.quoted(action))
            out.line(depth + 1, "perSecond", quota.perSecond)
            out.line(depth + 1, "burst", quota.burst)
        }
    }
}

extension Webhook {
    fileprivate func write(to out: inout YAMLText) {
        for (index, line) in effectiveLines.enumerated() {
            out.raw(index == 0 ? 1 : 2, index == 0 ? "- \(line.key): \(line.text)" : "\(line.key): \(line.text)")
        }
        if isReplayable { out.note("replayable: the scheme signs no time") }
    }
}

/// Writes the little YAML that the effective configuration needs: every text in JSON's quotes, which YAML takes.
private struct YAMLText {
    private(set) var text = ""

    mutating func open(_ depth: Int, _ key: String) { add(depth, "\(key):") }
    mutating func line(_ depth: Int, _ key: String, _ value: Int) { add(depth, "\(key): \(value)") }
    mutating func raw(_ depth: Int, _ line: String) { add(depth, line) }
    mutating func item(_ key: String, _ value: String) { add(1, "- \(key): \(Self.quoted(value))") }
    mutating func note(_ remark: String) { add(0, "# \(Printable.line(remark))") }

    mutating func line(_ depth: Int, _ key: String, _ value: String, remark: String? = nil) {
        add(depth, "\(key): \(Self.quoted(value))" + (remark.map { "   # \($0)" } ?? ""))
    }

    mutating func line(_ depth: Int, _ key: String, _ values: [String]) {
        add(depth, "\(key): [\(values.map(Self.quoted).joined(separator: ", "))]")
    }

    static func quoted(_ text: String) -> String {
        var writer = JSONWriter()
        writer.string(text)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private mutating func add(_ depth: Int, _ line: String) {
        if !text.isEmpty { text += "\n" }
        text += String(repeating: "  ", count: depth) + line
    }
}
