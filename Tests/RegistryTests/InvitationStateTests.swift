import Cryptography
import Domain
import Identity
import Registry
import TestKit
import Testing

@Suite struct InvitationStateTests {
    private let id = Invitations.terms().id
    private let key = SHA256.hash([1])
    private let source = "aws.partner/acme.com/shop/orders"

    /// A control plane whose partner authority is there.
    private func start(
        _ records: [ControlRecord] = [], quotas: Declaration.Quotas = .init()
    ) throws -> Snapshot {
        let made = try PrivateKey.generate(.ecdsaP256)
        let root = try CertificateAuthority.root(
            name: "partners.example", pathLength: 0, key: made,
            validity: ValidityPeriod(notBefore: 0, notAfter: now.seconds + 86_400), random: .system)
        let store = try CertificateStore(authorities: [root.certificate], revocationLists: [])
        let pin = root.certificate.publicKeyFingerprint
        let anchor = Declaration.TrustAnchor(
            facts: TrustDomain(name: "partners.example", accounts: [], issuerPins: [pin]), store: store)
        let plain = try Scene.declaration()
        let declaration = Declaration(
            partition: plain.partition, region: plain.region, accounts: plain.accounts, trustDomains: [], seeds: [],
            endpoints: plain.endpoints, quotas: quotas, partnerTrust: anchor)
        return try Snapshot.loading(records, declaration: declaration).adopting(declaration, at: now).snapshot
    }

    private func certificate(_ number: UInt8, seconds: Int64 = 3600) -> Invitation.IssuedCertificate {
        .init(
            serial: "0\(number)", fingerprint: SHA256.hash([number]), notAfter: now.advanced(bySeconds: seconds),
            pem: [number])
    }

    private func invited(_ terms: InvitationTerms = Invitations.terms()) throws -> Snapshot {
        try start().inviting(terms).snapshot
    }

    private func bound() throws -> Snapshot {
        try invited().binding(id, key: key, certificate: certificate(1), trustBundle: [], at: now).snapshot
    }

    private func joined() throws -> Snapshot {
        try bound().confirming(id, key: key, event: "e", at: now).snapshot
    }

    private func refusal(
        binding snapshot: Snapshot, key: Digest
    ) -> ControlFault? {
        let second = certificate(2)
        return fault { () throws(ControlFault) in
            try snapshot.binding(id, key: key, certificate: second, trustBundle: [], at: now)
        }
    }

    private func refusal(confirming snapshot: Snapshot, key: Digest) -> ControlFault? {
        fault { () throws(ControlFault) in try snapshot.confirming(id, key: key, event: "e", at: now) }
    }

    private func refusal(renewing snapshot: Snapshot, at moment: Timestamp) -> ControlFault? {
        let one = certificate(99)
        return fault { () throws(ControlFault) in try snapshot.renewing(id, certificate: one, at: moment) }
    }

    private func refusal(inviting terms: InvitationTerms, on snapshot: Snapshot) -> ControlFault? {
        fault { () throws(ControlFault) in try snapshot.inviting(terms) }
    }

    private func state(_ snapshot: Snapshot) -> PartnerEventSource.State? {
        PartnerEventSourceName(parsing: source).flatMap { snapshot.partnerEventSource(named: $0)?.state(at: now) }
    }

    private func bus(_ snapshot: Snapshot) -> EventBus? { snapshot.bus(Scene.bus(source)) }

    private func vouchedFor(_ snapshot: Snapshot) -> Set<AccountID>? {
        snapshot.trustDomains["partners.example"]?.facts.accounts
    }

    @Test("a join that a quota refuses, of the customer's buses or the partner's sources, asks for no certificate")
    func roomForJoin() throws {
        // Every account has its default bus.
        for (quota, most) in [(\Declaration.Quotas.busesPerAccount, 1), (\.eventSourcesPerPartner, 0)] {
            var quotas = Declaration.Quotas()
            quotas[keyPath: quota] = most
            let snapshot = try start(quotas: quotas).inviting(Invitations.terms()).snapshot
            var refused: ControlFault?
            do throws(ControlFault) { _ = try snapshot.planJoin(id, key: key, at: now) } catch { refused = error }
            #expect(refused?.code == .limitExceeded)
        }
        guard case .issue = try invited().planJoin(id, key: key, at: now) else {
            Issue.record("no certificate is asked for where there is room")
            return
        }
    }

