import Bus
import Cryptography
import Domain
import JSON
import Registry
import Telemetry

/// Letting partners in: every step is one commit, and an answer leaves after it.
extension ControlPlane {
    /// Certificates of failed commits that may wait for the revocation list before no more are issued.
    static let strayCertificatesLimit = 16

    /// What an operator offers, as the control socket has it.
    struct Offer: Sendable {
        let partner: String
        let source: String
        let account: AccountID
        let partnerAccount: AccountID
        let events: [String]
        let quota: Quota?
        let seconds: Int64
    }

    /// Offers an invitation and returns its token, which is shown this once.
    func invite(_ offer: Offer, random: RandomBytes) throws(Fault) -> InvitationToken {
        guard let onboarding else { throw Fault(ControlFault.noPartnerAuthority) }
        let id: String
        do throws(CryptographyError) { id = Hexadecimal.text(try random.bytes(16)) } catch {
            throw Fault(.internalFailure, "no invitation could be made: \(error)")
        }
        let now = clock.now()
        let terms = InvitationTerms(
            id: id, partner: offer.partner, source: offer.source, account: offer.account,
            partnerAccount: offer.partnerAccount, events: offer.events, quota: offer.quota,
            region: registry.snapshot.region, endpoint: onboarding.endpoint, pin: onboarding.pin, createdAt: now,
            expiresAt: now.advanced(bySeconds: offer.seconds))
        try change { snapshot throws(ControlFault) in try snapshot.inviting(terms) }
        note("partner-invited", terms)
        return InvitationToken(terms, key: onboarding.tokens)
    }

    /// Ends invitations at once: rights and source first, then certificates, then open connections.
    func revoke(_ ids: [String]) async throws(Fault) {
        let now = clock.now()
        let held = registry.snapshot
        try change { snapshot throws(ControlFault) in try snapshot.ending(ids, as: .revoked, at: now) }
        for id in ids { if let terms = held.invitations[id]?.terms { note("partner-revoked", terms) } }
        await withdrawCertificates(hasEnded: true)
    }

    /// What time brings: joins that nobody completed end, the revocation list is renewed, old invitations go.
    package func tendPartners() async {
        let now = clock.now()
        let snapshot = registry.snapshot
        let lapsed = snapshot.lapsedInvitations(at: now)
        do throws(Fault) {
            if !lapsed.isEmpty {
                try change { snapshot throws(ControlFault) in try snapshot.ending(lapsed, as: .expired, at: now) }
                for id in lapsed { if let terms = snapshot.invitations[id]?.terms { note("partner-lapsed", terms) } }
            }
            let forgetting = registry.snapshot.forgettingEndedInvitations(at: now)
            if !forgetting.changes.isEmpty { try put(forgetting) }
        } catch {
            logger.log(.error, "partners-not-tended", [("reason", .text(error.message))])
        }
        await withdrawCertificates(hasEnded: !lapsed.isEmpty)
    }

    /// The certificates of invitations that are over go on the revocation list, and the list is put in force.
    private func withdrawCertificates(hasEnded: Bool) async {
        guard let onboarding else { return }
        var isChanged = hasEnded
        let withdrawn = registry.snapshot.withdrawnSerials(at: clock.now())
        do throws(AuthorityFault) {
            if try onboarding.withdraw(withdrawn + strayCertificates.sorted()) {
                isChanged = true
                try trust(onboarding)
            }
            strayCertificates = []
        } catch {
            logger.log(.error, "partner-authority-failed", [("reason", .text(error.reason))])
        }
        if isChanged { await onboarding.closeUntrusted() }
    }

    /// Puts the authority's newest revocation list in force.
    private func trust(_ onboarding: Onboarding) throws(AuthorityFault) {
        registry.install(registry.snapshot.trustingPartners(try onboarding.anchor()).snapshot)
    }

