package import AccessPolicy
package import Domain

/// What an organization says of itself: its accounts, where they stand in its tree, and its control policies.
///
/// It becomes a fact for this gateway only with the organization's signature; see `SignedOrganizationManifest`.
///
/// - Source: FEDERATION 1; docs.aws.amazon.com/organizations/latest/userguide/orgs_getting-started_concepts.html
package struct OrganizationManifest: Equatable, Sendable {
    /// The longest manifest that is read: ten thousand accounts and some hundred policies, with room to spare.
    package static let maximumBytes = 4 << 20
    /// Nesting of the JSON text: a policy's six levels below the list it stands in.
    static let maximumDepth = 16
    /// Accounts of one organization.
    /// Source: docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
    package static let maximumAccounts = 10_000
    /// Organizational units above an account. Source: the same page, five levels under the root.
    package static let maximumUnits = 5
    /// Control policies of one kind.
    package static let maximumPolicies = 1000
    /// Control policies of one kind at one place of the tree: twice what AWS Organizations lets attach.
    package static let maximumPoliciesPerTarget = 10
    /// The largest sequence number: what JSON carries exactly. Source: RFC 7493 section 2.2.
    package static let maximumSequence: UInt64 = (1 << 53) - 1

    /// An account and its place: `o-…/r-…/ou-…/…/`.
    package struct Account: Equatable, Sendable {
        package let id: AccountID
        package let name: String?
        package let path: OrganizationPath
    }

    /// Where a control policy is attached.
    package enum Target: Hashable, Sendable {
        /// The root or an organizational unit, with all that is below it.
        case level(OrganizationPath)
        case account(AccountID)
    }

    /// A service or resource control policy.
    package struct ControlPolicy: Equatable, Sendable {
        /// Unique within its kind; explanations call it so.
        package let name: String
        /// At least one; no target twice.
        package let targets: [Target]
        package let document: PolicyDocument
    }

    /// `o-` and 10 … 32 of a–z 0–9.
    package let organization: String
    /// One of `accounts`; control policies do not bind it.
    package let managementAccount: AccountID
    /// 1 … 2^53 − 1; a later manifest has a higher one.
    package let sequence: UInt64
    package let issuedAt: Timestamp
    /// From this moment on nobody knows who is a member: what depends on it fails closed.
    package let expiresAt: Timestamp
    /// Unique by id, at least one.
    package let accounts: [Account]
    package let serviceControlPolicies: [ControlPolicy]
    package let resourceControlPolicies: [ControlPolicy]
}

extension OrganizationPath {
    /// The root, then each organizational unit down to this place.
    var levels: [OrganizationPath] {
        var levels: [OrganizationPath] = []
        var text = ""
        for part in description.split(separator: "/") {
            let isRootOrBelow = !text.isEmpty
            text += part + "/"
            if isRootOrBelow, let level = OrganizationPath(parsing: text) { levels.append(level) }
        }
        return levels
    }

    /// `o-…/r-…/`.
    var root: OrganizationPath? { levels.first }

    /// Whether each part has the form AWS Organizations gives it: `o-…/r-…/`, then up to five `ou-…-…/`.
    ///
    /// Source: docs.aws.amazon.com/organizations/latest/APIReference/API_Root.html and API_OrganizationalUnit.html
    var isWellFormed: Bool {
        let parts = description.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        guard (2...2 + OrganizationManifest.maximumUnits).contains(parts.count) else { return false }
        return Self.isName(parts[1].dropPrefix("r-"), 4...32) && parts.dropFirst(2).allSatisfy(Self.isUnit)
    }

    private static func isUnit(_ part: Substring) -> Bool {
        guard let names = part.dropPrefix("ou-")?.split(separator: "-", omittingEmptySubsequences: false) else {
            return false
        }
        return names.count == 2 && isName(names[0], 4...32) && isName(names[1], 8...32)
    }

    private static func isName(_ text: Substring?, _ length: ClosedRange<Int>) -> Bool {
        guard let text, length.contains(text.utf8.count) else { return false }
        return text.utf8.allSatisfy { ($0 >= 0x61 && $0 <= 0x7A) || ($0 >= 0x30 && $0 <= 0x39) }
    }
}

extension Substring {
    /// The rest behind `prefix`; `nil` without it.
    fileprivate func dropPrefix(_ prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
