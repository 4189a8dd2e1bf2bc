package import Domain

/// Who a partner is, and what customers agreed to.
extension Snapshot {
    /// The account a partner's name belongs to: what the configuration says, else what an operator registered.
    package func partnerAccount(of name: PartnerName) -> AccountID? {
        declaration.partners[name] ?? partners.registered[name]
    }

    /// The source of that name, also one that is deleted and remembered. Cost: one look-up, however many there are.
    package func partnerEventSource(named name: PartnerEventSourceName) -> PartnerEventSource? {
        partners.sources[name]
    }

    /// As above, for an entry's `Source`: what is not byte for byte a name is `nil`.
    package func partnerEventSource(named bytes: Bytes) -> PartnerEventSource? {
        PartnerEventSourceName(parsing: bytes).flatMap { partners.sources[$0] }
    }

    /// The source a partner bus receives from; `nil` for other buses, and when the name is by now another account's.
    package func partnerEventSource(of bus: EventBusID) -> PartnerEventSource? {
        guard bus.name.isPartner, let source = partnerEventSource(named: Array(bus.name.description.utf8)[...]),
            source.account == bus.account
        else { return nil }
        return source
    }

    /// The first event of a bus that nobody may read yet, because the operator holds its source. Whoever reads events
    /// of a bus stops before it.
    package func heldFrom(_ bus: EventBusID) -> Domain.Sequence? {
        partnerEventSource(of: bus)?.suspension?.heldFrom
    }

    /// The same by number. Cost: grows with the sources that are held; for retention, which asks for each bus.
    package func heldFrom(_ number: BusNumber) -> Domain.Sequence? {
        for name in partners.holding {
            guard let source = partners.sources[name], let held = source.suspension?.heldFrom else { continue }
            if buses[source.busID]?.number == number { return held }
        }
        return nil
    }

    /// Says which account a partner's name belongs to, where the configuration does not.
    ///
    /// - Throws: `.resourceAlreadyExists` where the name is another account's.
    package func registeringPartner(
        _ name: PartnerName, account: AccountID, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        if let owner = partnerAccount(of: name) {
            guard owner == account else {
                throw ControlFault(
                    .resourceAlreadyExists, "the partner `\(name)` is account \(owner), not account \(account)")
            }
            return Transition(snapshot: self, changes: [])
        }
        var partners = partners
        partners.registered[name] = account
        return settling(partners, [.put(Partners.record(name, of: account))], at: now)
    }

    /// Takes a registered name back; its sources stay and receive nothing. One the configuration names is not touched.
    package func unregisteringPartner(_ name: PartnerName, at now: Timestamp) -> Transition {
        var partners = partners
        partners.registered[name] = nil
        return settling(partners, [.remove(kind: .partner, key: name.description)], at: now)
    }

    /// Records that a customer agrees to a partner's sources until `expiresAt`; an earlier consent is replaced.
    package func authorizingPartner(
        _ key: PartnerAuthorization.Key, until expiresAt: Timestamp, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        guard isLocal(key.account) else {
            throw ControlFault(
                .resourceNotFound,
                "account \(key.account) has no event buses on this gateway: name an account of a file of `accounts`")
        }
        guard expiresAt > now, expiresAt <= now.advanced(bySeconds: PartnerAuthorization.maximumSeconds) else {
            throw ControlFault(.validation, "an authorization ends in the future, at most 366 days from now")
        }
        let authorization = PartnerAuthorization(key: key, expiresAt: expiresAt)
        var partners = partners
        let change = partners.put(authorization)
        return settling(partners, [change], at: now)
    }

    /// Takes a consent back; sources that exist stay.
    package func withdrawingPartnerAuthorization(_ key: PartnerAuthorization.Key, at now: Timestamp) -> Transition {
        var partners = partners
        let change = partners.remove(key)
        return settling(partners, [change], at: now)
    }

    /// The next snapshot, what time has ended taken away.
    func settling(_ partners: Partners, _ changes: [ControlChange], at now: Timestamp) -> Transition {
        var partners = partners
        let ended = partners.settle(at: now) { buses[$0] != nil }
        return Transition(snapshot: replacing(partners: partners), changes: changes + ended)
    }
}

extension Transition {
    /// What `next` plans after this: both are committed together.
    package func followed(
        by next: (Snapshot) throws(ControlFault) -> Transition
    ) throws(ControlFault) -> Transition {
        let second = try next(snapshot)
        return Transition(snapshot: second.snapshot, changes: changes + second.changes)
    }
}
