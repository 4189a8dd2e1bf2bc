import Bus
import Domain
import Identity
import Network
import Registry

extension RequestWorker {
    /// As `PutEvents`, with up to 20 entries; the bus of each follows from its `Source`.
    ///
    /// Source: docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutPartnerEvents.html
    func putPartnerEvents(
        _ request: borrowing Request, _ caller: Caller, _ state: ConnectionState, _ exchange: Exchange
    ) throws(Fault) {
        let entries = try decoder.decode(request.body, maximumEntries: Limits.partnerEntriesPerRequest)
        let charge = Charge(
            sender: sender(of: entries, caller), action: "events:PutPartnerEvents",
            units: Quota.cost(entries: entries.count, contentBytes: request.body.count))
        try take(charge, caller, state, exchange)
        let repeatGuard = try repeatGuard(request, caller)
        try publish(
            Publication(entries: entries, guards: .request(repeatGuard), form: .entries, right: .partnerEventSource),
            caller, state, exchange)
    }

    /// Who pays: the partner of the first entry, if it is the caller; else the caller's account.
    private func sender(of entries: [DecodedEntry], _ caller: Caller) -> SenderQuotas.Sender {
        guard case .entry(let entry)? = entries.first?.content,
            let name = PartnerEventSourceName(parsing: entry.source)?.partner,
            snapshot.partnerAccount(of: name) == caller.account
        else { return .account(caller.account) }
        return .partner("\(PartnerEventSourceName.prefix)\(name)")
    }
}
