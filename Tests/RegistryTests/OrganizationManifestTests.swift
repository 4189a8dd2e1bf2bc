import Cryptography
import Domain
import JSON
import Registry
import TestKit
import Testing

@Suite("A manifest, read and signed")
struct OrganizationManifestTests {
    @Test("a manifest is read whole")
    func reads() throws {
        var draft = ManifestDraft()
        draft.service = [try ManifestDraft.policy("deny", [ManifestDraft.unit, "111122223333"], Scene.everything)]
        let manifest = try OrganizationManifest(parsing: draft.bytes)
        #expect(manifest.organization == "o-exampleorgid")
        #expect(manifest.sequence == 5)
        #expect(manifest.expiresAt == SettableClock.start.advanced(bySeconds: 3600))
        #expect(manifest.accounts.map(\.id.description) == ["123456789012", "111122223333", "444455556666"])
        #expect(manifest.accounts[1].path.description == ManifestDraft.unit)
        let level = try #require(OrganizationPath(parsing: ManifestDraft.unit))
        #expect(manifest.serviceControlPolicies.map(\.targets) == [[.level(level), .account(Scene.sender)]])
    }

    static let mistakes: [(String, @Sendable (inout ManifestDraft) -> Void)] = [
        ("/organization", { $0.organization = "o-short" }),
        ("/organization", { $0.organization = "o-exampleorgid/r-ab12" }),
        ("/organization", { $0.organization = "o-EXAMPLEORGID" }),
        ("/managementAccount", { $0.management = AccountID(unchecked: 1) }),
        ("/sequence", { $0.sequence = 0 }), ("/sequence", { $0.sequence = -1 }), ("/sequence", { $0.sequence = "5" }),
        ("/sequence", { $0.sequence = .double(5.5) }),
        ("/sequence", { $0.sequence = .unsigned(1 << 53) }),
        ("/issuedAt", { $0.issuedAt = "2026-11-21T05:00:00" }),
        ("/issuedAt", { $0.issuedAt = "2026-02-30T05:00:00Z" }),
        ("/issuedAt", { $0.issuedAt = "2026-11-21T05:00:00+00:00" }),
        ("/expiresAt", { $0.expiresAt = "2026-11-21T05:00:00Z" }),
        ("/accounts", { $0.accounts = [] }),
        ("/accounts/3/id", { $0.accounts.append(("111122223333", ManifestDraft.root)) }),
        ("/accounts/1/id", { $0.accounts[1].id = "11112222333" }),
        ("/accounts/1/path", { $0.accounts[1].path = "o-anotherorgid/r-ab12/" }),
        ("/accounts/1/path", { $0.accounts[1].path = "o-exampleorgidx/r-ab12/" }),
        ("/accounts/1/path", { $0.accounts[1].path = "r-ab12/" }),
        ("/accounts/1/path", { $0.accounts[1].path = "o-exampleorgid/" }),
        ("/accounts/1/path", { $0.accounts[1].path = "o-exampleorgid/r-ab12" }),
        ("/accounts/1/path", { $0.accounts[1].path = "o-exampleorgid//r-ab12/" }),
        ("/accounts/1/path", { $0.accounts[1].path = "o-exampleorgid/r-ab12/*/" }),
        ("/accounts/1/path", { $0.accounts[1].path = "o-exampleorgid/r-cd34/" }),
        ("/accounts/1/path", { $0.accounts[1].path = ManifestDraft.root + "ou-ab12-1111111/" }),
        (
            "/accounts/1/path",
            { draft in
                draft.accounts[1].path = ManifestDraft.root + String(repeating: "ou-ab12-11111111/", count: 6)
            }
        ),
        ("", { $0.more = [.init(key: "extra", value: 1)] }),
        ("/serviceControlPolicies/0/targets/0", { $0.service = Self.attached(["999988887777"]) }),
        ("/serviceControlPolicies/0/targets/0", { $0.service = Self.attached(["o-exampleorgid/"]) }),
        ("/serviceControlPolicies/0/targets/0", { $0.service = Self.attached(["o-exampleorgid/r-cd34/"]) }),
        (
            "/serviceControlPolicies/0/targets/1",
            { draft in
                draft.service = Self.attached([ManifestDraft.root, ManifestDraft.root])
            }
        ),
        ("/serviceControlPolicies/0/targets", { $0.service = Self.attached([]) }),
        (
            "/serviceControlPolicies/1/name",
            { draft in
                draft.service = Self.attached([ManifestDraft.root]) + Self.attached([ManifestDraft.unit])
            }
        ),
    ]

    @Sendable private static func attached(_ targets: [String], _ name: String = "n") -> [JSONNode] {
        let policy: JSONNode = [
            "Version": "2012-10-17", "Statement": ["Effect": "Deny", "Action": "*", "Resource": "*"],
        ]
        return [["name": .string(name), "targets": .array(targets.map { .string($0) }), "policy": policy]]
    }

    @Test("what is wrong is refused with its place", arguments: mistakes.indices)
    func mistake(_ index: Int) throws {
        var draft = ManifestDraft()
        Self.mistakes[index].1(&draft)
        let found = refusal { () throws(OrganizationRefusal) in try OrganizationManifest(parsing: draft.bytes) }
        guard case .invalid(let place, _)? = found else {
            Issue.record("\(draft.node) gives \(found as Any)")
            return
        }
        #expect(place == Self.mistakes[index].0)
    }

