import AccessPolicy
import Domain
import Registry

extension ConfigurationLoader {
    /// What makes a principal a role that can be assumed: `trust`, and how long its sessions last.
    func readRole(_ mapping: YAMLMapping, of principal: Principal?) -> Configuration.Role? {
        let trust = mapping["trust"].flatMap { readPolicy($0, kind: .trust) }
        let seconds = mapping["maxSessionSeconds"].map { $0.integer(in: AssumableRole.sessionSeconds) }
        let moment = mapping["sessionsNotBefore"].map { readMoment($0) }
        guard let value = mapping["trust"] else {
            for key in ["maxSessionSeconds", "sessionsNotBefore"] {
                mapping[key]?.error(
                    "`\(key)` says how long sessions last, and nobody may assume this principal",
                    "add `trust`, a policy that says who may, or remove `\(key)`")
            }
            return nil
        }
        if let principal, principal.kind != .role {
            value.error("`\(value.path)` belongs to a role: `\(principal.arn)` cannot be assumed", "remove it")
        }
        guard let trust else { return nil }
        return Configuration.Role(
            trust: trust, maximumSessionSeconds: (seconds ?? nil) ?? AssumableRole.defaultSessionSeconds,
            sessionsNotBefore: moment ?? nil)
    }

    /// `2026-11-21T06:00:00Z`, in quotes or not.
    private func readMoment(_ value: YAMLValue) -> Timestamp? {
        guard let text = value.text() else { return nil }
        if let moment = Timestamp(iso8601: text) {
            if moment > now {
                value.warning(
                    "`\(value.path)` is in the future: until then every new session is refused at its first request",
                    "write a moment that is past, to end the sessions before it")
            }
            return moment
        }
        value.error("`\(value.path)` is `\(text)`", "write a moment in UTC such as `2026-11-21T06:00:00Z`")
        return nil
    }

    /// Sessions are named by the last part of their role's name, and made where the role's account is local.
    func checkRoles(_ principals: [Configuration.AccountPrincipal], isLocal: Bool, at value: YAMLValue) {
        var seen: [Substring: String] = [:]
        for principal in principals {
            let arn = principal.principal.arn
            if !isLocal, principal.permissionsBoundary != nil {
                value.error(
                    "`\(arn)` has a `permissionsBoundary` and its account is foreign: its own side is decided "
                        + "elsewhere",
                    "remove it, or `local: false`")
            }
            guard principal.role != nil, let name = arn.split(separator: "/").last else { continue }
            if !isLocal {
                value.error(
                    "`\(arn)` has a `trust` and its account is foreign: its roles are assumed elsewhere",
                    "remove it, or `local: false`")
            }
            if let other = seen.updateValue(arn, forKey: name) {
                value.error(
                    "`\(other)` and `\(arn)` have one name, and so would their sessions", "give one another name")
            }
        }
    }
}
