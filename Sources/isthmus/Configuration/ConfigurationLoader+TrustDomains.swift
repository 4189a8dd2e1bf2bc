import Cryptography
import Domain

extension ConfigurationLoader {
    private static let trustDomainKeys = ["name", "bundle", "issuerPins", "revocationLists", "accounts", "regions"]

    /// Trust domains of one gateway.
    static let maximumTrustDomains = 10_000

    func readTrustDomains(_ value: YAMLValue?, region: String?) -> [Configuration.TrustDomain] {
        guard let value, let elements = value.list() else { return [] }
        if elements.count > Self.maximumTrustDomains {
            value.error("`trustDomains` has \(elements.count) elements", "keep at most \(Self.maximumTrustDomains)")
            return []
        }
        var names: Set<String> = []
        var accounts: [AccountID: String] = [:]
        var pins: [Digest: String] = [:]
        return elements.compactMap { element in
            guard let domain = readTrustDomain(element, region: region) else { return nil }
            if !names.insert(domain.name).inserted {
                element.error("two trust domains are called `\(domain.name)`", "give each its own name")
            }
            for account in domain.accounts {
                if let other = accounts.updateValue(domain.name, forKey: account), other != domain.name {
                    element.warning(
                        "`\(domain.name)` and `\(other)` both vouch for account \(account)",
                        "keep both only while certificates move from one to the other")
                }
            }
            for pin in domain.issuerPins {
                if let other = pins.updateValue(domain.name, forKey: pin), other != domain.name {
                    element.error(
                        "`\(domain.name)` and `\(other)` share an issuing CA: it could sign for the accounts of both",
                        "give each trust domain its own CA")
                }
            }
            return domain
        }
    }

    private func readTrustDomain(_ value: YAMLValue, region: String?) -> Configuration.TrustDomain? {
        guard let mapping = value.mapping(Self.trustDomainKeys) else { return nil }
        let name = mapping.required("name", "acme.example").flatMap { readTrustDomainName($0) }
        let bundle = mapping.required("bundle", "ca.pem").flatMap {
            readFile($0, maximumBytes: Self.maximumCertificateBytes, "a PEM file with the CA certificates")
        }
        let pins = mapping.required("issuerPins", "[64 hexadecimal digits]").flatMap { readIssuerPins($0) }
        let lists = mapping.required("revocationLists", "[crl.pem]").flatMap { readRevocationLists($0) }
        let accounts = mapping.required("accounts", "[\"111122223333\"]").flatMap { readVouchedAccounts($0) }
        let regions = mapping["regions"].flatMap { readRegions($0) }
        if let region, let regions, !regions.contains(region) {
            mapping["regions"]?.warning(
                "trust domain `\(name ?? "")` may not be used in `\(region)`, this gateway's region",
                "add the region or remove the trust domain")
        }
        guard let name, let bundle, let pins, let lists, let accounts else { return nil }
        let domain = Configuration.TrustDomain(
            name: name, bundle: bundle, issuerPins: pins, revocationLists: lists, accounts: accounts, regions: regions)
        checkChain(domain, at: mapping)
        return domain
    }

    private func readTrustDomainName(_ value: YAMLValue) -> String? {
        guard let text = value.text() else { return nil }
        if TrustDomainName.isValid(text) { return text }
        value.error(
            "`\(value.path)` is `\(text)`",
            "write a name such as `acme.example`: a–z, 0–9, `.`, `-`, at most 255 characters")
        return nil
    }

    private func readIssuerPins(_ value: YAMLValue) -> [Digest]? {
        guard let elements = value.list() else { return nil }
        if elements.isEmpty {
            value.error(
                "`\(value.path)` is empty: no certificate would be accepted", "write what `isthmus pki init` printed")
        }
        return elements.compactMap { element in
            guard let text = element.digits() else { return nil }
            if let pin = Digest(hexadecimal: text.utf8) { return pin }
            element.error(
                "`\(element.path)` is not a SHA-256", "write 64 hexadecimal digits, as `isthmus pki init` printed them")
            return nil
        }
    }

    private func readRevocationLists(_ value: YAMLValue) -> [LoadedFile]? {
        value.list()?.compactMap { element in
            readFile(
                element, maximumBytes: Self.maximumRevocationListBytes, "a PEM file, as `isthmus pki crl` writes it")
        }
    }

    private func readVouchedAccounts(_ value: YAMLValue) -> [AccountID]? {
        guard let elements = value.list() else { return nil }
        if elements.isEmpty {
            value.error("`\(value.path)` is empty", "name the accounts its certificates may speak for")
        }
        return elements.compactMap { readAccountID($0) }
    }

    private func readRegions(_ value: YAMLValue) -> [String]? {
        value.list()?.compactMap { element in
            guard let text = element.text() else { return nil }
            if RegionName.isValid(text) { return text }
            element.error("`\(text)` is not a region", "write one such as `eu-central-1`")
            return nil
        }
    }
}

/// The form of a trust domain's name. Source: SPIFFE-ID § 2.1, without `_`.
enum TrustDomainName {
    static func isValid(_ text: String) -> Bool {
        let labels = text.split(separator: ".", omittingEmptySubsequences: false)
        return (1...255).contains(text.utf8.count)
            && labels.allSatisfy { label in
                !label.isEmpty && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.utf8.allSatisfy { ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x2D }
            }
    }
}
