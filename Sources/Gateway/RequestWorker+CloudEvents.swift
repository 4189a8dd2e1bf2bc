import Domain
import Identity
import Registry

extension RequestWorker {
    /// CloudEvents for one bus, through the same admission as `PutEvents`.
    func publishCloudEvents(
        _ request: borrowing Request, to id: EventBusID, _ exchange: Exchange
    ) throws(Fault) {
        try Route.bus(id).checkMethod(request)
        let (caller, state) = try authenticate(request, exchange.connection, exchange.requestID, exchange.now)
        guard request.fields.value(of: "isthmus-idempotency-key") == nil else {
            throw Fault(
                .validation,
                "Isthmus-Idempotency-Key is not for CloudEvents: `source` and `id` of each event are its key")
        }
        var charge = Charge(
            sender: .account(caller.account), action: "events:PutEvents",
            units: Quota.cost(entries: 1, contentBytes: request.body.count))
        try expect(charge, caller, state, exchange)
        let publication = try cloudEvents.decode(
            request, for: state.destination(of: caller, on: id, snapshot))
        charge.units = Quota.cost(entries: publication.entries.count, contentBytes: request.body.count)
        try take(charge, caller, state, exchange)
        try publish(publication, caller, state, exchange)
    }
}