    /// Lets partners in this way from now on, or no more. Called after the declaration of the same configuration was
    /// adopted; a list that was read for it may have been replaced since.
    package func employ(_ onboarding: Onboarding?) async {
        self.onboarding = onboarding
        guard let onboarding else { return }
        do throws(AuthorityFault) {
            try trust(onboarding)
            // Whoever died between the certificate and its commit left one that no invitation knows.
            strayCertificates = try onboarding.standing().subtracting(registry.snapshot.issuedSerials)
        } catch {
            logger.log(.error, "partner-authority-failed", [("reason", .text(error.reason))])
        }
        await tendPartners()
    }

    /// Answers a join or a renewal.
    func answer(_ call: JoinCall) -> Response {
        do throws(Fault) {
            guard let onboarding else { throw Fault(ControlFault.noPartnerAuthority) }
            let body =
                switch call.kind {
                case .join(let message): try join(message, onboarding)
                case .renew(let certificate): try renew(call.content, certificate, onboarding)
                }
            metrics.add(to: .controlOperations)
            return Response(status: 200, contentType: .json, requestID: call.requestID, body: body)
        } catch {
            metrics.add(to: .requestsRefused)
            logger.log(
                .info, "partner-refused",
                [
                    ("code", .text(error.code.rawValue)), ("message", .text(error.message)),
                    ("requestId", .text("\(call.requestID)")),
                ])
            return error.response(call.requestID)
        }
    }

    private func join(_ message: JoinMessage, _ onboarding: Onboarding) throws(Fault) -> [UInt8] {
        guard let terms = registry.snapshot.invitations[message.invitation]?.terms else {
            throw Fault(ControlFault.unknownInvitation)
        }
        let token = InvitationToken(terms, key: onboarding.tokens)
        guard message.terms == terms.digest, token.isProven(message.request, by: message.proof) else {
            throw Fault(ControlFault.unknownInvitation)
        }
        let key = try Self.key(of: message.request.signingRequest)
        let answer =
            switch message.request.step {
            case .bind: try bind(terms, key, message.request.trustBundle, onboarding)
            case .confirm: try confirm(terms, key, message.request.event, onboarding)
            }
        return JoinAnswer(answer, to: message.proof, with: token).bytes
    }

    private func bind(
        _ terms: InvitationTerms, _ key: PublicKey, _ trustBundle: [UInt8], _ onboarding: Onboarding
    ) throws(Fault) -> [UInt8] {
        try Self.requireBundle(trustBundle)
        let now = clock.now()
        let plan = try carry { () throws(ControlFault) in
            try registry.snapshot.planJoin(terms.id, key: key.fingerprint, at: now)
        }
        switch plan {
        case .repeated(let certificate): return Self.membership(certificate, terms, onboarding)
        case .issue(let uri):
            let certificate = try issue(uri, key, onboarding)
            try keep(certificate) { snapshot throws(ControlFault) in
                try snapshot.binding(
                    terms.id, key: key.fingerprint, certificate: certificate, trustBundle: trustBundle, at: now)
            }
            note("partner-bound", terms)
            return Self.membership(certificate, terms, onboarding)
        }
    }

