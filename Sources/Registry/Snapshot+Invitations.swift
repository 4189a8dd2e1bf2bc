package import Cryptography
package import Domain
import Identity

/// Inviting partners and letting them in: each step returns what to commit, so that a step is whole or not there.
extension Snapshot {
    /// Invitations kept at once, those that are over included.
    package static let invitationsLimit = 10_000
    /// Certificates of one invitation that are good at the same time.
    package static let certificatesPerInvitationLimit = 16
    /// How long an invitation that is over is still shown.
    package static let endedInvitationSeconds: Int64 = 7 * 86_400

    /// What a step of a join asks for.
    package enum JoinPlan: Sendable {
        /// A certificate must be issued for this name first.
        case issue(uri: String)
        /// The step was taken before; the answer is the same again.
        case repeated(Invitation.IssuedCertificate)
    }

    /// Offers `terms`.
    package func inviting(_ terms: InvitationTerms) throws(ControlFault) -> Transition {
        if let fault = terms.fault { throw ControlFault(.validation, fault) }
        guard partnerTrust != nil else { throw .noPartnerAuthority }
        guard isLocal(terms.account) else {
            throw ControlFault(
                .validation, "account \(terms.account) has no buses here: name an account of a file of `accounts`")
        }
        guard invitations.count < Self.invitationsLimit else {
            throw ControlFault(.limitExceeded, "there are \(Self.invitationsLimit) invitations: revoke some first")
        }
        if let other = invitations.values.first(where: { $0.terms.source == terms.source && $0.isOpen }) {
            throw ControlFault(
                .resourceAlreadyExists,
                "`\(terms.source)` is offered by invitation \(other.terms.id), which is \(other.stateName): "
                    + "revoke it first, or name another source")
        }
        let (name, partner) = try Self.names(of: terms)
        if let owner = partnerAccount(of: partner), owner != terms.partnerAccount {
            throw ControlFault(
                .validation, "the partner `\(partner)` is account \(owner), not account \(terms.partnerAccount)")
        }
        if let source = partnerEventSource(named: name), source.isLive(at: terms.createdAt) {
            throw ControlFault(
                .resourceAlreadyExists,
                "`\(name)` is there already, for account \(source.account): name another source with `--source`")
        }
        return putting(Invitation(terms: terms, state: .invited))
    }

    /// What binding the invitation to `key` asks for. The token was proven before. A certificate is asked for only
    /// where binding will be carried out: one that is issued in vain must be revoked.
    ///
    /// - Throws: the reason for which the token is worth nothing to the holder of this key.
    package func planJoin(
        _ id: String, key: Digest, at now: Timestamp
    ) throws(ControlFault) -> JoinPlan {
        guard let trust = partnerTrust else { throw .noPartnerAuthority }
        guard let invitation = invitations[id] else { throw .unknownInvitation }
        try Self.requireOpen(invitation, key: key, at: now)
        if let certificate = invitation.membership?.certificate(at: now) { return .repeated(certificate) }
        if case .joined = invitation.state {
            throw ControlFault(
                .expiredToken, "the token was used and the certificate ran out: ask the operator for a new invitation")
        }
        let unissued = Invitation.IssuedCertificate(serial: "", fingerprint: key, notAfter: now, pem: [])
        _ = try binding(id, key: key, certificate: unissued, trustBundle: [], at: now)
        return .issue(uri: uri(of: invitation.terms, in: trust))
    }

    /// Binds the invitation to the key of the partner and makes its source.
    package func binding(
        _ id: String, key: Digest, certificate: Invitation.IssuedCertificate, trustBundle: [UInt8], at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard var invitation = invitations[id] else { throw .unknownInvitation }
        try Self.requireOpen(invitation, key: key, at: now)
        if var membership = invitation.membership {
            try Self.add(certificate, to: &membership, at: now)
            invitation.state = .bound(membership)
            return putting(invitation)
        }
        let (name, partner) = try Self.names(of: invitation.terms)
        let terms = invitation.terms
        let made = Invitation.Made(
            bus: buses[EventBusID(account: terms.account, name: EventBusName(name))] == nil,
            name: partnerAccount(of: partner) == nil)
        invitation.state = .bound(
            .init(key: key, boundAt: now, certificates: [certificate], trustBundle: trustBundle, made: made))
        return try registeringPartner(partner, account: terms.partnerAccount, at: now).followed {
            next throws(ControlFault) in
            try next.addingPartnerEventSource(
                name, partnerAccount: terms.partnerAccount, account: terms.account, detailTypes: terms.events,
                hasConsent: true, at: now)
        }.followed { next throws(ControlFault) in
            made.bus
                ? try next.addingEventBus(
                    for: name, account: terms.account, properties: .init(createdAt: now, modifiedAt: now), at: now)
                : try next.activatingEventSource(name, account: terms.account, at: now)
        }.followed { next throws(ControlFault) in next.putting(invitation) }
    }

