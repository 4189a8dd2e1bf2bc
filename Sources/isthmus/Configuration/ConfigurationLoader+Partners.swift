import Domain

extension ConfigurationLoader {
    /// Partners that the file may name.
    static let maximumPartners = 10_000

    func readPartners(_ value: YAMLValue?) -> [Configuration.Partner] {
        guard let value, let elements = value.list() else { return [] }
        if elements.count > Self.maximumPartners {
            value.error("`partners` has \(elements.count) elements", "name at most \(Self.maximumPartners)")
            return []
        }
        var seen: [PartnerName: AccountID] = [:]
        return elements.compactMap { element in
            guard let mapping = element.mapping(["name", "account"]) else { return nil }
            let name = mapping.required("name", "acme.example").flatMap { readPartnerName($0) }
            let account = mapping.required("account", "\"111122223333\"").flatMap { readAccountID($0) }
            guard let name, let account else { return nil }
            if let other = seen.updateValue(account, forKey: name) {
                element.error(
                    "partner `\(name)` is account \(other) and account \(account)", "a partner's name has one account")
            }
            return Configuration.Partner(name: name, account: account)
        }
    }

    private func readPartnerName(_ value: YAMLValue) -> PartnerName? {
        guard let text = value.text() else { return nil }
        if let name = PartnerName(parsing: text) { return name }
        value.error(
            "`\(value.path)` is `\(text)`",
            "write the part after `aws.partner/`: 1 to \(PartnerName.maximumBytes) of letters, digits and `._-`")
        return nil
    }

    func readPartnerConsent(_ value: YAMLValue?, isLocal: Bool) -> Configuration.PartnerConsent {
        guard let value, let consent = value.choice(Configuration.PartnerConsent.self) else { return .optional }
        if !isLocal {
            value.error(
                "`\(value.path)` says nothing: no partner can send to a foreign account",
                "remove it, or `local: false`")
        }
        return consent
    }
}
