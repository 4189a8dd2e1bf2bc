import Cryptography
import Domain
import Foundation
import JSON
import Registry
import TestKit

/// A manifest to change and sign: the sender and the owner are members, the foreign account is in none.
struct ManifestDraft {
    static let id = "o-exampleorgid"
    static let root = "o-exampleorgid/r-ab12/"
    static let unit = "o-exampleorgid/r-ab12/ou-ab12-11111111/"
    static let management = AccountID(unchecked: 123_456_789_012)

    var organization = id
    var management: AccountID = management
    var sequence: JSONNode = 5
    var issuedAt = "2026-11-21T05:00:00Z"
    var expiresAt = "2026-11-21T07:00:00Z"
    var accounts: [(id: String, path: String)] = [
        ("123456789012", root), ("111122223333", unit), ("444455556666", root),
    ]
    var service: [JSONNode]?
    var resource: [JSONNode]?
    var more: [JSONNode.Member] = []

    var node: JSONNode {
        var members: [JSONNode.Member] = [
            .init(key: "organization", value: .string(organization)),
            .init(key: "managementAccount", value: .string(management.description)),
            .init(key: "sequence", value: sequence), .init(key: "issuedAt", value: .string(issuedAt)),
            .init(key: "expiresAt", value: .string(expiresAt)),
            .init(
                key: "accounts",
                value: .array(accounts.map { ["id": .string($0.id), "path": .string($0.path)] })),
        ]
        if let service { members.append(.init(key: "serviceControlPolicies", value: .array(service))) }
        if let resource { members.append(.init(key: "resourceControlPolicies", value: .array(resource))) }
        return .object(members + more)
    }

    var bytes: [UInt8] { node.bytes() }

    func signed(_ key: PrivateKey) throws -> SignedOrganizationManifest {
        try SignedOrganizationManifest(signing: bytes, key: key)
    }

    func source(_ key: PrivateKey, origin: String = "manifest.json") throws -> OrganizationSource {
        let signed = try signed(key)
        return OrganizationSource(
            origin: origin, manifest: signed.bytes, signature: signed.signature, publicKey: try key.publicKey())
    }

    static func policy(_ name: String, _ targets: [String], _ statements: String...) throws -> JSONNode {
        let policy = try JSONNode(
            parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#)
        return ["name": .string(name), "targets": .array(targets.map { .string($0) }), "policy": policy]
    }
}

/// The refusal of a manifest, `nil` when it is read.
func refusal<Value>(_ read: () throws(OrganizationRefusal) -> Value) -> OrganizationRefusal? {
    do throws(OrganizationRefusal) {
        _ = try read()
        return nil
    } catch {
        return error
    }
}

extension Scene {
    /// A declaration with organizations.
    static func declaration(
        organizations: [OrganizationSource], statements: [String] = [], publisher: [String] = [everything]
    ) throws -> Declaration {
        let policy =
            statements.isEmpty
            ? nil
            : try JSONNode(parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#)
        let seed = Declaration.Seed(id: bus("orders"), description: nil, policy: policy, tags: [])
        let plain = try declaration(publisher: publisher, seeds: [seed])
        return Declaration(
            partition: partition, region: region, accounts: plain.accounts, trustDomains: [], seeds: plain.seeds,
            endpoints: plain.endpoints, quotas: plain.quotas, organizations: organizations)
    }
}
