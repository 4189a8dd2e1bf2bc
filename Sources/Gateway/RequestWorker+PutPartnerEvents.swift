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
        let units = Quota.cost(entries: entries.count, contentBytes: request.body.count)
        try take(units, from: senders(of: entries, caller)[...], caller, state, exchange)
        let repeatGuard = try repeatGuard(request, caller)
        try publish(
            Publication(entries: entries, guards: .request(repeatGuard), form: .entries, right: .partnerEventSource),
            caller, state, exchange)
    }

    /// Takes `units` from the quota of each of `senders`, or from none and refuses the whole request.
    private func take(
        _ units: Int, from senders: ArraySlice<SenderQuotas.Sender>, _ caller: Caller, _ state: ConnectionState,
        _ exchange: Exchange
    ) throws(Fault) {
        guard let sender = senders.first else { return }
        let charge = Charge(sender: sender, action: "events:PutPartnerEvents", units: units)
        let bucket = try take(charge, caller, state, exchange)
        do throws(Fault) {
            try take(units, from: senders.dropFirst(), caller, state, exchange)
        } catch {
            bucket.giveBack(units)
            throw error
        }
    }

    /// Who pays, each the whole request: every partner of the entries that is the caller, so that none sends on
    /// another's quota, or past its own behind an entry of nobody; without any, the caller's account.
    private func senders(of entries: [DecodedEntry], _ caller: Caller) -> [SenderQuotas.Sender] {
        var last: Bytes?
        var senders: [SenderQuotas.Sender] = []
        for case .entry(let entry) in entries.lazy.map(\.content) where last?.elementsEqual(entry.source) != true {
            last = entry.source
            guard let name = PartnerEventSourceName(parsing: entry.source)?.partner,
                snapshot.partnerAccount(of: name) == caller.account
            else { continue }
            let sender = SenderQuotas.Sender.partner(name.qualified)
            if !senders.contains(sender) { senders.append(sender) }
        }
        return senders.isEmpty ? [.account(caller.account)] : senders
    }
}