    @Test("a join makes name, source and bus in the commit that binds the key")
    func binding() throws {
        let before = try invited()
        #expect(vouchedFor(before) == [])
        let transition = try before.binding(id, key: key, certificate: certificate(1), trustBundle: [], at: now)
        #expect(transition.changes.count >= 4)
        #expect(state(transition.snapshot) == .active)
        #expect(bus(transition.snapshot) != nil)
        #expect(vouchedFor(transition.snapshot) == [Scene.foreign])
        #expect(transition.snapshot.invitations[id]?.stateName == "bound")
    }

    @Test("the same key goes on where it stood, with the same certificate")
    func again() throws {
        guard case .issue(let uri) = try invited().planJoin(id, key: key, at: now) else {
            Issue.record("an invitation without a key asks for a certificate")
            return
        }
        #expect(uri == "spiffe://partners.example/account/999988887777/role/partner/acme.com")
        for snapshot in [try bound(), try joined()] {
            guard case .repeated(let same) = try snapshot.planJoin(id, key: key, at: now) else {
                Issue.record("a bound invitation repeats its certificate")
                return
            }
            #expect(same == certificate(1))
        }
        #expect(try joined().confirming(id, key: key, event: "e", at: now).changes.isEmpty)
    }

    @Test("another key is refused in every state, and both keys are named")
    func otherKey() throws {
        let other = SHA256.hash([2])
        for snapshot in [try bound(), try joined()] {
            do throws(ControlFault) {
                _ = try snapshot.planJoin(id, key: other, at: now)
                Issue.record("another key was let in")
            } catch {
                #expect(error.code == .accessDenied)
                #expect(error.message.contains("\(key)") && error.message.contains("\(other)"))
            }
            #expect(refusal(binding: snapshot, key: other)?.code == .accessDenied)
            #expect(refusal(confirming: snapshot, key: other)?.code == .accessDenied)
        }
    }

    @Test(
        "an invitation ends at its second, neither before nor after", arguments: [(-1, true), (0, false), (1, false)])
    func expiry(offset: Int64, isOpen: Bool) throws {
        let moment = Invitations.terms().expiresAt.advanced(bySeconds: offset)
        for snapshot in [try invited(), try bound()] {
            let refusal: ControlFault?
            do throws(ControlFault) {
                _ = try snapshot.planJoin(id, key: key, at: moment)
                refusal = nil
            } catch { refusal = error }
            #expect((refusal == nil) == isOpen)
            #expect(isOpen || refusal?.code == .expiredToken)
            #expect(snapshot.lapsedInvitations(at: moment).isEmpty == isOpen)
        }
        #expect(try joined().lapsedInvitations(at: moment).isEmpty)
    }

    @Test("a join that nobody completes leaves no source, bus, name or trust behind")
    func lapsing() throws {
        let after = try bound().ending([id], as: .expired, at: now).snapshot
        #expect(after.invitations[id]?.stateName == "expired")
        #expect(state(after) != .active)
        #expect(bus(after) == nil)
        #expect(vouchedFor(after) == [])
        #expect(after.withdrawnSerials(at: now) == ["01"])
        #expect(try after.partnerAccount(of: #require(PartnerName(parsing: "acme.com"))) == nil)
    }

    @Test("a join that lapses while its source is held leaves the bus, and with it the held events")
    func lapsingWhileHeld() throws {
        let name = try #require(PartnerEventSourceName(parsing: source))
        let held = try bound().suspendingPartnerEventSource(name, holds: true, lastSequence: nil, at: now).snapshot
        let after = try held.ending([id], as: .expired, at: now).snapshot
        #expect(state(after)?.name == "DELETED")
        #expect(bus(after) != nil)
        #expect(after.heldFrom(Scene.bus(source)) != nil)
    }

