import AccessPolicy
import Domain
import JSON

extension OrganizationManifest {
    /// Reads a manifest strictly: unknown members, repeated keys and accounts, paths of another organization and
    /// policies that are not valid IAM are refused with their place. The bytes need not be canonical.
    package init(parsing bytes: [UInt8]) throws(OrganizationRefusal) {
        try self.init(Self.node(bytes))
    }

    /// The JSON of a manifest, not yet looked into.
    static func node(_ bytes: [UInt8]) throws(OrganizationRefusal) -> JSONNode {
        guard bytes.count <= maximumBytes else { throw .tooLarge(bytes: bytes.count, limit: maximumBytes) }
        do throws(JSONError) {
            return try JSONNode(parsing: bytes, maximumBytes: maximumBytes, maximumDepth: maximumDepth)
        } catch {
            throw .json(error)
        }
    }

    /// Reads a manifest out of its JSON; see `init(parsing:)`.
    init(_ node: JSONNode) throws(OrganizationRefusal) {
        let root = try ManifestObject(
            node, place: "",
            required: ["organization", "managementAccount", "sequence", "issuedAt", "expiresAt", "accounts"],
            optional: ["serviceControlPolicies", "resourceControlPolicies"])
        organization = try root.text("organization")
        guard OrganizationPath(parsing: organization + "/")?.organization.count == organization.count else {
            throw root.invalid("organization", "write `o-` and 10 to 32 of a–z and 0–9")
        }
        managementAccount = try root.account("managementAccount")
        sequence = try root.sequence("sequence")
        issuedAt = try root.moment("issuedAt")
        expiresAt = try root.moment("expiresAt")
        guard issuedAt < expiresAt else { throw root.invalid("expiresAt", "write a moment after `issuedAt`") }
        accounts = try Self.accounts(root, organization)
        let known = Set(accounts.map(\.id))
        guard known.contains(managementAccount) else {
            throw root.invalid("managementAccount", "name one of `accounts`")
        }
        let reader = ControlPolicyReader(root: accounts[0].path.root, accounts: known)
        serviceControlPolicies = try reader.read(root, "serviceControlPolicies", kind: .serviceControl)
        resourceControlPolicies = try reader.read(root, "resourceControlPolicies", kind: .resourceControl)
    }

    private static func accounts(
        _ root: ManifestObject, _ organization: String
    ) throws(OrganizationRefusal) -> [Account] {
        let nodes = try root.list("accounts", 1...maximumAccounts)
        var accounts: [Account] = []
        accounts.reserveCapacity(nodes.count)
        var seen: Set<AccountID> = []
        for (index, node) in nodes.enumerated() {
            let place = "/accounts/\(index)"
            let object = try ManifestObject(node, place: place, required: ["id", "path"], optional: ["name"])
            let id = try object.account("id")
            guard seen.insert(id).inserted else { throw object.invalid("id", "account \(id) stands here twice") }
            let path = try object.path("path", of: organization)
            guard accounts.isEmpty || path.root == accounts[0].path.root else {
                throw object.invalid("path", "an organization has one root, that of `/accounts/0`")
            }
            let name = try object.optionalText("name")
            if let name, !(1...50).contains(name.unicodeScalars.count) {
                throw object.invalid("name", "a name has 1 to 50 characters")
            }
            accounts.append(Account(id: id, name: name, path: path))
        }
        return accounts
    }
}

/// Reads the control policies of one manifest.
private struct ControlPolicyReader {
    let root: OrganizationPath?
    let accounts: Set<AccountID>

