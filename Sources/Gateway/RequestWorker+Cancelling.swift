import Bus
import Network
import Telemetry

/// A call of the control plane whose answer is waited for.
final class ControlWait {
    let connection: Connection
    let stream: StreamToken
    /// Where it stands in the line; set once the line has taken it.
    var place: ControlLine.Place?

    init(connection: Connection, stream: StreamToken) {
        self.connection = connection
        self.stream = stream
    }
}

/// Requests whose senders are gone.
///
/// What nobody has begun with is forgotten: nothing of it is stored, no key of it is remembered, its slot is free. What
/// the log or the control plane has begun with is not undone; it is counted as what it becomes, and no answer is made.
/// Either way its sender has paid: units of a quota stay spent. Records of decisions stay, too: an allow says what was
/// decided, not what was stored.
extension RequestWorker {
    /// Cancels what waits with `work`. Cost: no table is looked through, whatever waits.
    ///
    /// - Returns: whether the work has ended. If not, its end is told by `Connection.release` or `respond`.
    func cancel(_ work: WorkToken) -> Bool {
        guard hasEnded(work.value) else { return false }
        services.metrics.add(to: .requestsCancelled)
        // A call of the control plane may be the last that this loop waited for: no answer would wake it.
        holdBack()
        return true
    }

    private func hasEnded(_ token: UInt64) -> Bool {
        switch waiting.value(of: token) {
        case .publication(let pending)?:
            guard withdraw(pending, [token]) else { return false }
        case .event(let scattered, _)?:
            guard let pending = scattered.pending, withdraw(pending, scattered.tokens) else { return false }
        case .control(let wait)?:
            guard let place = wait.place, services.controlLine.drop(place) else { return false }
            _ = waiting.remove(token)
        case nil: return false
        }
        return true
    }

    /// Takes a publication back from the log, with the slots of its requests; gives it up where that is too late.
    ///
    /// A message of a webhook stays charged to its partner and is remembered as charged: a copy, beside it or later, is
    /// paid for by its address and may be the one that is stored. With the units given back it would cost no partner.
    private func withdraw(_ pending: PendingPublication, _ tokens: [UInt64]) -> Bool {
        guard completions.withdrawals.withdraw(tokens, of: pending.batch) else {
            pending.isGivenUp = true
            return false
        }
        for token in tokens { _ = waiting.remove(token) }
        return true
    }
}