    @Test("a partner that deletes its source and creates it again keeps the contract of its invitation")
    func contract() throws {
        let name = try #require(PartnerEventSourceName(parsing: source))
        let terms = Invitations.terms()
        let forgotten = try joined().removingPartnerEventSource(
            name, partnerAccount: terms.partnerAccount, account: terms.account, at: now
        ).snapshot.removingEventBus(Scene.bus(source), at: now).snapshot
        #expect(forgotten.partnerEventSource(named: name) == nil)
        let again = try forgotten.addingPartnerEventSource(
            name, partnerAccount: terms.partnerAccount, account: terms.account, at: now
        ).snapshot
        #expect(again.partnerEventSource(named: name)?.detailTypes == terms.events)
    }

    @Test("revoking takes source and trust, and leaves the customer's bus")
    func revoking() throws {
        let transition = try joined().ending([id], as: .revoked, at: now)
        #expect(state(transition.snapshot) != .active)
        #expect(bus(transition.snapshot) != nil)
        #expect(vouchedFor(transition.snapshot) == [])
        #expect(transition.snapshot.withdrawnSerials(at: now) == ["01"])
        #expect(try transition.snapshot.ending([id], as: .revoked, at: now).changes.isEmpty)
        #expect(refusal(binding: transition.snapshot, key: key)?.code == .accessDenied)
    }

    @Test(
        "a certificate that must count no more is withdrawn until no clock lets it pass any more",
        arguments: [(299, true), (300, false), (301, false)])
    func withdrawn(seconds: Int64, isWithdrawn: Bool) throws {
        let ended = try joined().ending([id], as: .revoked, at: now).snapshot
        let moment = certificate(1).notAfter.advanced(bySeconds: seconds)
        #expect(ended.withdrawnSerials(at: moment) == (isWithdrawn ? ["01"] : []))
    }

