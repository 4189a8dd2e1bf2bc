import AccessPolicy
import Domain
import Identity
import Network
import Registry
import Telemetry

/// Names of actions for which quotas can be written down.
package enum MeteredActions {
    /// Every call of the token service counts under this one.
    static let tokenService = "sts:*"
    /// Requests of webhooks that prove nothing new: messages that came before, and unsigned ones in shadow mode.
    /// Counted by address.
    package static let unproven = "webhooks:Unproven"

    /// All of them, without the one that stands for every other.
    package static let all: [String] =
        Array(
            Set(
                Operation.allCases.map(\.action) + SenderQuotas.standard.keys
                    + [tokenService, DecisionReading.action, unproven])
        )
        .filter { $0 != SenderQuotas.anyAction }.sorted()
}

extension RequestWorker {
    /// The longest a sender is told to stay away, jitter left out.
    static let longestRetrySeconds: UInt64 = 30

    /// Takes `charge` from the sender's bucket, or refuses the whole request: ask before anything is admitted.
    ///
    /// Cost on a connection that asks again: one atomic exchange.
    ///
    /// - Returns: the bucket that it was taken from.
    @discardableResult
    func take(
        _ charge: Charge, _ caller: Caller, _ state: ConnectionState, _ exchange: Exchange
    ) throws(Fault) -> SenderBucket {
        let now = exchange.receivedAt
        while true {
            let bucket = bucket(of: charge, state, now)
            switch bucket.take(charge.units, at: now) {
            case .taken?: return bucket
            case .refused(let nanoseconds)?: throw refusal(charge, bucket, nanoseconds, caller, state, exchange)
            case nil: state.bucket = nil
            }
        }
    }

    /// Refuses what the sender could not pay for: for a look before the content is decoded. Takes nothing.
    func expect(
        _ charge: Charge, _ caller: Caller, _ state: ConnectionState, _ exchange: Exchange
    ) throws(Fault) {
        let bucket = bucket(of: charge, state, exchange.receivedAt)
        guard case .refused(let nanoseconds)? = bucket.ask(charge.units, at: exchange.receivedAt) else { return }
        throw refusal(charge, bucket, nanoseconds, caller, state, exchange)
    }

    /// Takes `units` of what the peer's address, in IPv6 its /64, may ask for without proving anything new about a
    /// sender.
    func takeUnproven(_ units: Int, _ exchange: Exchange) throws(Fault) {
        let sender = SenderQuotas.Sender.address(exchange.connection.facts.addressBlock)
        while true {
            let bucket = services.addressBuckets.bucket(of: sender, MeteredActions.unproven, at: exchange.receivedAt)
            switch bucket.take(units, at: exchange.receivedAt) {
            case .taken?: return
            case .refused(let nanoseconds)?:
                let charge = Charge(sender: sender, action: MeteredActions.unproven, units: units)
                throw refusal(charge, retrySeconds(after: nanoseconds), principal: nil, nil, exchange)
            case nil: continue
            }
        }
    }

    /// Gives back what was charged for a message that the log knew from before, while the address it came from can pay
    /// for it: so a restart makes no message cost twice, and sending again is bounded all the same.
    func giveBack(_ charged: Charged, _ exchange: Exchange) {
        let now = services.monotonic()
        let sender = SenderQuotas.Sender.address(exchange.connection.facts.addressBlock)
        let address = services.addressBuckets.bucket(of: sender, MeteredActions.unproven, at: now)
        if case .taken? = address.take(charged.units, at: now) { charged.bucket.giveBack(charged.units) }
    }

    private func bucket(of charge: Charge, _ state: ConnectionState, _ now: UInt64) -> SenderBucket {
        if let held = state.bucket, held.sender == charge.sender, held.action == charge.action { return held.bucket }
        let bucket = services.buckets.bucket(of: charge.sender, charge.action, at: now)
        state.bucket = HeldBucket(sender: charge.sender, action: charge.action, bucket: bucket)
        return bucket
    }

    /// Counts, logs and records a refusal.
    private func refusal(
        _ charge: Charge, _ bucket: SenderBucket, _ nanoseconds: UInt64, _ caller: Caller, _ state: ConnectionState,
        _ exchange: Exchange
    ) -> Fault {
        let seconds = retrySeconds(after: nanoseconds)
        let decisionID = bucket.mayRecord(at: exchange.receivedAt)
            ? record(charge, message(charge, seconds), caller, state, exchange) : nil
        return refusal(charge, seconds, principal: caller.principal.arn, decisionID, exchange)
    }

    /// Up to twice the wait, so that those who are refused together do not come back together.
    private func retrySeconds(after nanoseconds: UInt64) -> Int {
        let wait = min(max(1, (nanoseconds + 999_999_999) / 1_000_000_000), Self.longestRetrySeconds)
        return Int(wait + ids.word() % (wait + 1))
    }

    private func message(_ charge: Charge, _ seconds: Int) -> String {
        "Rate exceeded: the quota of \(charge.sender) for \(charge.action) is used up; retry after \(seconds) s"
    }

    private func refusal(
        _ charge: Charge, _ seconds: Int, principal: String?, _ decisionID: UniqueID?, _ exchange: Exchange
    ) -> Fault {
        services.metrics.add(to: .requestsThrottled)
        services.logger.log(
            .info, "quota-refused",
            [
                ("sender", .text("\(charge.sender)")), ("action", .text(charge.action)), ("side", "quota"),
                ("principal", .text(principal ?? "")), ("units", .integer(Int64(charge.units))),
                ("retryAfterSeconds", .integer(Int64(seconds))),
                ("sourceAddress", .text(exchange.connection.facts.sourceAddress)),
                ("decisionId", .text(decisionID.map { "\($0)" } ?? "")),
                ("requestId", .text("\(exchange.requestID)")),
            ])
        let suffix = decisionID.map { " (decision id: \($0))" } ?? ""
        return Fault(.throttling, message(charge, seconds) + suffix, retryAfterSeconds: seconds).logged
    }

    /// - Returns: the id of the record; `nil` when there is no room for one.
    private func record(
        _ charge: Charge, _ message: String, _ caller: Caller, _ state: ConnectionState, _ exchange: Exchange
    ) -> UniqueID? {
        do throws(Fault) {
            let (facts, _) = try state.prepared(for: caller, snapshot, sharedFacts)
            let capture = Authorization().capture(
                .quota, of: facts, action: charge.action, revision: snapshot.revision, now: exchange.now)
            let id = ids.next()
            let answer = DecisionRecord.Answer(
                code: ErrorCode.throttling.rawValue, message: message, detail: "\(charge.units) units were asked for")
            let isKept = services.decisions.keep(
                capture, answer, id: id, requestID: exchange.requestID, entry: nil, caller: caller)
            return isKept ? id : nil
        } catch {
            // Names too long to be recorded: the request will be refused for them when there is quota again.
            return nil
        }
    }
}
