import Cryptography
import Domain

extension Organizations {
    /// How far the clock of whoever signs may be ahead: five minutes, as for signatures of requests.
    static let issuerClockSeconds: Int64 = 300

    /// The organizations of another configuration. A manifest that is refused leaves the last good one of its key in
    /// force, and is listed in `refused`.
    ///
    /// - Throws: `.validation` when a manifest is refused and its key never had a good one.
    func adopting(_ sources: [OrganizationSource], at now: Timestamp) throws(ControlFault) -> Organizations {
        var adoption = Adoption(current: self, now: now)
        let keys = Set(sources.map(\.publicKey.fingerprint))
        for source in sources { try adoption.look(at: source, keys) }
        // What stays as it is has its accounts before what is new may claim them.
        for (place, signed) in adoption.candidates.enumerated() where isLast(signed) {
            try adoption.place(signed, of: sources[place], place)
        }
        for (place, signed) in adoption.candidates.enumerated() where !isLast(signed) {
            try adoption.place(signed, of: sources[place], place)
        }
        return adoption.outcome(sources.count)
    }

    /// What has to be durable before this is in force after `other`.
    func changes(since other: Organizations) -> [ControlChange] {
        last.values.filter { other.last[$0.manifest.organization] != $0 }
            .sorted { $0.manifest.organization < $1.manifest.organization }.map { .put($0.record) }
    }

    private func isLast(_ signed: SignedOrganizationManifest) -> Bool {
        last[signed.manifest.organization] == signed
    }

    /// Refuses to go back, and what two different manifests call by one number.
    ///
    /// - Parameter keys: of all organizations of the configuration. A key speaks for one organization only, and takes
    ///   over another's only when that one's own key is there no more.
    func requireSuccessor(
        _ next: SignedOrganizationManifest, keys: Set<Digest>, at now: Timestamp
    ) throws(OrganizationRefusal) {
        let manifest = next.manifest
        if let own = lastGood(of: next.key)?.manifest.organization, own != manifest.organization {
            throw .keyOfAnother(organization: own)
        }
        guard manifest.issuedAt <= now.advanced(bySeconds: Self.issuerClockSeconds) else {
            throw .issuedInFuture(manifest.issuedAt)
        }
        guard let last = last[manifest.organization] else { return }
        guard last.key == next.key || !keys.contains(last.key) else { throw .organizationTwice(manifest.organization) }
        guard last.bytes != next.bytes else { return }
        guard manifest.sequence >= last.manifest.sequence else {
            throw .lowerSequence(manifest.sequence, last: last.manifest.sequence)
        }
        guard manifest.sequence > last.manifest.sequence else { throw .sameSequence(manifest.sequence) }
    }

    /// The manifest of the key with that fingerprint that was in force last.
    func lastGood(of key: Digest) -> SignedOrganizationManifest? { last.values.first { $0.key == key } }
}

/// One configuration's manifests on their way into force.
private struct Adoption {
    let current: Organizations
    let now: Timestamp
    /// In the order of the configuration.
    private(set) var candidates: [SignedOrganizationManifest] = []
    private var organizations: [Int: Organization] = [:]
    private var owners: [AccountID: String] = [:]
    private var refused: [Organizations.Refused] = []

    init(current: Organizations, now: Timestamp) {
        self.current = current
        self.now = now
    }

    /// Verifies a manifest, or takes the last good one instead.
    mutating func look(at source: OrganizationSource, _ keys: Set<Digest>) throws(ControlFault) {
        do throws(OrganizationRefusal) {
            let next = try SignedOrganizationManifest(
                bytes: source.manifest, signature: source.signature, key: source.publicKey)
            try current.requireSuccessor(next, keys: keys, at: now)
            candidates.append(next)
        } catch {
            candidates.append(try fallBack(source, error))
        }
    }

    /// Puts a manifest in force unless another one has its organization or one of its accounts.
    mutating func place(
        _ signed: SignedOrganizationManifest, of source: OrganizationSource, _ place: Int
    ) throws(ControlFault) {
        do throws(OrganizationRefusal) {
            try take(signed, place)
        } catch {
            let last = try fallBack(source, error)
            do throws(OrganizationRefusal) { try take(last, place) } catch { throw Self.fault(source, error) }
        }
    }

    func outcome(_ count: Int) -> Organizations {
        let inForce = (0..<count).compactMap { organizations[$0] }
        var last = current.last
        for organization in inForce { last[organization.signed.manifest.organization] = organization.signed }
        return Organizations(inForce: inForce, last: last, refused: refused)
    }

    private mutating func take(_ signed: SignedOrganizationManifest, _ place: Int) throws(OrganizationRefusal) {
        let name = signed.manifest.organization
        guard !organizations.values.contains(where: { $0.signed.manifest.organization == name }) else {
            throw .organizationTwice(name)
        }
        for account in signed.manifest.accounts {
            if let owner = owners[account.id] { throw .accountElsewhere(account.id, organization: owner) }
        }
        for account in signed.manifest.accounts { owners[account.id] = name }
        // The same object as long as the manifest stays the same: what was prepared from it stands.
        organizations[place] = current.inForce.first { $0.signed == signed } ?? Organization(signed)
    }

    private mutating func fallBack(
        _ source: OrganizationSource, _ refusal: OrganizationRefusal
    ) throws(ControlFault) -> SignedOrganizationManifest {
        guard let last = current.lastGood(of: source.publicKey.fingerprint) else { throw Self.fault(source, refusal) }
        refused.append(.init(origin: source.origin, refusal: refusal))
        return last
    }

    private static func fault(_ source: OrganizationSource, _ refusal: OrganizationRefusal) -> ControlFault {
        ControlFault(.validation, "organization manifest `\(source.origin)` is refused: \(refusal)")
    }
}