    @Test("only a joined partner renews, with its own key, by a certificate that was its own")
    func renewal() throws {
        let snapshot = try joined()
        let plan = try snapshot.planRenewal(certificate: SHA256.hash([1]), key: key, at: now)
        let renewed = try snapshot.renewing(plan.id, certificate: certificate(2), at: now).snapshot
        #expect(renewed.invitations[id]?.membership?.certificates.map(\.serial) == ["01", "02"])
        let ended = try snapshot.ending([id], as: .revoked, at: now).snapshot
        let refused: [(Snapshot, Digest, Digest)] = [
            (snapshot, SHA256.hash([9]), key), (snapshot, SHA256.hash([1]), SHA256.hash([2])),
            (try bound(), SHA256.hash([1]), key), (ended, SHA256.hash([1]), key),
        ]
        for (snapshot, certificate, key) in refused {
            #expect(throws: ControlFault.self) {
                _ = try snapshot.planRenewal(certificate: certificate, key: key, at: now)
            }
        }
    }

    @Test("a partner has so many certificates at once, and no more until one ends")
    func certificates() throws {
        var snapshot = try joined()
        let limit = Snapshot.certificatesPerInvitationLimit
        for number in 2...limit {
            snapshot = try snapshot.renewing(id, certificate: certificate(UInt8(number)), at: now).snapshot
        }
        #expect(snapshot.invitations[id]?.membership?.certificates.count == limit)
        #expect(refusal(renewing: snapshot, at: now)?.code == .limitExceeded)
        #expect(refusal(renewing: snapshot, at: now.advanced(bySeconds: 3601)) == nil)
    }

    @Test("what cannot be invited is refused: twice the same source, a foreign customer, another's partner name")
    func refusals() throws {
        let snapshot = try invited()
        let second = String(repeating: "b", count: 32)
        #expect(refusal(inviting: Invitations.terms(id: second), on: snapshot)?.code == .resourceAlreadyExists)
        let foreign = Invitations.terms(id: second, partnerAccount: Scene.owner, account: Scene.foreign)
        #expect(refusal(inviting: foreign, on: snapshot)?.code == .validation)
        let taken = Invitations.terms(
            id: second, source: "aws.partner/acme.com/shop/other", partnerAccount: Scene.sender)
        #expect(refusal(inviting: taken, on: try joined())?.code == .validation)
        let bare = try Scene.snapshot(try Scene.declaration())
        #expect(refusal(inviting: Invitations.terms(), on: bare)?.code == .operationDisabled)
    }

    @Test("every state comes back from the store as it was")
    func storing() throws {
        let ended = try joined().ending([id], as: .revoked, at: now)
        let stages: [Transition] = [
            try start().inviting(Invitations.terms()),
            try invited().binding(id, key: key, certificate: certificate(1), trustBundle: [65], at: now),
            try bound().confirming(id, key: key, event: "e", at: now), ended,
            try invited().ending([id], as: .expired, at: now),
        ]
        for stage in stages {
            let store = InMemoryControlStore()
            try store.commit(stage.changes)
            let records = try store.load().filter { $0.kind == .invitation }
            let loaded = try start(records)
            #expect(loaded.invitations[id]?.state == stage.snapshot.invitations[id]?.state)
            #expect(loaded.invitations[id]?.terms == Invitations.terms())
        }
    }

    @Test("the quota of an invitation holds from the commit that binds it until it ends, and after a restart")
    func quota() throws {
        let offered = Quota(perSecond: 2, burst: 7)
        let sender = SenderQuotas.Sender.partner("aws.partner/acme.com")
        func inForce(_ snapshot: Snapshot) -> Quota {
            snapshot.senderQuotas.quota(of: sender, "events:PutPartnerEvents")
        }
        let standard = SenderQuotas.standard["events:PutPartnerEvents"]
        let before = try invited(Invitations.terms(quota: offered))
        #expect(inForce(before) == standard)
        let bound = try before.binding(id, key: key, certificate: certificate(1), trustBundle: [], at: now)
        #expect(inForce(bound.snapshot) == offered)
        #expect(inForce(try start(bound.changes.compactMap(\.invitation))) == offered)
        let joined = try bound.snapshot.confirming(id, key: key, event: "e", at: now).snapshot
        #expect(inForce(joined) == offered)
        let other = joined.senderQuotas.quota(of: .partner("aws.partner/other.com"), "events:PutPartnerEvents")
        #expect(other == standard)
        let reloaded = try joined.adopting(joined.declaration, at: now).snapshot
        #expect(inForce(reloaded) == offered)
        #expect(inForce(try joined.ending([id], as: .revoked, at: now).snapshot) == standard)
        #expect(inForce(try bound.snapshot.ending([id], as: .expired, at: now).snapshot) == standard)
    }

    @Test("of a partner's invitations the lowest rate and the lowest burst hold, and one that ends takes its own")
    func quotas() throws {
        let second = String(repeating: "b", count: 32)
        let one = Invitations.terms(quota: Quota(perSecond: 2, burst: 70))
        let two = Invitations.terms(
            id: second, source: "aws.partner/acme.com/shop/other", quota: Quota(perSecond: 9, burst: 7))
        let both = try start().inviting(one).snapshot.inviting(two).snapshot
            .binding(id, key: key, certificate: certificate(1), trustBundle: [], at: now).snapshot
            .binding(second, key: key, certificate: certificate(2), trustBundle: [], at: now).snapshot
        #expect(both.senderQuotas.invited == ["aws.partner/acme.com": Quota(perSecond: 2, burst: 7)])
        let left = try both.ending([id], as: .revoked, at: now).snapshot
        #expect(left.senderQuotas.invited == ["aws.partner/acme.com": Quota(perSecond: 9, burst: 7)])
    }

    @Test("an invitation that is over is forgotten after its week, when its certificates are")
    func forgetting() throws {
        let snapshot = try joined().ending([id], as: .revoked, at: now).snapshot
        let week = now.advanced(bySeconds: Snapshot.endedInvitationSeconds)
        #expect(snapshot.forgettingEndedInvitations(at: week).changes.isEmpty)
        let after = snapshot.forgettingEndedInvitations(at: week.advanced(bySeconds: 1))
        #expect(after.changes == [.remove(kind: .invitation, key: id)])
        #expect(try joined().forgettingEndedInvitations(at: week.advanced(bySeconds: 1)).changes.isEmpty)
    }
}

extension ControlChange {
    /// The record of an invitation that the change puts.
    fileprivate var invitation: ControlRecord? {
        guard case .put(let record) = self, record.kind == .invitation else { return nil }
        return record
    }
}
