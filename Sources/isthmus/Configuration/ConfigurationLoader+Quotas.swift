import Domain
import Gateway
import Registry

extension ConfigurationLoader {
    /// Accounts and partners with quotas of their own, each. Source: as many as there may be accounts.
    static let maximumQuotaOverrides = maximumAccounts

    /// What senders may spend; everything that is left out keeps its standard.
    func readQuotas(_ value: YAMLValue?) -> SenderQuotas {
        guard let value, let mapping = value.mapping(["everybody", "accounts", "partners"]) else {
            return SenderQuotas()
        }
        let everybody = mapping["everybody"].map { readActions($0) } ?? [:]
        var overrides: [SenderQuotas.Sender: [String: Quota]] = [:]
        for (name, value) in readOverrides(mapping["accounts"]) {
            guard let account = AccountID(parsing: name) else {
                value.error("`\(name)` is not an account id", "write its 12 digits in quotes")
                continue
            }
            overrides[.account(account)] = readActions(value, ofSender: true)
        }
        for (name, value) in readOverrides(mapping["partners"]) {
            guard Self.isPartnerName(name) else {
                value.error("`\(name)` is not the name of a partner", "write one such as `aws.partner/acme.com`")
                continue
            }
            overrides[.partner(name)] = readActions(value, ofSender: true)
        }
        return SenderQuotas(everybody: everybody, overrides: overrides)
    }

    private func readOverrides(_ value: YAMLValue?) -> [(key: String, value: YAMLValue)] {
        guard let value, let members = value.members() else { return [] }
        guard members.count <= Self.maximumQuotaOverrides else {
            value.error(
                "`\(value.path)` names \(members.count) senders", "name at most \(Self.maximumQuotaOverrides)")
            return []
        }
        return members
    }

    /// `aws.partner/` and one part more. Source: EventBridge, CreatePartnerEventSource, `Name`.
    private static func isPartnerName(_ text: String) -> Bool {
        let prefix = "aws.partner/"
        guard text.hasPrefix(prefix) else { return false }
        let rest = text.utf8.dropFirst(prefix.utf8.count)
        return (1...200).contains(rest.count)
            && rest.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    private func readActions(_ value: YAMLValue, ofSender isOfSender: Bool = false) -> [String: Quota] {
        var quotas: [String: Quota] = [:]
        for (action, value) in value.members() ?? [] {
            if isOfSender, action == MeteredActions.unproven {
                value.error("`\(action)` is counted by address, not by sender", "write it under `everybody`")
                continue
            }
            guard action == SenderQuotas.anyAction || MeteredActions.all.contains(action) else {
                let advice =
                    Suggestion.nearest(to: action, among: MeteredActions.all).map { "did you mean `\($0)`?" }
                    ?? "write one such as `events:PutEvents`, or \"*\" for every other"
                value.error("`\(action)` is not an action that has a quota", advice)
                continue
            }
            guard let mapping = value.mapping(["perSecond", "burst"]) else { continue }
            let perSecond = mapping.required("perSecond", "1000")?.integer(in: Quota.perSecondRange)
            let burst = mapping.required("burst", "2000")?.integer(in: Quota.burstRange)
            if let perSecond, let burst { quotas[action] = Quota(perSecond: perSecond, burst: burst) }
        }
        return quotas
    }
}
