import Domain
import Identity
import Registry
import Telemetry

/// A sender's bucket, kept with the connection that used it last.
struct HeldBucket {
    let sender: SenderQuotas.Sender
    let action: String
    let bucket: SenderBucket
}

/// What is asked of a sender's quota.
struct Charge {
    let sender: SenderQuotas.Sender
    /// `events:PutEvents`: how policies and the configuration name it.
    let action: String
    /// Units: see `Quota.cost`; 1 for a call without events.
    var units: Int
}

/// Names of actions for which quotas can be written down.
package enum MeteredActions {
    /// Every call of the token service counts under this one.
    static let tokenService = "sts:*"

    /// All of them, without the one that stands for every other.
    package static let all: [String] =
        Array(Set(Operation.allCases.map(\.action) + SenderQuotas.standard.keys + [tokenService]))
        .filter { $0 != SenderQuotas.anyAction }.sorted()
}

extension RequestWorker {
    /// The longest a sender is told to stay away, jitter left out.
    static let longestRetrySeconds: UInt64 = 30

    /// Takes `charge` from the sender's bucket, or refuses the whole request: ask before anything is admitted.
    ///
    /// Cost on a connection that asks again: one atomic exchange.
    func take(
        _ charge: Charge, _ caller: Caller, _ state: ConnectionState, _ exchange: Exchange
    ) throws(Fault) {
        let now = exchange.receivedAt
        while true {
            guard let outcome = bucket(of: charge, state, now).take(charge.units, at: now) else {
                state.bucket = nil
                continue
            }
            return try settle(outcome, charge, caller, exchange.requestID)
        }
    }

    /// Refuses what the sender could not pay for: for a look before the content is decoded. Takes nothing.
    func expect(
        _ charge: Charge, _ caller: Caller, _ state: ConnectionState, _ exchange: Exchange
    ) throws(Fault) {
        let now = exchange.receivedAt
        guard let outcome = bucket(of: charge, state, now).ask(charge.units, at: now) else { return }
        try settle(outcome, charge, caller, exchange.requestID)
    }

    private func bucket(of charge: Charge, _ state: ConnectionState, _ now: UInt64) -> SenderBucket {
        if let held = state.bucket, held.sender == charge.sender, held.action == charge.action { return held.bucket }
        let bucket = services.buckets.bucket(of: charge.sender, charge.action, at: now)
        state.bucket = HeldBucket(sender: charge.sender, action: charge.action, bucket: bucket)
        return bucket
    }

    private func settle(
        _ outcome: TokenBucket.OnTake, _ charge: Charge, _ caller: Caller, _ requestID: UniqueID
    ) throws(Fault) {
        guard case .refused(let nanoseconds) = outcome else { return }
        let wait = min(max(1, (nanoseconds + 999_999_999) / 1_000_000_000), Self.longestRetrySeconds)
        // Up to twice the wait, so that those who are refused together do not come back together.
        let seconds = Int(wait + ids.word() % (wait + 1))
        services.metrics.add(to: .requestsThrottled)
        services.logger.log(
            .info, "quota-refused",
            [
                ("sender", .text("\(charge.sender)")), ("action", .text(charge.action)), ("side", "quota"),
                ("principal", .text(caller.principal.arn)), ("units", .integer(Int64(charge.units))),
                ("retryAfterSeconds", .integer(Int64(seconds))), ("requestId", .text("\(requestID)")),
            ])
        throw Fault(
            .throttling,
            "Rate exceeded: the quota of \(charge.sender) for \(charge.action) is used up; retry after \(seconds) s",
            retryAfterSeconds: seconds)
    }
}