    private func confirm(
        _ terms: InvitationTerms, _ key: PublicKey, _ event: String, _ onboarding: Onboarding
    ) throws(Fault) -> [UInt8] {
        guard let id = UniqueID(parsing: event.utf8), let stored = onboarding.event(id),
            stored.frame.source.equals(terms.source), stored.frame.publisher.account == terms.partnerAccount
        else {
            throw Fault(.validation, "event `\(event)` is not one of `\(terms.source)`: send the test event again")
        }
        let now = clock.now()
        try change { snapshot throws(ControlFault) in
            try snapshot.confirming(terms.id, key: key.fingerprint, event: event, at: now)
        }
        note("partner-joined", terms)
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("state", "joined")
            writer.member("eventId", event)
            writer.member("decisionId", stored.frame.decisionID.description)
        }
        return writer.bytes
    }

    private func renew(
        _ content: [UInt8], _ certificate: Digest, _ onboarding: Onboarding
    ) throws(Fault) -> [UInt8] {
        let key = try Self.key(of: content)
        let now = clock.now()
        let plan = try carry { () throws(ControlFault) in
            try registry.snapshot.planRenewal(certificate: certificate, key: key.fingerprint, at: now)
        }
        let renewed = try issue(plan.uri, key, onboarding)
        try keep(renewed) { snapshot throws(ControlFault) in
            try snapshot.renewing(plan.id, certificate: renewed, at: now)
        }
        guard let terms = registry.snapshot.invitations[plan.id]?.terms else {
            throw Fault(ControlFault.unknownInvitation)
        }
        note("partner-renewed", terms)
        return Self.membership(renewed, terms, onboarding)
    }

    /// Commits what `plan` makes of a certificate that the authority noted as issued; where that fails the certificate
    /// is revoked with the next look at the revocation list, or after a restart.
    private func keep(
        _ certificate: Invitation.IssuedCertificate, _ plan: @Sendable (Snapshot) throws(ControlFault) -> Transition
    ) throws(Fault) {
        do throws(Fault) { try change(plan) } catch {
            strayCertificates.insert(certificate.serial)
            throw error
        }
    }

    private func issue(
        _ uri: String, _ key: PublicKey, _ onboarding: Onboarding
    ) throws(Fault) -> Invitation.IssuedCertificate {
        guard strayCertificates.count < Self.strayCertificatesLimit else {
            throw Fault(
                .serviceUnavailable, "certificates are revoked first that could not be kept: retry later",
                retryAfterSeconds: 5)
        }
        do throws(AuthorityFault) { return try onboarding.issue(uri, key) } catch {
            logger.log(.error, "partner-authority-failed", [("reason", .text(error.reason))])
            throw Fault(
                .serviceUnavailable, "the partner authority does not work now: nothing was changed, retry later",
                retryAfterSeconds: 5)
        }
    }

    private func carry<Value>(_ plan: () throws(ControlFault) -> Value) throws(Fault) -> Value {
        do throws(ControlFault) { return try plan() } catch { throw Fault(error) }
    }

    private static func key(of signingRequest: [UInt8]) throws(Fault) -> PublicKey {
        do throws(CryptographyError) { return try CertificateSigningRequest(pem: signingRequest).publicKey } catch {
            throw Fault(.validation, "the signing request cannot be used: \(error)")
        }
    }

    private static func requireBundle(_ bundle: [UInt8]) throws(Fault) {
        guard !bundle.isEmpty else { return }
        let authorities: [Certificate]
        do throws(CryptographyError) { authorities = try Certificate.certificates(pem: bundle) } catch {
            throw Fault(.validation, "the trust bundle cannot be read: \(error)")
        }
        guard authorities.allSatisfy(\.usage.isAuthority) else {
            throw Fault(.validation, "the trust bundle holds a certificate that is no authority's: give those alone")
        }
    }

    private static func membership(
        _ certificate: Invitation.IssuedCertificate, _ terms: InvitationTerms, _ onboarding: Onboarding
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("certificate", String(decoding: certificate.pem, as: UTF8.self))
            writer.member("authority", String(decoding: onboarding.authority, as: UTF8.self))
            writer.member("bundle", String(decoding: onboarding.bundle, as: UTF8.self))
            writer.member("source", terms.source)
            writer.member("region", terms.region)
            writer.member("endpoint", onboarding.endpoint)
            writer.member("notAfter", certificate.notAfter.iso8601)
        }
        return writer.bytes
    }

    private func note(_ happening: StaticString, _ terms: InvitationTerms) {
        logger.log(
            .info, happening,
            [
                ("invitation", .text(terms.id)), ("source", .text(terms.source)),
                ("account", .text(terms.account.description)),
                ("partnerAccount", .text(terms.partnerAccount.description)),
            ])
    }
}
