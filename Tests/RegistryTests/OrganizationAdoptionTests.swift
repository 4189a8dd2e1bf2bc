import Cryptography
import Domain
import JSON
import Registry
import TestKit
import Testing

@Suite("A manifest on its way into force")
struct OrganizationAdoptionTests {
    let key: PrivateKey
    let store = InMemoryControlStore()

    init() throws { key = try .generate(.ed25519) }

    private func adopt(
        _ sources: [OrganizationSource], after snapshot: Snapshot? = nil, at moment: Timestamp = now
    ) throws -> Snapshot {
        let declaration = try Scene.declaration(organizations: sources)
        let base = try snapshot ?? Snapshot.loading(try store.load(), declaration: declaration)
        let transition = try base.adopting(declaration, at: moment)
        try store.commit(transition.changes)
        return transition.snapshot
    }

    private func source(
        _ sequence: Int64, _ change: (inout ManifestDraft) -> Void = { _ in }
    ) throws -> OrganizationSource {
        var draft = ManifestDraft()
        draft.sequence = .integer(sequence)
        change(&draft)
        return try draft.source(key)
    }

    private func path(_ snapshot: Snapshot, _ account: AccountID = Scene.sender) -> String? {
        snapshot.organizations.path(of: account, at: now)?.description
    }

    @Test("a higher sequence takes over, a lower one and another manifest of the same are refused, the same one stays")
    func sequence() throws {
        let first = try adopt([try source(5)])
        #expect(path(first) == ManifestDraft.unit)
        #expect(first.organizations.refused == [])
        let moved = try source(6) { $0.accounts[1].path = ManifestDraft.root }
        let second = try adopt([moved], after: first)
        #expect(path(second) == ManifestDraft.root)
        let lower = try adopt([try source(5)], after: second)
        #expect(path(lower) == ManifestDraft.root)
        #expect(lower.organizations.refused.map(\.refusal) == [.lowerSequence(5, last: 6)])
        let other = try adopt([try source(6) { $0.accounts.removeLast() }], after: lower)
        #expect(other.organizations.refused.map(\.refusal) == [.sameSequence(6)])
        #expect(path(other, Scene.owner) == ManifestDraft.root)
        let same = try adopt([moved], after: other)
        #expect(same.organizations.refused == [])
    }

    @Test("a forged manifest leaves the last good one in force, and the rest of the configuration is taken over")
    func forged() throws {
        let good = try adopt([try source(5)])
        var forged = try source(9) { $0.accounts.append(("999988887777", ManifestDraft.root)) }
        forged = OrganizationSource(
            origin: "m", manifest: forged.manifest, signature: [UInt8](repeating: 7, count: 64),
            publicKey: forged.publicKey)
        let next = try adopt([forged], after: good)
        #expect(next.generation == good.generation + 1)
        #expect(next.organizations.refused.map(\.origin) == ["m"])
        #expect(next.organizations.refused.map(\.refusal) == [.badSignature])
        #expect(path(next) == ManifestDraft.unit)
        #expect(path(next, Scene.foreign) == nil)
    }

    @Test("a restart does not go back: the last good manifest is stored and stays in force")
    func restart() throws {
        _ = try adopt([try source(7) { $0.accounts[1].path = ManifestDraft.root }])
        let records = try store.load()
        #expect(records.count { $0.kind == .organization } == 1)
        let restarted = try adopt([try source(6)])
        #expect(restarted.organizations.refused.map(\.refusal) == [.lowerSequence(6, last: 7)])
        #expect(path(restarted) == ManifestDraft.root)
    }

    @Test("an organization that leaves the configuration is unknown there, and its sequence is still held to")
    func removed() throws {
        let first = try adopt([try source(7)])
        let without = try adopt([], after: first)
        #expect(without.organizations.isEmpty)
        #expect(path(without) == nil)
        let back = try adopt([try source(6)], after: without)
        #expect(back.organizations.refused.map(\.refusal) == [.lowerSequence(6, last: 7)])
    }

    @Test("a manifest that is refused where none was good stops the start")
    func firstStart() throws {
        let good = try source(5)
        let forged = OrganizationSource(
            origin: "m.json", manifest: good.manifest, signature: [], publicKey: good.publicKey)
        #expect(throws: ControlFault.self) { try adopt([forged]) }
        let declaration = try Scene.declaration(organizations: [forged])
        let base = try Snapshot.loading([], declaration: declaration)
        let refused = fault { () throws(ControlFault) in try base.adopting(declaration, at: now) }
        #expect(refused?.message.hasPrefix("organization manifest `m.json` is refused: the signature is not") == true)
    }

    @Test("a manifest from the future is refused beyond five minutes")
    func future() throws {
        let good = try adopt([try source(5)])
        for (seconds, isRefused) in [(299, false), (300, false), (301, true)] {
            let issued = now.advanced(bySeconds: Int64(seconds)).iso8601
            let next = try adopt([try source(6) { $0.issuedAt = issued }], after: good)
            #expect((next.organizations.refused != []) == isRefused, "\(seconds)")
        }
    }

