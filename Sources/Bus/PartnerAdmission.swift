import AccessPolicy
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
    private var facts: CallerFacts?
    private var snapshot: Snapshot?
    private var now = Timestamp(milliseconds: 0)

    private struct Refused: Error {
        let code: ErrorCode
        let message: String

        init(_ code: ErrorCode, _ message: String) {
            self.code = code
            self.message = message
        }
    }

    package init() {}

    /// Begins one request of a caller; its entries are decided next.
    package func begin(_ facts: CallerFacts, _ snapshot: Snapshot, now: Timestamp) {
        authorization.begin(facts, action: Authorization.putPartnerEvents, now: now)
        self.facts = facts
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
            let arn = "arn:\(snapshot.partition):events:\(snapshot.region)::event-source/"
            let capture = authorization.capture(
                .binding, of: entry, on: arn + entry.source.prefix(256).text, revision: snapshot.revision)
            return .denial(
                Denial(
                    code: error.code, message: error.message, side: .binding,
                    detail: "\(facts.caller.principal.arn) claimed `\(entry.source.prefix(256).text)`",
                    capture: capture))
        }
        let decision = authorization.decidePartner(entry, on: bus)
        guard decision.isAllowed else {
            let message = decision.message(
                user: facts.caller.principal.arn, action: "\(Authorization.putPartnerEvents)", resource: bus.arn)
            return .denial(
                Denial(
                    code: .accessDenied, message: message, side: .policy,
                    detail: decision.isBudgetExceeded ? "deciding cost more than the step budget" : nil,
                    capture: authorization.capturePartner(
                        decision, of: entry, on: bus, revision: snapshot.revision)))
        }
        return .permit(Permit(afterDecision: decisionID, bus: bus, revision: snapshot.revision))
    }

    /// The customer's bus, when the source is the caller's, agreed to, active, and not suspended.
    private func bound(_ entry: Entry, _ caller: Caller, _ snapshot: Snapshot) throws(Refused) -> EventBus {
        guard PartnerEventSourceName.isClaimed(by: entry.source) else {
            throw Refused(
                .notAuthorizedForSource,
                "Not authorized for the source: PutPartnerEvents takes partner event sources, `aws.partner/…`; account "
                    + "\(caller.account) sends `\(entry.source.prefix(256).text)` with PutEvents.")
        }
        guard let name = PartnerEventSourceName(parsing: entry.source) else {
            throw Refused(
                .invalidArgument,
                "Parameter Source is not valid. Reason: Source must satisfy regular expression pattern: "
                    + "\(PartnerEventSourceName.pattern) and have at most \(PartnerEventSourceName.maximumBytes) characters.")
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
        return try served(source, entry, snapshot)
    }

    private func served(_ source: PartnerEventSource, _ entry: Entry, _ snapshot: Snapshot) throws(Refused) -> EventBus {
        let bus = snapshot.bus(source.busID)
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
        return bus
    }
}
