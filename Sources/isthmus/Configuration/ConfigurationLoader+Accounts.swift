import AccessPolicy
import Domain
import JSON

extension ConfigurationLoader {
    /// Account files of one gateway.
    static let maximumAccounts = 10_000
    /// Principals of one account.
    static let maximumPrincipals = 10_000
    /// Identity policies of one principal. Source: IAM quotas, 20 managed policies a role at most.
    static let maximumPoliciesPerPrincipal = 20

    private static let principalKeys = [
        "name", "policies", "permissionsBoundary", "tags", "trust", "maxSessionSeconds", "sessionsNotBefore",
    ]

    /// The accounts; nil, after a report, when their files could not be found.
    func readAccounts(_ value: YAMLValue?, partition: String) -> [Configuration.Account]? {
        guard let value else { return [] }
        guard let paths = accountFiles(value) else { return nil }
        var seen: [AccountID: String] = [:]
        return paths.compactMap { path in
            guard let document = readDocument(path, namedAt: value) else { return nil }
            guard let account = readAccount(document, partition: partition) else { return nil }
            if let other = seen[account.id] {
                document.error(
                    "account \(account.id) is described in `\(other)` too", "describe an account in one file")
                return nil
            }
            seen[account.id] = path
            return account
        }
    }

    /// The files that `accounts` names: a file, every `*.yaml` of a directory, or a pattern with `*` in its last part.
    private func accountFiles(_ value: YAMLValue) -> [String]? {
        guard let whole = readPath(value) else { return nil }
        let slash = whole.lastIndex(of: "/")
        let directory = slash.map { String(whole[..<$0]) } ?? "."
        let pattern = slash.map { whole[whole.index(after: $0)...] } ?? whole[...]
        guard pattern.isEmpty || pattern.contains("*") else { return [whole] }
        do throws(SourceFiles.Failure) {
            let names = try files.list(directory).filter {
                Self.matches($0, pattern.isEmpty ? "*.yaml" : String(pattern))
            }
            if names.isEmpty {
                value.error(
                    "`accounts`: no file matches `\(whole)`", "add one, see config/accounts/, or remove the key")
                return nil
            }
            guard names.count <= Self.maximumAccounts else {
                value.error("`accounts`: \(names.count) files match", "keep at most \(Self.maximumAccounts) accounts")
                return nil
            }
            return names.sorted().map { directory + "/" + $0 }
        } catch {
            value.error(
                "`accounts`: cannot read the directory `\(directory)`: \(error.cause)", "name a directory that is there"
            )
            return nil
        }
    }

    /// Whether `name` matches a pattern in which `*` stands for any characters. Hidden files never match.
    static func matches(_ name: String, _ pattern: String) -> Bool {
        guard !name.hasPrefix(".") else { return false }
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false).map(String.init)
        guard let first = parts.first, let last = parts.last, parts.count > 1 else { return name == pattern }
        guard name.hasPrefix(first), name.dropFirst(first.count).hasSuffix(last) else { return false }
        var rest = name.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let found = rest.firstRange(of: part) else { return false }
            rest = rest[found.upperBound...]
        }
        return true
    }

    private func readAccount(_ document: YAMLValue, partition: String) -> Configuration.Account? {
        guard let mapping = document.mapping(["account", "name", "local", "principals", "partnerConsent"]) else {
            return nil
        }
        let id = mapping.required("account", "\"444455556666\"").flatMap { readAccountID($0) }
        let name = mapping["name"]?.text()
        let isLocal = mapping["local"]?.boolean() ?? true
        guard let id else { return nil }
        let principals = readPrincipals(mapping["principals"], account: id, partition: partition)
        if let value = mapping["principals"] { checkRoles(principals, isLocal: isLocal, at: value) }
        if !isLocal, principals.contains(where: { !$0.policies.isEmpty }) {
            mapping["principals"]?.warning(
                "the policies of account \(id) are not evaluated: it is foreign, its own side is decided elsewhere",
                "remove them, or `local: false`")
        }
        return Configuration.Account(
            id: id, name: name, isLocal: isLocal, principals: principals,
            partnerConsent: readPartnerConsent(mapping["partnerConsent"], isLocal: isLocal), file: document.file)
    }

    /// 12 digits.
    func readAccountID(_ value: YAMLValue) -> AccountID? {
        guard let text = value.digits() else { return nil }
        if let id = AccountID(parsing: text) { return id }
        value.error("`\(value.path)` is `\(text)`", "an account id is exactly 12 digits, in quotes")
        return nil
    }

    private func readPrincipals(
        _ value: YAMLValue?, account: AccountID, partition: String
    ) -> [Configuration.AccountPrincipal] {
        guard let value, let elements = value.list() else { return [] }
        if elements.count > Self.maximumPrincipals {
            value.error(
                "`\(value.path)` has \(elements.count) principals", "keep at most \(Self.maximumPrincipals) an account")
            return []
        }
        var seen: Set<String> = []
        return elements.compactMap { element -> Configuration.AccountPrincipal? in
            guard let mapping = element.mapping(Self.principalKeys) else { return nil }
            let principal = mapping.required("name", "role/publisher").flatMap {
                readPrincipal($0, account: account, partition: partition)
            }
            let policies = mapping["policies"].map { readPolicies($0) } ?? []
            let boundary = mapping["permissionsBoundary"].flatMap { readPolicy($0, kind: .permissionsBoundary) }
            let tags = mapping["tags"].map { readTags($0) } ?? []
            let role = readRole(mapping, of: principal)
            guard let principal else { return nil }
            if !seen.insert(principal.arn).inserted {
                element.error(
                    "`\(principal.arn)` is described twice", "describe a principal once, with all its policies")
            }
            return Configuration.AccountPrincipal(
                principal: principal, policies: policies, permissionsBoundary: boundary, tags: tags, role: role)
        }
    }

    private func readPrincipal(_ value: YAMLValue, account: AccountID, partition: String) -> Principal? {
        guard let text = value.text() else { return nil }
        let slash = text.firstIndex(of: "/")
        let kind: Principal.Kind? =
            switch slash.map({ text[..<$0] }) {
            case "user": .user
            case "role": .role
            default: nil
            }
        if let kind, let slash {
            let path = String(text[text.index(after: slash)...])
            let principal = Principal(kind, path: path, account: account, partition: partition)
            if PrincipalPath.isValid(path), Principal(parsing: principal.arn) == principal { return principal }
        }
        value.error(
            "`\(value.path)` is `\(text)`",
            "write `role/NAME` or `user/NAME`, letters, digits and `+=,.@_-/`, at most 512 characters")
        return nil
    }

    private func readPolicies(_ value: YAMLValue) -> [PolicyText] {
        guard let elements = value.list() else { return [] }
        if elements.count > Self.maximumPoliciesPerPrincipal {
            value.error(
                "`\(value.path)` has \(elements.count) policies", "write at most \(Self.maximumPoliciesPerPrincipal)")
        }
        return elements.compactMap { readPolicy($0, kind: .identity) }
    }
}

/// The path of an IAM name: what follows `role/` or `user/`.
enum PrincipalPath {
    /// 1 … 512 of `A–Z a–z 0–9 + = , . @ _ - /`, no empty part and no `.` or `..`.
    ///
    /// Source: IAM API reference, CreateRole, `Path` and `RoleName`; THREATS 3.2 for the segments.
    static func isValid(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...512).contains(bytes.count) else { return false }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." }) else { return false }
        return bytes.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            case 0x2B, 0x3D, 0x2C, 0x2E, 0x40, 0x5F, 0x2D, 0x2F: true
            default: false
            }
        }
    }
}