    @Test("an account belongs to the organization that has it, whoever claims it later")
    func claimed() throws {
        let other = try PrivateKey.generate(.ed25519)
        func second(_ accounts: [(id: String, path: String)], _ sequence: Int64) throws -> OrganizationSource {
            var draft = ManifestDraft()
            draft.organization = "o-anotherorgid"
            draft.sequence = .integer(sequence)
            draft.management = Scene.foreign
            draft.accounts = accounts
            return try draft.source(other, origin: "second.json")
        }
        let own = ("999988887777", "o-anotherorgid/r-zz99/")
        let both = try adopt([try second([own], 1), try source(5)])
        #expect(path(both, Scene.foreign) == own.1)
        let claim = try second([own, ("111122223333", own.1)], 2)
        let refused = try adopt([claim, try source(5)], after: both)
        #expect(
            refused.organizations.refused.map(\.refusal)
                == [.accountElsewhere(Scene.sender, organization: ManifestDraft.id)])
        #expect(path(refused) == ManifestDraft.unit)
        let taken = try adopt([claim, try source(6) { $0.accounts.remove(at: 1) }], after: refused)
        #expect(taken.organizations.refused == [])
        #expect(path(taken) == own.1)
    }

    @Test("a key speaks for its own organization only, also where the other one's manifest is new")
    func impostor() throws {
        let other = try PrivateKey.generate(.ed25519)
        func second(_ organization: String, _ sequence: Int64) throws -> OrganizationSource {
            var draft = ManifestDraft()
            (draft.organization, draft.sequence, draft.management) = (organization, .integer(sequence), Scene.foreign)
            draft.accounts = [("999988887777", "\(organization)/r-zz99/")]
            return try draft.source(other, origin: "second.json")
        }
        let both = try adopt([try second("o-anotherorgid", 1), try source(5)])
        let posing = try adopt([try second(ManifestDraft.id, 9), try source(6)], after: both)
        #expect(posing.organizations.refused.map(\.refusal) == [.keyOfAnother(organization: "o-anotherorgid")])
        #expect(path(posing) == ManifestDraft.unit)
        #expect(path(posing, Scene.foreign) == "o-anotherorgid/r-zz99/")
        var unknown = ManifestDraft()
        unknown.sequence = 9
        let posed = try unknown.source(try PrivateKey.generate(.ed25519))
        #expect(throws: ControlFault.self) { try adopt([posed, try source(7)], after: posing) }
    }

    @Test("an organization whose key is replaced goes on with the new one, its sequence held to")
    func newKey() throws {
        let first = try adopt([try source(5)])
        let next = try PrivateKey.generate(.ed25519)
        var draft = ManifestDraft()
        draft.sequence = 4
        #expect(throws: ControlFault.self) { try adopt([try draft.source(next)], after: first) }
        draft.sequence = 6
        draft.accounts[1].path = ManifestDraft.root
        let second = try adopt([try draft.source(next)], after: first)
        #expect(path(second) == ManifestDraft.root)
        #expect(path(try adopt([try draft.source(next)])) == ManifestDraft.root, "after a restart as well")
    }

    @Test("after a restart, too, an account stays with the organization that had it")
    func claimAtStart() throws {
        let other = try PrivateKey.generate(.ed25519)
        func second(_ sequence: Int64, _ more: [(id: String, path: String)]) throws -> OrganizationSource {
            var draft = ManifestDraft()
            draft.organization = "o-anotherorgid"
            draft.sequence = .integer(sequence)
            draft.management = Scene.foreign
            draft.accounts = [("999988887777", "o-anotherorgid/r-zz99/")] + more
            return try draft.source(other)
        }
        _ = try adopt([try second(1, []), try source(5)])
        let restarted = try adopt([try second(2, [("111122223333", "o-anotherorgid/r-zz99/")]), try source(5)])
        #expect(restarted.organizations.refused.count == 1)
        #expect(path(restarted) == ManifestDraft.unit)
    }

    @Test("a stored manifest that is not as it was stored stops the start")
    func spoiled() throws {
        _ = try adopt([try source(5)])
        let record = try #require(try store.load().first { $0.kind == .organization })
        let declaration = try Scene.declaration(organizations: [])
        #expect(loadingError([record], declaration) == nil)
        for value in [[], Array(record.value.dropLast()), Array(record.value.dropFirst())] {
            let spoiled = ControlRecord(kind: .organization, key: record.key, value: value)
            #expect(loadingError([spoiled], declaration) != nil)
        }
        #expect(
            loadingError([ControlRecord(kind: .organization, key: "o-anotherorgid", value: record.value)], declaration)
                == .unreadable(reason: "organization `o-anotherorgid`"))
    }
}
