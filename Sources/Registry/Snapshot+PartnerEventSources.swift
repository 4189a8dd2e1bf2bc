package import Domain

/// The life of a partner event source, step by step. Each fault says which call comes next.
///
/// Source: FEDERATION 4; EVENTBRIDGE 4
extension Snapshot {
    /// Creates a source that waits for its customer.
    ///
    /// - Parameters:
    ///   - partnerAccount: the caller's: the account that the partner's name belongs to.
    ///   - detailTypes: the contract; `nil` keeps what was agreed on for this name and account before, if anything.
    ///   - hasConsent: the customer's consent is proven otherwise, as by its operator's invitation.
    package func addingPartnerEventSource(
        _ name: PartnerEventSourceName, partnerAccount: AccountID, account: AccountID, detailTypes: [String]? = nil,
        hasConsent: Bool = false, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        try requirePartner(name.partner, is: partnerAccount)
        let former = partners.sources[name]
        if let former {
            if case .deleted = former.state(at: now) {} else {
                throw ControlFault(
                    .resourceAlreadyExists,
                    "Partner event source \(name) already exists for account \(former.account).")
            }
            if former.account != account, former.suspension?.heldFrom != nil, buses[former.busID] != nil {
                throw ControlFault(
                    .invalidState,
                    "Partner event source \(name) holds events of account \(former.account); the operator calls "
                        + "`isthmus partner resume` first.")
            }
        }
        guard isLocal(account) else {
            throw ControlFault(
                .validation, "Parameter Account is not valid. Reason: account \(account) has no event buses on this "
                    + "gateway.")
        }
        let key = PartnerAuthorization.Key(account: account, partner: name.partner)
        let isAuthorized = partners.authorizations[key]?.stands(at: now) == true
        guard hasConsent || isAuthorized || !declaration.consentRequired.contains(account) else {
            throw ControlFault(
                .accessDenied,
                "Account \(account) takes no source of partner \(name.partner) without its consent; its operator "
                    + "gives it with `isthmus partner authorize --account \(account) --partner \(name.partner)`.")
        }
        try requireContract(detailTypes)
        try requireRoom(for: partnerAccount, at: now)
        let source = PartnerEventSource(
            name: name, partnerAccount: partnerAccount, account: account, createdAt: now,
            detailTypes: detailTypes ?? agreed(former, name, account), storedState: .pending(from: now),
            suspension: former.flatMap { carried($0, to: account) })
        var partners = partners
        let change = partners.put(source)
        return settling(partners, [change], at: now)
    }

    /// A contract outlives deletion: else a partner would be rid of it by creating its source again.
    private func agreed(
        _ former: PartnerEventSource?, _ name: PartnerEventSourceName, _ account: AccountID
    ) -> [String]? {
        if let former, former.account == account, let detailTypes = former.detailTypes { return detailTypes }
        return invitations(named: name.description)
            .first { $0.membership != nil && $0.terms.account == account }?.terms.events
    }

    /// A suspension outlives deletion; what it holds stays where it is, on the bus of the account it was for.
    private func carried(_ former: PartnerEventSource, to account: AccountID) -> PartnerEventSource.Suspension? {
        guard var suspension = former.suspension, former.account != account else { return former.suspension }
        suspension.heldFrom = suspension.holds ? Domain.Sequence(1) : nil
        return suspension
    }

    /// Deletes a source, as its partner. The customer's bus stays and receives nothing; one that is not there is no
    /// error.
    package func removingPartnerEventSource(
        _ name: PartnerEventSourceName, partnerAccount: AccountID, account: AccountID, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        try requirePartner(name.partner, is: partnerAccount)
        guard let source = partners.sources[name] else { return Transition(snapshot: self, changes: []) }
        if case .deleted = source.state(at: now) { return settling(partners, [], at: now) }
        guard source.account == account else {
            throw ControlFault(
                .validation,
                "Parameter Account is not valid. Reason: the source is bound to account \(source.account), not to "
                    + "account \(account).")
        }
        return putting(source.changing { $0.storedState = .deleted(at: now, .deletion) }, at: now)
    }

    /// Lets a source that waits send again, as its customer.
    package func activatingEventSource(
        _ name: PartnerEventSourceName, account: AccountID, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        let source = try eventSource(name, of: account)
        switch source.state(at: now) {
        case .active: throw ControlFault(.invalidState, "Event source \(name) is ACTIVE already.")
        case .deleted(let moment, let end): throw .deleted(name, at: moment, end)
        case .pending:
            guard bus(source.busID) != nil else {
                throw ControlFault(
                    .invalidState,
                    "Event source \(name) has no event bus yet; call CreateEventBus with Name and EventSourceName "
                        + "\(name) first, which activates it.")
            }
            return putting(source.changing { $0.storedState = .active }, at: now)
        }
    }