    func read(
        _ manifest: ManifestObject, _ member: String, kind: PolicyKind
    ) throws(OrganizationRefusal) -> [OrganizationManifest.ControlPolicy] {
        guard manifest[member] != nil else { return [] }
        let nodes = try manifest.list(member, 0...OrganizationManifest.maximumPolicies)
        var names: Set<String> = []
        var attached: [OrganizationManifest.Target: Int] = [:]
        var policies: [OrganizationManifest.ControlPolicy] = []
        for (index, node) in nodes.enumerated() {
            let place = "/\(member)/\(index)"
            let object = try ManifestObject(node, place: place, required: ["name", "targets", "policy"])
            let name = try object.text("name")
            guard (1...128).contains(name.utf8.count), name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw object.invalid("name", "a name has 1 to 128 printable ASCII characters without spaces")
            }
            guard names.insert(name).inserted else { throw object.invalid("name", "`\(name)` stands here twice") }
            let targets = try targets(object)
            for target in targets {
                attached[target, default: 0] += 1
                guard attached[target, default: 0] <= OrganizationManifest.maximumPoliciesPerTarget else {
                    throw object.invalid(
                        "targets", "at most \(OrganizationManifest.maximumPoliciesPerTarget) policies at one place")
                }
            }
            policies.append(.init(name: name, targets: targets, document: try document(object, kind)))
        }
        return policies
    }

    private func targets(_ object: ManifestObject) throws(OrganizationRefusal) -> [OrganizationManifest.Target] {
        let nodes = try object.list("targets", 1...OrganizationManifest.maximumAccounts)
        var targets: [OrganizationManifest.Target] = []
        var seen: Set<OrganizationManifest.Target> = []
        for (index, node) in nodes.enumerated() {
            let text = node.string ?? ""
            let target: OrganizationManifest.Target
            if let account = AccountID(parsing: text), accounts.contains(account) {
                target = .account(account)
            } else if let path = OrganizationPath(parsing: text), path.isWellFormed, path.root == root {
                target = .level(path)
            } else {
                throw object.invalid(
                    "targets/\(index)", "write a path that begins with the organization's root, or one of its accounts")
            }
            guard seen.insert(target).inserted else {
                throw object.invalid("targets/\(index)", "`\(text)` stands here twice")
            }
            targets.append(target)
        }
        return targets
    }

    private func document(_ object: ManifestObject, _ kind: PolicyKind) throws(OrganizationRefusal) -> PolicyDocument {
        do throws(PolicyError) {
            return try PolicyDocument(object["policy"] ?? .null, kind: kind)
        } catch {
            throw .policy(place: object.place + "/policy", error)
        }
    }
}

/// One object of a manifest with the pointer of where it is.
private struct ManifestObject {
    let place: String
    private let members: [JSONNode.Member]

    /// Takes an object that has every member of `required`, and no member besides them and `optional`.
    init(
        _ node: JSONNode, place: String, required: [String], optional: [String] = []
    ) throws(OrganizationRefusal) {
        guard let members = node.object else {
            throw .invalid(place: place, wanted: "found \(node.kindName), write an object")
        }
        self.place = place
        self.members = members
        for member in members where !required.contains(member.key) && !optional.contains(member.key) {
            let known = (required + optional).map { "`\($0)`" }.joined(separator: ", ")
            throw .invalid(
                place: place, wanted: "`\(member.key.prefix(64))` has no place here; the members are \(known)")
        }
        for name in required where self[name] == nil {
            throw .invalid(place: place, wanted: "`\(name)` is missing")
        }
    }

    subscript(name: String) -> JSONNode? { members.first { $0.key == name }?.value }

    func invalid(_ name: String, _ wanted: String) -> OrganizationRefusal {
        .invalid(place: "\(place)/\(name)", wanted: wanted)
    }

    func text(_ name: String) throws(OrganizationRefusal) -> String {
        guard let text = self[name]?.string else { throw invalid(name, "write a string") }
        return text
    }

    func optionalText(_ name: String) throws(OrganizationRefusal) -> String? {
        self[name] == nil ? nil : try text(name)
    }

    func account(_ name: String) throws(OrganizationRefusal) -> AccountID {
        guard let account = AccountID(parsing: try text(name)) else {
            throw invalid(name, "an account id is a string of exactly 12 digits")
        }
        return account
    }

    func list(_ name: String, _ counts: ClosedRange<Int>) throws(OrganizationRefusal) -> [JSONNode] {
        guard let elements = self[name]?.array else { throw invalid(name, "write a list") }
        guard counts.contains(elements.count) else {
            throw invalid(name, "found \(elements.count) elements, write \(counts.lowerBound) to \(counts.upperBound)")
        }
        return elements
    }

    func sequence(_ name: String) throws(OrganizationRefusal) -> UInt64 {
        guard let number = self[name]?.uint64, (1...OrganizationManifest.maximumSequence).contains(number) else {
            throw invalid(name, "write a whole number from 1 to \(OrganizationManifest.maximumSequence)")
        }
        return number
    }

    /// A moment as `Timestamp.iso8601` writes whole seconds, and no other spelling of it.
    func moment(_ name: String) throws(OrganizationRefusal) -> Timestamp {
        guard let moment = Timestamp(iso8601: try text(name)) else {
            throw invalid(name, "write a moment in UTC such as `2026-11-21T06:00:00Z`")
        }
        return moment
    }

    func path(_ name: String, of organization: String) throws(OrganizationRefusal) -> OrganizationPath {
        guard let path = OrganizationPath(parsing: try text(name)), path.isWellFormed else {
            throw invalid(name, "write a path such as `\(organization)/r-ab12/ou-ab12-11111111/`, at most five units")
        }
        guard path.organization == organization else {
            throw invalid(name, "the path must begin with `\(organization)/`, the organization's id")
        }
        return path
    }
}
