import Bus
import Cryptography
import Domain
import Identity
import Network
import Registry
import Telemetry

extension RequestWorker {
    /// The greatest length of an `Isthmus-Idempotency-Key`. Source: as the client tokens of AWS APIs.
    static let idempotencyKeyBytes = 64
    /// The greatest length of an `amz-sdk-invocation-id` that is looked at: a UUID and some room.
    static let invocationIDBytes = 64

    func putEvents(
        _ request: borrowing Request, _ caller: Caller, _ state: ConnectionState, _ exchange: Exchange
    ) throws(Fault) {
        var charge = Charge(
            sender: .account(caller.account), action: "events:PutEvents",
            units: Quota.cost(entries: 1, contentBytes: request.body.count))
        try expect(charge, caller, state, exchange)
        let entries = try decoder.decode(request.body)
        charge.units = Quota.cost(entries: entries.count, contentBytes: request.body.count)
        try take(charge, caller, state, exchange)
        let repeatGuard = try repeatGuard(request, caller)
        try publish(
            Publication(entries: entries, guards: .request(repeatGuard), form: .entries), caller, state, exchange)
    }

    /// What a retry of `request` is recognised by.
    func repeatGuard(_ request: borrowing Request, _ caller: Caller) throws(Fault) -> RepeatGuard {
        if let key = request.fields.value(of: "isthmus-idempotency-key") {
            guard (1...Self.idempotencyKeyBytes).contains(key.count),
                !request.fields.repeats("isthmus-idempotency-key"), key.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
            else {
                throw Fault(
                    .validation,
                    "Isthmus-Idempotency-Key must stand once and have 1 to \(Self.idempotencyKeyBytes) printable "
                        + "characters"
                )
            }
            return .explicit(principal: caller.accountable, key: key, body: SHA256.hash(request.body))
        }
        if let invocation = request.fields.value(of: "amz-sdk-invocation-id"),
            (1...Self.invocationIDBytes).contains(invocation.count)
        {
            return .implicit(
                principal: caller.accountable, invocation: invocation, body: SHA256.hash(request.body))
        }
        return .none
    }
}