    /// Stops a source for at most 14 days, as its customer.
    package func deactivatingEventSource(
        _ name: PartnerEventSourceName, account: AccountID, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        let source = try eventSource(name, of: account)
        switch source.state(at: now) {
        case .pending:
            throw ControlFault(
                .invalidState,
                "Event source \(name) is PENDING already; call "
                    + (bus(source.busID) == nil ? "CreateEventBus" : "ActivateEventSource") + " to receive its events.")
        case .deleted(let moment, let end): throw .deleted(name, at: moment, end)
        case .active: return putting(source.changing { $0.storedState = .pending(from: now) }, at: now)
        }
    }

    /// Creates the customer's bus of a source, which activates it.
    package func addingEventBus(
        for name: PartnerEventSourceName, account: AccountID, properties: EventBus.Properties, at now: Timestamp
    ) throws(ControlFault) -> Transition {
        let source = try eventSource(name, of: account)
        if case .deleted(let moment, let end) = source.state(at: now) { throw .deleted(name, at: moment, end) }
        if buses[source.busID] != nil, case .pending = source.state(at: now) {
            throw ControlFault(
                .resourceAlreadyExists,
                "Event bus \(name) already exists; call ActivateEventSource to receive its events.")
        }
        return try addingEventBus(source.busID, properties: properties).followed { next throws(ControlFault) in
            next.putting(
                source.changing {
                    $0.storedState = .active
                    if $0.suspension?.holds == true { $0.suspension?.heldFrom = Domain.Sequence(1) }
                }, at: now)
        }
    }

    /// Removes a bus. The source of a partner bus waits for another one; a bus with events that are held stays.
    package func removingEventBus(_ id: EventBusID, at now: Timestamp) throws(ControlFault) -> Transition {
        let removed = try removingEventBus(id)
        guard let source = partnerEventSource(of: id), buses[id] != nil else { return removed }
        guard source.suspension?.heldFrom == nil else {
            throw ControlFault(
                .invalidState,
                "Event bus \(id.name) keeps events that the operator of this gateway holds, who calls `isthmus partner "
                    + "resume` first.")
        }
        return try removed.followed { next throws(ControlFault) in
            next.putting(
                source.changing { if case .active = $0.storedState { $0.storedState = .pending(from: now) } }, at: now)
        }
    }

    /// A source that is bound to `account`; those of others do not exist for it.
    package func eventSource(
        _ name: PartnerEventSourceName, of account: AccountID
    ) throws(ControlFault) -> PartnerEventSource {
        guard let source = partners.sources[name], source.account == account else {
            throw ControlFault(
                .resourceNotFound,
                "Event source \(name) does not exist for account \(account); its partner calls "
                    + "CreatePartnerEventSource first.")
        }
        return source
    }

    /// Refuses unless the partner's name belongs to `account`, both named.
    package func requirePartner(_ partner: PartnerName, is account: AccountID) throws(ControlFault) {
        guard let owner = partnerAccount(of: partner) else {
            throw ControlFault(
                .accessDenied,
                "No account is the partner \(partner), and account \(account) is not; the operator names it under "
                    + "`partners` in the configuration.")
        }
        guard owner == account else {
            throw ControlFault(.accessDenied, "The partner \(partner) is account \(owner), not account \(account).")
        }
    }

    private func requireContract(_ detailTypes: [String]?) throws(ControlFault) {
        guard let detailTypes else { return }
        let range = 1...PartnerEventSource.maximumDetailTypeCharacters
        guard (1...PartnerEventSource.maximumDetailTypes).contains(detailTypes.count),
            detailTypes.allSatisfy({ range.contains($0.unicodeScalars.count) })
        else {
            throw ControlFault(
                .validation,
                "a contract lists 1 to \(PartnerEventSource.maximumDetailTypes) detail types of 1 to "
                    + "\(range.upperBound) characters")
        }
    }

    private func requireRoom(for partnerAccount: AccountID, at now: Timestamp) throws(ControlFault) {
        let count = partners.count(of: partnerAccount, at: now) { buses[$0] != nil }
        guard count < declaration.quotas.eventSourcesPerPartner else {
            throw ControlFault(.limitExceeded, "The requested resource exceeds the maximum number allowed.")
        }
    }

    func putting(_ source: PartnerEventSource, at now: Timestamp) -> Transition {
        var partners = partners
        let change = partners.put(source)
        return settling(partners, [change], at: now)
    }
}

extension ControlFault {
    static func deleted(
        _ name: PartnerEventSourceName, at moment: Timestamp, _ end: PartnerEventSource.End
    ) -> ControlFault {
        ControlFault(.invalidState, "Event source \(name) is DELETED: \(end.reason(at: moment)).")
    }
}

extension PartnerEventSource.End {
    /// Why, and what to do.
    package func reason(at moment: Timestamp) -> String {
        switch self {
        case .deletion:
            "its partner deleted it at \(moment.iso8601); the partner calls CreatePartnerEventSource to begin again"
        case .expiry:
            "it was PENDING for 14 days until \(moment.iso8601); the partner calls CreatePartnerEventSource to begin "
                + "again"
        }
    }
}
