import AccessPolicy
import Domain
import JSON
import Registry

extension ConfigurationLoader {
    /// Pairs of buses and principals up to which grants across accounts are compared.
    static let maximumGrantPairs = 1_000_000

    /// Warns of grants across accounts of which only one side stands in these files and in the data directory, whose
    /// buses are what is in force: a seed counts only until its bus exists. Accounts that are not local decide their
    /// own side themselves.
    func checkGrants(
        _ buses: [Configuration.BusSeed], _ accounts: [Configuration.Account], region: String, partition: String,
        savedIn directory: String, at value: YAMLValue?
    ) {
        let local = accounts.filter(\.isLocal)
        let count = local.reduce(0) { $0 + $1.principals.count }
        guard let value, count > 0 else { return }
        let policies = policies(of: buses, savedIn: directory, at: value)
        guard policies.count * count <= Self.maximumGrantPairs else {
            value.warning(
                "the grants across accounts were not compared: there are \(policies.count) buses, \(count) principals",
                "nothing is wrong: look for grants of one side by `isthmus explain`")
            return
        }
        let resources = policies.map { bus in
            GrantSides.Resource(
                arn: "arn:\(partition):events:\(region):\(bus.id.account):event-bus/\(bus.id.name)",
                account: bus.id.account, policy: bus.policy)
        }
        let holders = local.flatMap(\.principals).map { member in
            GrantSides.Holder(
                arn: member.principal.arn, account: member.principal.account,
                identity: member.policies.compactMap { document($0.json, .identity, .default) })
        }
        var sides = GrantSides(
            resources: resources, holders: holders, accounts: Set(local.map(\.id)), steps: grantSteps)
        for resource in resources { warn(sides.findings(of: resource), of: resource.arn, at: value) }
        for holder in holders { warn(sides.findings(of: holder), of: holder.arn, at: value) }
        if sides.isExhausted {
            value.warning(
                "the grants across accounts were compared in part: the policies of buses and principals are too large",
                "shorten their lists of actions and resources")
        }
    }

    /// The policy of each bus that has one: as it is saved, else as it is sown.
    private func policies(
        of seeds: [Configuration.BusSeed], savedIn directory: String, at value: YAMLValue
    ) -> [(id: EventBusID, policy: PolicyDocument)] {
        var saved: [SourceFiles.SavedBus] = []
        do throws(ControlStoreError) {
            saved = try files.savedBuses(directory)
        } catch {
            value.warning(
                "the buses saved in `\(directory)` cannot be read\(error.cause)",
                "check as the user that runs the gateway: grants were compared with these files alone")
        }
        let known = Set(saved.map(\.id))
        // A policy that was saved under a larger limit is in force all the same.
        let largest = PolicyLimits(characters: PolicyLimits.largestDocument)
        let inForce = saved.compactMap { bus in
            bus.policy.flatMap { document($0.bytes(), .resource, largest) }.map { (bus.id, $0) }
        }
        let sown = seeds.filter { !known.contains($0.id) }.compactMap { bus in
            bus.policy.flatMap { document($0.json, .resource, busPolicyLimits) }.map { (bus.id, $0) }
        }
        return inForce + sown
    }

    private func warn(_ findings: [PolicyReview.Finding], of arn: String, at value: YAMLValue) {
        for finding in findings {
            value.warning("policy of `\(arn)`: \(finding)", "allow it on the other side too, or remove it here")
        }
    }

    /// What does not parse was reported where it was read.
    private func document(_ json: [UInt8], _ kind: PolicyKind, _ limits: PolicyLimits) -> PolicyDocument? {
        do throws(PolicyError) {
            return try PolicyDocument(parsing: json, kind: kind, limits: limits)
        } catch {
            return nil
        }
    }
}

extension ControlStoreError {
    /// For the end of a message: what cannot be read and why, or nothing.
    fileprivate var cause: String {
        if case .unreadable(let reason) = self { ": \(reason)" } else { "" }
    }
}