    /// Notes that the test event of the partner arrived: the token is used up. Again, it changes nothing.
    package func confirming(
        _ id: String, key: Digest, event: String, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard var invitation = invitations[id] else { throw .unknownInvitation }
        try Self.requireOpen(invitation, key: key, at: now)
        switch invitation.state {
        case .joined: return Transition(snapshot: self, changes: [])
        case .bound(let membership): invitation.state = .joined(membership, at: now, event: event)
        case .invited, .ended:
            throw ControlFault(.validation, "the token is not bound to a key yet: run `isthmus partner join` again")
        }
        return putting(invitation)
    }

    /// The joined invitation that the certificate was issued for, and the name a new certificate gets.
    package func planRenewal(
        certificate: Digest, key: Digest, at now: Timestamp
    ) throws(ControlFault) -> (id: String, uri: String) {
        guard let trust = partnerTrust else { throw .noPartnerAuthority }
        let found = invitations.values.first { invitation in
            invitation.membership?.certificates.contains { $0.fingerprint == certificate } == true
        }
        guard let found, let membership = found.membership, found.holds else {
            throw ControlFault(
                .accessDenied, "the certificate is not that of a partner who joined here: ask for an invitation")
        }
        guard membership.key == key else {
            throw ControlFault(
                .accessDenied,
                "the request is for key \(key), the partner joined with \(membership.key): renew with that key")
        }
        guard case .joined = found.state else {
            throw ControlFault(.accessDenied, "the join is not complete: run `isthmus partner join` again")
        }
        guard membership.certificates.count(where: { $0.notAfter >= now }) < Self.certificatesPerInvitationLimit else {
            throw .tooManyCertificates
        }
        return (found.terms.id, uri(of: found.terms, in: trust))
    }

    /// Adds a renewed certificate to a joined invitation; those before it stay good to their ends.
    package func renewing(
        _ id: String, certificate: Invitation.IssuedCertificate, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard var invitation = invitations[id] else { throw .unknownInvitation }
        guard case .joined(var membership, let at, let event) = invitation.state else {
            throw ControlFault(.accessDenied, "the invitation is \(invitation.stateName)")
        }
        try Self.add(certificate, to: &membership, at: now)
        invitation.state = .joined(membership, at: at, event: event)
        return putting(invitation)
    }

    /// Ends invitations: their partners' rights, their sources, their certificates. One that is over already stays so.
    package func ending(
        _ ids: [String], as ending: Invitation.Ending, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        var transition = Transition(snapshot: self, changes: [])
        for id in ids {
            transition = try transition.followed { next throws(ControlFault) in
                try next.ending(id, as: ending, at: now)
            }
        }
        return transition
    }

    private func ending(
        _ id: String, as ending: Invitation.Ending, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard var invitation = invitations[id] else {
            throw ControlFault(
                .resourceNotFound, "there is no invitation `\(id)`: `isthmus partner list` shows them")
        }
        guard invitation.isOpen else { return Transition(snapshot: self, changes: []) }
        let membership = invitation.membership
        invitation.state = .ended(ending, at: now, membership)
        let ended = putting(invitation)
        guard let membership else { return ended }
        let terms = invitation.terms
        return try ended.followed { next throws(ControlFault) in
            try next.removingSource(of: terms, membership, withBus: ending == .expired, at: now)
        }
    }

    /// Takes away what a join made: the source; the partner's name, when nothing else of the partner is left; and the
    /// bus of a join that nobody completed, unless it keeps held events. A source that is another account's by now is
    /// left alone.
    private func removingSource(
        of terms: InvitationTerms, _ membership: Invitation.Membership, withBus: Bool, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        let (name, partner) = try Self.names(of: terms)
        var transition = Transition(snapshot: self, changes: [])
        guard partnerAccount(of: partner) == terms.partnerAccount else { return transition }
        if let source = partnerEventSource(named: name), source.account == terms.account {
            transition = try removingPartnerEventSource(
                name, partnerAccount: terms.partnerAccount, account: terms.account, at: now)
            if withBus, membership.made.bus, source.suspension?.heldFrom == nil {
                transition = try transition.followed { next throws(ControlFault) in
                    try next.removingEventBus(source.busID, at: now)
                }
            }
        }
        let isOurs = invitations.values.contains {
            $0.terms.partner == terms.partner && $0.membership?.made.name == true
        }
        guard isOurs else { return transition }
        return try transition.followed { next throws(ControlFault) in
            let isUsed =
                next.partners.sources.values.contains { $0.name.partner == partner && $0.isLive(at: now) }
                || next.invitations.values.contains { $0.holds && $0.terms.partner == terms.partner }
            return isUsed
                ? Transition(snapshot: next, changes: []) : next.unregisteringPartner(partner, at: now)
        }
    }

    private static func names(
        of terms: InvitationTerms
    ) throws(ControlFault) -> (PartnerEventSourceName, PartnerName) {
        guard let name = PartnerEventSourceName(parsing: terms.source) else {
            throw ControlFault(.validation, "`\(terms.source)` is not the name of a source")
        }
        return (name, name.partner)
    }

    /// The invitations that `text` names: by id, by source, or all of a partner that are not over.
    package func invitations(named text: String) -> [Invitation] {
        if let one = invitations[text] { return [one] }
        return invitations.values.filter { $0.isOpen && ($0.terms.source == text || $0.terms.partner == text) }
            .sorted { $0.terms.id < $1.terms.id }
    }

