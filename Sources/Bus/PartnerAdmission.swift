package import AccessPolicy
package import Domain
import Identity
package import Registry

/// Decides whether a partner's entry may stand on its customer's bus: the binding of its source first, then policies.
///
/// The caller's account is proven: by certificate or signature for `PutPartnerEvents`, by the source's own secret for a
/// webhook. The bus follows from `Source` alone. One object serves an event loop.
/// Source: FEDERATION 3 and 4
package final class PartnerAdmission {
    private let authorization = Authorization()
    /// Asks for `events:PutEvents`: a bus policy that denies it means partners too.
    private let publishing = Authorization()
    private let lastSequence: (BusNumber) -> Domain.Sequence?
    private var facts: CallerFacts?
    private var snapshot: Snapshot?
    private var now = Timestamp(milliseconds: 0)
    /// The source that an entry named last, and whose it is: the next mostly names the same.
    private var last: Found?

    /// A source by its name, as the snapshot has it.
    private final class Found {
        let name: [UInt8]
        /// Whom the partner's name belongs to and who created the source: both are this account.
        let account: AccountID
        let source: PartnerEventSource
        let bus: EventBus?

        init(_ name: Bytes, _ source: PartnerEventSource, _ bus: EventBus?) {
            self.name = Array(name)
            account = source.partnerAccount
            self.source = source
            self.bus = bus
        }

        func isNamed(_ bytes: Bytes) -> Bool {
            bytes.withUnsafeBufferPointer { bytes in name.withUnsafeBufferPointer { bytes.hasSameBytes(as: $0) } }
        }
    }

    private struct Refused: Error {
        let code: ErrorCode
        let message: String

        init(_ code: ErrorCode, _ message: String) {
            self.code = code
            self.message = message
        }
    }

    /// Events that may be held for one source; past it they are refused. Source: THREATS 4.6, bound queues.
    package static let maximumHeldEvents: UInt64 = 1_000_000

    /// - Parameter lastSequence: the newest durable event of a bus, as the log says; asked while events are held.
    package init(lastSequence: @escaping (BusNumber) -> Domain.Sequence?) { self.lastSequence = lastSequence }

    /// Begins one request of a caller; its entries are decided next. `userAgent` is its `User-Agent` field.
    package func begin(_ facts: CallerFacts, _ snapshot: Snapshot, now: Timestamp, userAgent: Bytes? = nil) {
        authorization.begin(facts, action: Authorization.putPartnerEvents, now: now, userAgent: userAgent)
        publishing.begin(facts, action: "events:PutEvents", now: now, userAgent: userAgent)
        self.facts = facts
        if self.snapshot !== snapshot { last = nil }
        self.snapshot = snapshot
        self.now = now
    }

    /// Decides one entry.
    package func decide(_ entry: Entry, decisionID: UniqueID) -> Admission.Verdict {
        guard let facts, let snapshot else { preconditionFailure("an entry is decided within a request") }
        let bus: EventBus
        do throws(Refused) {
            bus = try bound(entry, facts.caller, snapshot)
        } catch {
            var denial = Denial(
                code: error.code, message: error.message, side: .binding,
                detail: "\(facts.caller.principal.arn) claimed `\(entry.source.prefix(256).text)`")
            denial.capture = authorization.capture(
                .binding, of: entry, on: arn(claimedBy: entry, snapshot), revision: snapshot.revision)
            return .denial(denial)
        }
        if let decision = publishing.denial(of: entry, by: bus) {
            let capture = publishing.capture(decision, of: entry, on: bus, revision: snapshot.revision)
            return .denial(denial(decision, bus, facts.caller, capture))
        }
        let decision = authorization.decidePartner(entry, on: bus)
        guard decision.isAllowed else {
            let capture = authorization.capturePartner(decision, of: entry, on: bus, revision: snapshot.revision)
            return .denial(denial(decision, bus, facts.caller, capture))
        }
        return .permit(Permit(afterDecision: decisionID, bus: bus, revision: snapshot.revision))
    }

    /// What an entry that was permitted was decided by, for its record. Ask it after `decide`, within the same request.
    package func capture(_ entry: Entry, _ permit: Permit) -> DecisionCapture {
        let decision = authorization.decidePartner(entry, on: permit.bus)
        return authorization.capturePartner(decision, of: entry, on: permit.bus, revision: permit.revision)
    }

    private func denial(
        _ decision: Decision, _ bus: EventBus, _ caller: Caller, _ capture: DecisionCapture
    ) -> Denial {
        let message = decision.message(
            user: caller.principal.arn, action: "\(Authorization.putPartnerEvents)", resource: bus.arn)
        var denial = Denial(
            code: .accessDenied, message: message, side: .policy,
            detail: decision.isBudgetExceeded ? "deciding cost more than the step budget" : nil)
        denial.capture = capture
        return denial
    }

    /// The ARN of the source an entry claims; its text where that is no name.
    private func arn(claimedBy entry: Entry, _ snapshot: Snapshot) -> String {
        PartnerEventSourceName(parsing: entry.source)?.arn(partition: snapshot.partition, region: snapshot.region)
            ?? entry.source.prefix(PartnerEventSourceName.maximumBytes).text
    }

    /// The customer's bus, when the source is the caller's, agreed to, active, and not suspended.
    private func bound(_ entry: Entry, _ caller: Caller, _ snapshot: Snapshot) throws(Refused) -> EventBus {
        guard PartnerEventSourceName.isClaimed(by: entry.source) else {
            throw Refused(
                .notAuthorizedForSource,
                "Not authorized for the source: PutPartnerEvents takes partner event sources, `aws.partner/…`; account "
                    + "\(caller.account) sends `\(entry.source.prefix(256).text)` with PutEvents.")
        }
        if let last, last.account == caller.account, last.isNamed(entry.source) { return try served(last, entry) }
        guard let name = PartnerEventSourceName(parsing: entry.source) else {
            throw Refused(
                .invalidArgument,
                "Parameter Source is not valid. Reason: Source must satisfy regular expression pattern: "
                    + "\(PartnerEventSourceName.pattern) and have at most \(PartnerEventSourceName.maximumBytes) "
                    + "characters.")
        }
        // INVARIANT: whose the name is comes before anything that depends on whether the source exists.
        guard let owner = snapshot.partnerAccount(of: name.partner), owner == caller.account else {
            let other = snapshot.partnerAccount(of: name.partner).map { "account \($0)" } ?? "no account known here"
            throw Refused(
                .notAuthorizedForSource,
                "Not authorized for the source: partner \(name.partner) is \(other), the caller is of account "
                    + "\(caller.account).")
        }
        guard let source = snapshot.partnerEventSource(named: name) else {
            throw Refused(
                .resourceNotFound,
                "Partner event source \(name) does not exist; call CreatePartnerEventSource first.")
        }
        guard source.partnerAccount == caller.account else {
            throw Refused(
                .notAuthorizedForSource,
                "Not authorized for the source: \(name) was created by account \(source.partnerAccount), the caller is "
                    + "of account \(caller.account).")
        }
        let found = Found(entry.source, source, snapshot.bus(source.busID))
        last = found
        return try served(found, entry)
    }

    private func served(_ found: Found, _ entry: Entry) throws(Refused) -> EventBus {
        let (source, bus) = (found.source, found.bus)
        switch source.state(at: now) {
        case .active: break
        case .deleted(let moment, let end):
            throw Refused(
                .invalidState, "Partner event source \(source.name) is DELETED: \(end.reason(at: moment)).")
        case .pending(let expiresAt):
            throw Refused(
                .invalidState,
                "Partner event source \(source.name) is PENDING: account \(source.account) calls "
                    + "\(bus == nil ? "CreateEventBus with EventSourceName" : "ActivateEventSource") before "
                    + "\(expiresAt.iso8601).")
        }
        if let suspension = source.suspension, !suspension.holds {
            throw Refused(
                .invalidState,
                "Partner event source \(source.name) is suspended since \(suspension.since.iso8601) by the operator of "
                    + "this gateway, who resumes it.")
        }
        guard source.admits(detailType: entry.detailType) else {
            throw Refused(
                .notAuthorizedForDetailType,
                "Not authorized for the detail type: what was agreed for \(source.name) has no "
                    + "`\(entry.detailType.prefix(128).text)`.")
        }
        guard let bus else {
            throw Refused(
                .resourceNotFound,
                "Event bus \(source.name) does not exist: account \(source.account) is not served here any more.")
        }
        if let held = source.suspension?.heldFrom, let last = lastSequence(bus.number),
            last.value >= held.value - 1 + Self.maximumHeldEvents
        {
            throw Refused(
                .limitExceeded,
                "Partner event source \(source.name) is suspended and holds \(Self.maximumHeldEvents) events, as many "
                    + "as it may; the operator of this gateway resumes it.")
        }
        return bus
    }
}