    @Test("a path may have five units, a place ten policies, and no more")
    func limits() throws {
        for (count, isRefused) in [(4, false), (5, false), (6, true)] {
            var draft = ManifestDraft()
            draft.accounts[1].path = ManifestDraft.root + String(repeating: "ou-ab12-11111111/", count: count)
            let found = refusal { () throws(OrganizationRefusal) in try OrganizationManifest(parsing: draft.bytes) }
            #expect((found != nil) == isRefused, "\(count) units")
        }
        for (count, isRefused) in [(9, false), (10, false), (11, true)] {
            var draft = ManifestDraft()
            draft.service = (0..<count).flatMap { Self.attached([ManifestDraft.root], "n\($0)") }
            let found = refusal { () throws(OrganizationRefusal) in try OrganizationManifest(parsing: draft.bytes) }
            #expect((found != nil) == isRefused, "\(count) policies")
        }
    }

    @Test("ten thousand accounts are read, one more is refused; so are bytes beyond the limit")
    func sizes() throws {
        func refused(_ count: Int) -> OrganizationRefusal? {
            var draft = ManifestDraft()
            draft.accounts += (0..<count - 3).map { (AccountID(unchecked: UInt64($0)).description, ManifestDraft.root) }
            return refusal { () throws(OrganizationRefusal) in try OrganizationManifest(parsing: draft.bytes) }
        }
        #expect(refused(OrganizationManifest.maximumAccounts) == nil)
        let over = OrganizationManifest.maximumAccounts + 1
        #expect(
            refused(over)
                == .invalid(place: "/accounts", wanted: "found \(over) elements, write 1 to \(over - 1)"))
        let long = [UInt8](repeating: 0x20, count: OrganizationManifest.maximumBytes + 1)
        #expect(
            refusal { () throws(OrganizationRefusal) in try OrganizationManifest(parsing: long) }
                == .tooLarge(bytes: long.count, limit: long.count - 1))
    }

    @Test("a repeated member, a policy that is not IAM and bytes that are no JSON are refused")
    func malformed() throws {
        var draft = ManifestDraft()
        draft.more = [.init(key: "sequence", value: 6)]
        #expect(
            refusal { () throws(OrganizationRefusal) in try OrganizationManifest(parsing: draft.bytes) }
                == .json(.duplicateKey(path: "/sequence")))
        draft.more = []
        draft.resource = [try ManifestDraft.policy("n", [ManifestDraft.root], Scene.everything)]
        guard
            case .policy(let place, _)? = refusal({ () throws(OrganizationRefusal) in
                try OrganizationManifest(parsing: draft.bytes)
            })
        else {
            Issue.record("a resource control policy without a principal is read")
            return
        }
        #expect(place == "/resourceControlPolicies/0/policy")
        #expect(refusal { () throws(OrganizationRefusal) in try OrganizationManifest(parsing: [0x7B]) } != nil)
    }

    @Test("a signed manifest verifies with its key alone, and no bit of it or of its signature may differ")
    func signature() throws {
        let key = try PrivateKey.generate(.ed25519)
        let signed = try ManifestDraft().signed(key)
        let publicKey = try key.publicKey()
        let again = try SignedOrganizationManifest(bytes: signed.bytes, signature: signed.signature, key: publicKey)
        #expect(again == signed)
        func refused(_ bytes: [UInt8], _ signature: [UInt8], _ key: PublicKey) -> OrganizationRefusal? {
            refusal { () throws(OrganizationRefusal) in
                try SignedOrganizationManifest(bytes: bytes, signature: signature, key: key)
            }
        }
        for index in signed.bytes.indices {
            var bytes = signed.bytes
            bytes[index] ^= 1 << UInt8(index % 8)
            #expect(refused(bytes, signed.signature, publicKey) == .badSignature)
        }
        for bit in 0..<8 * signed.signature.count {
            var signature = signed.signature
            signature[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(refused(signed.bytes, signature, publicKey) == .badSignature)
        }
        for signature in [[], Array(signed.signature.dropLast()), signed.signature + [0]] {
            #expect(refused(signed.bytes, signature, publicKey) == .badSignature)
        }
        #expect(refused(signed.bytes, signed.signature, try PrivateKey.generate(.ed25519).publicKey()) == .badSignature)
        #expect(refused(signed.bytes, signed.signature, try PrivateKey.generate(.ecdsaP256).publicKey()) == .wrongKey)
    }

    @Test("what is signed but not canonical is refused; signing makes it canonical")
    func canonical() throws {
        let key = try PrivateKey.generate(.ed25519)
        let loose = ManifestDraft().bytes
        let signature = try key.signature(for: loose)
        let publicKey = try key.publicKey()
        #expect(
            refusal { () throws(OrganizationRefusal) in
                try SignedOrganizationManifest(bytes: loose, signature: signature, key: publicKey)
            } == .notCanonical)
        let signed = try ManifestDraft().signed(key)
        #expect(String(decoding: signed.bytes, as: UTF8.self).hasPrefix(#"{"accounts":[{"id":"123456789012","path":"#))
        #expect(signed.manifest == (try OrganizationManifest(parsing: loose)))
    }
}
