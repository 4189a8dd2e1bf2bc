import AccessPolicy
import Domain

extension ConfigurationLoader {
    /// Buses that one file may seed.
    static let maximumSeeds = 10_000
    /// Source: botocore `events/2015-10-07`, shape `EventBusDescription`.
    static let maximumDescriptionCharacters = 512

    func readBuses(_ value: YAMLValue?, accounts: [Configuration.Account]?) -> [Configuration.BusSeed] {
        guard let value, let elements = value.list() else { return [] }
        if elements.count > Self.maximumSeeds {
            value.error(
                "`buses` has \(elements.count) elements",
                "seed at most \(Self.maximumSeeds), make the rest with the API")
            return []
        }
        var seen: Set<EventBusID> = []
        return elements.compactMap { element in
            guard let seed = readBus(element, accounts: accounts) else { return nil }
            if !seen.insert(seed.id).inserted {
                element.error("bus `\(seed.id.name)` of account \(seed.id.account) is named twice", "remove one")
            }
            return seed
        }
    }

    private func readBus(_ value: YAMLValue, accounts: [Configuration.Account]?) -> Configuration.BusSeed? {
        guard let mapping = value.mapping(["account", "name", "description", "policy", "tags"]) else { return nil }
        let account = mapping.required("account", "\"444455556666\"").flatMap { readAccountID($0) }
        let name = mapping.required("name", "orders").flatMap { readBusName($0) }
        let description = mapping["description"].flatMap { readDescription($0) }
        let policy = mapping["policy"].flatMap { readPolicy($0, kind: .resource) }
        let tags = mapping["tags"].map { readTags($0) } ?? []
        if let account, let accounts, let member = mapping["account"] {
            checkLocal(account, at: member, accounts: accounts)
        }
        guard let account, let name else { return nil }
        return Configuration.BusSeed(
            id: EventBusID(account: account, name: name), description: description, policy: policy, tags: tags)
    }

    /// The account, when its buses are here; nil after a report.
    @discardableResult
    func checkLocal(
        _ account: AccountID, at value: YAMLValue, accounts: [Configuration.Account]
    ) -> Configuration.Account? {
        guard let found = accounts.first(where: { $0.id == account }) else {
            value.error("account \(account) is not described", "add a file for it to the accounts")
            return nil
        }
        if !found.isLocal {
            value.error(
                "account \(account) is foreign: its buses are not on this gateway",
                "remove `local: false` in `\(found.file)`, or the bus")
            return nil
        }
        return found
    }

    func readBusName(_ value: YAMLValue) -> EventBusName? {
        guard let text = value.text() else { return nil }
        if let name = EventBusName(parsing: text), !text.hasPrefix("aws.") { return name }
        value.error(
            "`\(value.path)` is `\(text)`", "write 1 to 256 of letters, digits and `/._-`, not beginning with `aws.`")
        return nil
    }

    private func readDescription(_ value: YAMLValue) -> String? {
        guard let text = value.text() else { return nil }
        if text.count <= Self.maximumDescriptionCharacters { return text }
        value.error(
            "`\(value.path)` has \(text.count) characters", "write at most \(Self.maximumDescriptionCharacters)")
        return nil
    }

    /// Tags of a bus or a principal.
    func readTags(_ value: YAMLValue) -> [Configuration.Tag] {
        guard let members = value.members() else { return [] }
        if members.count > Limits.tagsPerResource {
            value.error("`\(value.path)` has \(members.count) tags", "write at most \(Limits.tagsPerResource)")
        }
        return members.compactMap { key, member in
            guard let text = member.text() else { return nil }
            guard key.count <= 128, text.count <= 256, !key.lowercased().hasPrefix("aws:") else {
                member.error(
                    "`\(member.path)` is not a tag",
                    "keys have at most 128 characters and do not begin with `aws:`, values 256")
                return nil
            }
            return Configuration.Tag(key: key, value: text)
        }
    }
}
