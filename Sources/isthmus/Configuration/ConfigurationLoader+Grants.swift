import AccessPolicy
import Domain

extension ConfigurationLoader {
    /// Pairs of buses and principals up to which grants across accounts are compared.
    static let maximumGrantPairs = 1_000_000

    /// Warns of grants across accounts of which only one side stands in these files. Accounts that are not local decide
    /// their own side themselves.
    func checkGrants(
        _ buses: [Configuration.BusSeed], _ accounts: [Configuration.Account], region: String?, partition: String,
        at value: YAMLValue?
    ) {
        let local = accounts.filter(\.isLocal)
        let count = local.reduce(0) { $0 + $1.principals.count }
        guard let value, let region, buses.count * count <= Self.maximumGrantPairs else { return }
        let resources = buses.compactMap { bus -> GrantSides.Resource? in
            guard let policy = bus.policy.flatMap({ document($0, .resource) }) else { return nil }
            return .init(
                arn: "arn:\(partition):events:\(region):\(bus.id.account):event-bus/\(bus.id.name)",
                account: bus.id.account, policy: policy)
        }
        let holders = local.flatMap(\.principals).map { member in
            GrantSides.Holder(
                arn: member.principal.arn, account: member.principal.account,
                identity: member.policies.compactMap { document($0, .identity) })
        }
        let sides = GrantSides(resources: resources, holders: holders, accounts: Set(local.map(\.id)))
        for resource in resources { warn(sides.findings(of: resource), of: resource.arn, at: value) }
        for holder in holders { warn(sides.findings(of: holder), of: holder.arn, at: value) }
    }

    private func warn(_ findings: [PolicyReview.Finding], of arn: String, at value: YAMLValue) {
        for finding in findings {
            value.warning("policy of `\(arn)`: \(finding)", "allow it on the other side too, or remove it here")
        }
    }

    /// What does not parse was reported where it was read.
    private func document(_ text: PolicyText, _ kind: PolicyKind) -> PolicyDocument? {
        let limits = kind == .resource ? busPolicyLimits : .default
        do throws(PolicyError) {
            return try PolicyDocument(parsing: text.json, kind: kind, limits: limits)
        } catch {
            return nil
        }
    }
}
