package import Domain

/// Adds and disables access keys.
extension Snapshot {
    /// Whether the files of `accounts` name the principal.
    package func declares(_ principal: Principal) -> Bool { members[principal.arn] != nil }

    /// Adds a key for a principal of a known account.
    package func adding(_ key: AccessKey) throws(ControlFault) -> Transition {
        guard accounts[key.principal.account] != nil else {
            throw ControlFault(
                .validation, "account \(key.principal.account) is not known here; add a file for it to `accounts`")
        }
        guard declares(key.principal) else {
            throw ControlFault(
                .validation, "\(key.principal.arn) is not a principal of the account's file; add it there and reload")
        }
        let own = accessKeys.values.count { $0.principal.arn == key.principal.arn && $0.isEnabled }
        guard own < declaration.quotas.accessKeysPerPrincipal else {
            throw ControlFault(
                .limitExceeded, "\(key.principal.arn) has \(own) enabled access keys; disable one first")
        }
        guard accessKeys[key.id] == nil else {
            throw ControlFault(.resourceAlreadyExists, "access key \(key.id) already exists; try again")
        }
        return putting(key)
    }

    /// Disables a key; it stays known so that its use can be told from a wrong id by the operator.
    package func disablingAccessKey(_ id: String) throws(ControlFault) -> Transition {
        guard let key = accessKeys[id] else {
            throw ControlFault(.resourceNotFound, "access key \(id) does not exist; list them with `credentials list`")
        }
        return putting(
            AccessKey(
                id: key.id, principal: key.principal, isEnabled: false, createdAt: key.createdAt,
                sealedSecret: key.sealedSecret))
    }

    private func putting(_ key: AccessKey) -> Transition {
        var keys = accessKeys
        keys[key.id] = key
        return Transition(snapshot: replacing(accessKeys: keys), changes: [.put(key.record)])
    }
}
