import Domain

/// Whether a condition ties everyone down to a known organization, account or endpoint.
///
/// Source: POLICY 3: positive, not `IfExists`, a complete literal id before any wildcard.
enum PolicyAnchor {
    static func holds(_ condition: Condition) -> Bool {
        let comparison = condition.comparison
        guard !comparison.isNegated, !comparison.ifExists, comparison.quantifier != .forAllValues,
            !condition.values.isEmpty, case .known(let key) = ContextKeyName(condition.key)
        else { return false }
        switch comparison.comparison {
        case .stringEquals, .stringLike, .arnEquals, .arnLike: break
        default: return false
        }
        return condition.values.allSatisfy { value in
            guard let text = PatternText(value, wildcards: comparison.readsWildcards, variables: true) else {
                return false
            }
            let literal = text.literalPrefix
            return isAnchored(key, String(decoding: literal.bytes, as: UTF8.self), isWhole: literal.isWhole)
        }
    }

    private static func isAnchored(_ key: ContextKey, _ literal: String, isWhole: Bool) -> Bool {
        switch key {
        case .principalOrgID: return isWhole && organization(literal) == literal.utf8.count
        case .principalOrgPaths: return beginsWithOrganization(literal)
        case .principalAccount, .sourceAccount: return isWhole && AccountID(parsing: literal) != nil
        case .principalArn, .sourceArn:
            let parts = literal.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
            return parts.count == 6 && parts[0] == "arn" && AccountID(parsing: String(parts[4])) != nil
        case .sourceVpce: return isWhole && literal.hasPrefix("vpce-") && literal.utf8.count > 5
        default: return false
        }
    }

    /// `o-exampleorgid/…`: a complete id and its slash.
    static func beginsWithOrganization(_ text: String) -> Bool {
        guard let length = organization(text) else { return false }
        return text.utf8.dropFirst(length).first == UInt8(ascii: "/")
    }

    /// The length of the organization id `text` begins with: `o-` and 10 … 32 of `a-z0-9`.
    private static func organization(_ text: String) -> Int? {
        guard text.hasPrefix("o-") else { return nil }
        let rest = text.utf8.dropFirst(2).prefix { ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) }
        return (10...32).contains(rest.count) ? rest.count + 2 : nil
    }

    /// `*`, or six parts of which the first is `arn` or a wildcard; a variable may stand for any of it.
    static func isARNPattern(_ value: String) -> Bool {
        if value == "*" || value.contains("${") { return true }
        let parts = value.split(separator: ":", maxSplits: 5, omittingEmptySubsequences: false)
        return parts.count == 6 && (parts[0] == "arn" || parts[0].contains("*")) && !parts[5].isEmpty
    }
}
