package import AccessPolicy
package import Domain
package import Identity
package import Registry
package import Telemetry
import Synchronization

/// Records decisions: every denial, and the allows that the configuration asks for.
///
/// Cost on a loop: a denial copies its context; an allow that is not recorded is one atomic load.
package final class DecisionRecorder: Sendable {
    /// Which allows are recorded.
    package enum Allows: Equatable, Sendable {
        case none
        /// One in so many, 2 or more.
        case sampled(oneIn: Int)
        case all
    }

    package let archive: DecisionArchive
    private let metrics: Metrics
    private let logger: Logger
    /// 0 for no allows, 1 for all, else one in so many.
    private let oneIn: Atomic<Int>
    private let allowed = Atomic<Int>(0)

    package init(archive: DecisionArchive, allows: Allows, metrics: Metrics, logger: Logger) {
        self.archive = archive
        self.metrics = metrics
        self.logger = logger
        oneIn = Atomic(allows.oneIn)
    }

    /// Puts another choice in force, from the next decision on.
    package func record(_ allows: Allows) { oneIn.store(allows.oneIn, ordering: .relaxed) }

    /// Whether the allow at hand is to be recorded.
    var wantsAllow: Bool {
        let oneIn = oneIn.load(ordering: .relaxed)
        guard oneIn > 1 else { return oneIn == 1 }
        return allowed.wrappingAdd(1, ordering: .relaxed).oldValue % oneIn == 0
    }

    /// Keeps a decision.
    ///
    /// - Parameters:
    ///   - answer: what a denied sender is told; `nil` for an allow.
    ///   - entry: the entry's place in its request, from 0; `nil` for a call that has none.
    /// - Returns: `false` when it cannot be kept. A denial must then be answered `ThrottlingException`: nobody could
    ///   explain it.
    package func keep(
        _ capture: DecisionCapture, _ answer: DecisionRecord.Answer?, id: UniqueID, requestID: UniqueID, entry: Int?,
        caller: Caller
    ) -> Bool {
        if capture.isBudgetExceeded { warn(of: capture, id, caller) }
        let draft = DecisionDraft(
            id: id, time: capture.time,
            sender: .init(principal: caller.accountable, account: caller.account),
            resource: capture.question.resource, weight: capture.weight
        ) {
            DecisionRecord(
                id: id, requestID: requestID, entry: entry, caller: DecisionRecord.Caller(caller), answer: answer,
                capture: capture
            ).bytes()
        }
        let isKept = archive.keep(draft)
        metrics.add(to: isKept ? .decisionsRecorded : .decisionsUnrecorded)
        return isKept
    }

    /// Policies that no decision can be made with are somebody's mistake, or an attack.
    private func warn(of capture: DecisionCapture, _ id: UniqueID, _ caller: Caller) {
        metrics.add(to: .decisionsOverBudget)
        logger.log(
            .error, "policy-budget-exceeded",
            [
                ("decisionId", .text("\(id)")), ("principal", .text(caller.principal.arn)),
                ("action", .text(capture.question.action)), ("resource", .text(capture.question.resource)),
            ])
    }

    /// What a sender is told instead of a denial that cannot be recorded.
    static let unrecorded = Fault(
        .throttling,
        "the decision cannot be recorded now: too many wait, or the disk takes none; nothing was stored, retry later",
        retryAfterSeconds: 1)
}

extension DecisionRecorder.Allows {
    fileprivate var oneIn: Int {
        switch self {
        case .none: 0
        case .all: 1
        case .sampled(let oneIn): max(2, oneIn)
        }
    }
}

extension DecisionCapture {
    /// About how many bytes a capture holds.
    fileprivate var weight: Int {
        question.keys.reduce(1024) { total, key in
            key.values.reduce(total + 64) { $0 + $1.utf8.count }
        }
    }
}