    /// The open invitations that nobody completed in time.
    package func lapsedInvitations(at now: Timestamp) -> [String] {
        invitations.values.filter { invitation in
            switch invitation.state {
            case .invited, .bound: invitation.terms.expiresAt <= now
            case .joined, .ended: false
            }
        }.map(\.terms.id).sorted()
    }

    /// Forgets the invitations that have been over for a while and whose certificates are all past their ends.
    package func forgettingEndedInvitations(at now: Timestamp) -> Transition {
        let old = invitations.values.filter { invitation in
            guard case .ended(_, let at, let membership) = invitation.state else { return false }
            return at.advanced(bySeconds: Self.endedInvitationSeconds) < now
                && membership?.certificates.allSatisfy { $0.notAfter < now } != false
        }
        guard !old.isEmpty else { return Transition(snapshot: self, changes: []) }
        var kept = invitations
        for invitation in old { kept[invitation.terms.id] = nil }
        return Transition(
            snapshot: replacing(invitations: kept),
            changes: old.map { .remove(kind: .invitation, key: $0.terms.id) })
    }

    /// Every certificate that an invitation knows.
    package var issuedSerials: Set<String> {
        Set(invitations.values.lazy.flatMap { $0.membership?.certificates ?? [] }.map(\.serial))
    }

    /// The certificates that must count no more and have not ended by themselves. Source: RFC 5280 § 3.3.
    package func withdrawnSerials(at now: Timestamp) -> [String] {
        invitations.values.flatMap { invitation -> [String] in
            guard case .ended(_, _, let membership) = invitation.state else { return [] }
            let good = membership?.certificates.filter {
                now < $0.notAfter.advanced(bySeconds: CertificateAuthority.clockSlackSeconds)
            }
            return good?.map(\.serial) ?? []
        }.sorted()
    }

    /// The same control plane with what the partner authority says now: a new revocation list. What was verified with
    /// the one before is verified again.
    package func trustingPartners(_ anchor: Declaration.TrustAnchor) -> Transition {
        Transition(snapshot: replacing(partnerTrust: anchor), changes: [])
    }

    // MARK: -

    private func uri(of terms: InvitationTerms, in trust: Declaration.TrustAnchor) -> String {
        "spiffe://\(trust.facts.name)/account/\(terms.partnerAccount)/\(terms.principal)"
    }

    private func putting(_ invitation: Invitation) -> Transition {
        var next = invitations
        next[invitation.terms.id] = invitation
        return Transition(snapshot: replacing(invitations: next), changes: [.put(invitation.record)])
    }

    private static func requireOpen(
        _ invitation: Invitation, key: Digest, at now: Timestamp
    ) throws(ControlFault) {
        switch invitation.state {
        case .ended(.revoked, _, _):
            throw ControlFault(.accessDenied, "the invitation was revoked: ask the operator for a new one")
        case .ended(.expired, _, _): throw .lapsedInvitation(invitation.terms)
        case .invited, .bound:
            if invitation.terms.expiresAt <= now { throw .lapsedInvitation(invitation.terms) }
        case .joined: break
        }
        if let bound = invitation.membership?.key, bound != key {
            throw ControlFault(
                .accessDenied,
                "the token is bound to key \(bound), the request is of key \(key): a token works for one key; "
                    + "run `join` in the directory that holds it, or ask for a new invitation")
        }
    }

    private static func add(
        _ certificate: Invitation.IssuedCertificate, to membership: inout Invitation.Membership, at now: Timestamp
    ) throws(ControlFault) {
        membership.certificates.removeAll { $0.notAfter < now }
        guard membership.certificates.count < certificatesPerInvitationLimit else { throw .tooManyCertificates }
        membership.certificates.append(certificate)
    }
}

extension PartnerEventSource {
    /// Whether it is there: not deleted.
    fileprivate func isLive(at now: Timestamp) -> Bool {
        if case .deleted = state(at: now) { return false }
        return true
    }
}

extension Invitation {
    /// Whether it still stands for its source.
    var isOpen: Bool {
        switch state {
        case .invited, .bound, .joined: true
        case .ended: false
        }
    }
}

extension ControlFault {
    /// The configuration names no authority for partners.
    package static let noPartnerAuthority = ControlFault(
        .operationDisabled, "this gateway invites no partners: name an authority under `onboarding` and reload")
    /// Whoever asks proves nothing: which part is wrong is not said.
    package static let unknownInvitation = ControlFault(
        .accessDenied, "the token is not one of this gateway's, or it was changed on the way: ask for a new one")

    fileprivate static let tooManyCertificates = ControlFault(
        .limitExceeded,
        "\(Snapshot.certificatesPerInvitationLimit) certificates of this partner are good already: renew less often")

    static func lapsedInvitation(_ terms: InvitationTerms) -> ControlFault {
        ControlFault(
            .expiredToken, "the invitation ended at \(terms.expiresAt.iso8601): ask the operator for a new one")
    }
}
