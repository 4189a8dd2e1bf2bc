/// Who a caller is, as IAM names it.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
package struct Principal: Hashable, Sendable, CustomStringConvertible {
    package enum Kind: String, Hashable, Sendable {
        case user
        case role
        case assumedRole
        case service
    }

    package let kind: Kind
    package let account: AccountID
    /// `arn:aws:iam::ACCOUNT:user/PATH`, `…:role/PATH` or `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
    package let arn: String

    /// A user or role of `account`; `path` is what follows `user/` or `role/`.
    package init(_ kind: Kind, path: String, account: AccountID, partition: String = "aws") {
        self.kind = kind
        self.account = account
        arn =
            switch kind {
            case .user: "arn:\(partition):iam::\(account):user/\(path)"
            case .role: "arn:\(partition):iam::\(account):role/\(path)"
            case .assumedRole: "arn:\(partition):sts::\(account):assumed-role/\(path)"
            case .service: path
            }
    }

    /// Reads a principal ARN of IAM or STS; any other ARN is `nil`.
    package init?(parsing text: String) {
        guard let parsed = ARN(parsing: text), parsed.region.isEmpty, let account = AccountID(parsing: parsed.account)
        else { return nil }
        let resource = parsed.resource
        switch parsed.service {
        case "iam" where resource.hasPrefix("user/") && resource.utf8.count > 5: kind = .user
        case "iam" where resource.hasPrefix("role/") && resource.utf8.count > 5: kind = .role
        case "sts" where resource.hasPrefix("assumed-role/"):
            guard resource.split(separator: "/").count == 3 else { return nil }
            kind = .assumedRole
        default: return nil
        }
        self.account = account
        arn = text
    }

    package var description: String { arn }
}

/// A place in an organization: `o-id/r-id/ou-id/…/`.
///
/// Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html (`aws:PrincipalOrgPaths`)
package struct OrganizationPath: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    /// Reads a path that starts with an organization id `o-[a-z0-9]{10,32}` and ends with `/`.
    package init?(parsing text: String) {
        guard text.utf8.count <= 512, text.hasSuffix("/"), let first = text.split(separator: "/").first,
            first.hasPrefix("o-"), (12...34).contains(first.utf8.count),
            first.dropFirst(2).utf8.allSatisfy({ ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) })
        else { return nil }
        description = text
    }

    /// `o-…`.
    package var organization: Substring { description.prefix { $0 != "/" } }
}
