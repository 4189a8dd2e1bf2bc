package import AccessPolicy
package import Domain
import Identity
package import Registry

/// Why an entry was not admitted: what the sender reads, and what the owner of the bus finds in the record.
package struct Denial: Sendable {
    /// Which side said no. Source: POLICY 4.
    package enum Side: String, Sendable {
        case region
        case binding
        case bus
        case policy
    }

    package let code: ErrorCode
    /// In AWS's form, without the decision id.
    package let message: String
    package let side: Side
    /// More than the sender is told; `nil` when there is no more.
    package let detail: String?
    /// What the decision was made of, for its record; `nil` when nothing was decided (`side` is `bus`).
    package internal(set) var capture: DecisionCapture?

    /// What the sender reads. A decision gets its id; for a bus that is simply not there EventBridge's words stand
    /// alone.
    package func message(to decisionID: UniqueID) -> String {
        side == .bus ? message : "\(message) (decision id: \(decisionID))"
    }
}

extension Denial.Side {
    /// The side of a refusal that no policy was asked about; `nil` where nothing was decided, or policies did.
    fileprivate var ofRecord: Decision.Side? {
        switch self {
        case .region: .region
        case .binding: .binding
        case .bus, .policy: nil
        }
    }
}

/// Decides whether an entry of a caller may stand on a bus: binding and region first, then the bus, then policies.
///
/// The same snapshot, caller, time and entry give the same answer. One object serves an event loop.
package final class Admission {
    package enum Verdict {
        case permit(Permit)
        // Behind a pointer: a denial is large, and most verdicts are none.
        indirect case denial(Denial)
    }

    private let authorization = Authorization()
    private var request: Request?
    private var lastReference: [UInt8] = []
    private var lastBus: EventBus?
    /// The entry that was allowed last in the request under way, and where: one alike is allowed there, too.
    private var lastAllowed: (entry: Entry, bus: EventBus)?

    /// The request under way.
    private struct Request {
        let facts: CallerFacts
        let snapshot: Snapshot
        var caller: Caller { facts.caller }
    }

    private struct Refused: Error {
        let denial: Denial

        init(denial: Denial) { self.denial = denial }

        init(_ code: ErrorCode, _ message: String, _ side: Denial.Side) {
            denial = Denial(code: code, message: message, side: side, detail: nil)
        }

        init(argument reason: String, _ side: Denial.Side) {
            self.init(.invalidArgument, "Parameter EventBusName is not valid. Reason: \(reason)", side)
        }
    }

    package init() {}

    /// Begins one request of a caller; its entries are decided next. `userAgent` is its `User-Agent` field.
    package func begin(_ facts: CallerFacts, _ snapshot: Snapshot, now: Timestamp, userAgent: Bytes? = nil) {
        authorization.begin(facts, action: "events:PutEvents", now: now, userAgent: userAgent)
        if let request, request.snapshot !== snapshot || request.caller.account != facts.caller.account {
            lastBus = nil
        }
        request = Request(facts: facts, snapshot: snapshot)
        lastAllowed = nil
    }

    /// Decides one entry. `busReference` is `EventBusName` as sent: a name in the caller's account, an ARN, or empty.
    package func decide(_ entry: Entry, busReference: [UInt8], decisionID: UniqueID) -> Verdict {
        guard let request else { preconditionFailure("an entry is decided within a request") }
        let bus: EventBus
        if let lastBus, busReference == lastReference {
            bus = lastBus
        } else {
            switch find(busReference, entry, request) {
            case .success(let found): bus = found
            case .failure(let refused): return .denial(captured(refused.denial, entry, busReference, request))
            }
            lastReference = busReference
            lastBus = bus
        }
        if let lastAllowed, lastAllowed.bus === bus, lastAllowed.entry.isAlike(entry) {
            return .permit(Permit(afterDecision: decisionID, bus: bus, revision: request.snapshot.revision))
        }
        if let denial = bindingDenial(entry, request) {
            return .denial(captured(denial, entry, busReference, request))
        }
        let decision = authorization.decide(entry, on: bus)
        guard decision.isAllowed else {
            var denial = denial(decision, bus.arn, request)
            denial.capture = authorization.capture(
                decision, of: entry, on: bus, revision: request.snapshot.revision)
            return .denial(denial)
        }
        lastAllowed = (entry, bus)
        return .permit(Permit(afterDecision: decisionID, bus: bus, revision: request.snapshot.revision))
    }

    /// What an entry that was permitted was decided by, for its record. Ask it after `decide`, within the same request.
    package func capture(_ entry: Entry, _ permit: Permit) -> DecisionCapture {
        let decision = authorization.decide(entry, on: permit.bus)
        return authorization.capture(decision, of: entry, on: permit.bus, revision: permit.revision)
    }

    /// A denial with what its record needs. One that no policy was asked about names the bus as the sender did.
    private func captured(
        _ denial: Denial, _ entry: Entry, _ reference: [UInt8], _ request: Request
    ) -> Denial {
        guard denial.capture == nil, let side = denial.side.ofRecord else { return denial }
        var arn = String(decoding: reference.prefix(ARN.maximumBytes), as: UTF8.self)
        if case .success(let id) = identify(reference, request) {
            arn = id.arn(partition: request.snapshot.partition, region: request.snapshot.region)
        }
        var denial = denial
        denial.capture = authorization.capture(side, of: entry, on: arn, revision: request.snapshot.revision)
        return denial
    }

    private func denial(
        _ decision: Decision, _ arn: String, _ request: Request, detail: String? = nil
    ) -> Denial {
        let message = decision.message(
            user: request.caller.principal.arn, action: "events:PutEvents", resource: arn)
        return Denial(
            code: .accessDenied, message: message, side: .policy,
            detail: decision.isBudgetExceeded ? "deciding cost more than the step budget" : detail)
    }

    /// The bus a reference names. Entries mostly name the same: the last one found is kept as long as the snapshot.
    private func find(_ reference: [UInt8], _ entry: Entry, _ request: Request) -> Result<EventBus, Refused> {
        let snapshot = request.snapshot
        let id: EventBusID
        switch identify(reference, request) {
        case .success(let named): id = named
        case .failure(let refused): return .failure(refused)
        }
        // INVARIANT: the binding is decided before anything is said that depends on whether the bus exists.
        if let denial = bindingDenial(entry, request) { return .failure(Refused(denial: denial)) }
        if id.name.isPartner {
            return .failure(Refused(argument: "the bus receives from its partner event source only.", .binding))
        }
        if let bus = snapshot.bus(id) { return .success(bus) }
        guard id.account == request.caller.account else {
            // INVARIANT: the words of a missing bus of another account are those of one whose policy is silent.
            let arn = id.arn(partition: snapshot.partition, region: snapshot.region)
            let decision = authorization.decide(entry, onMissing: arn, of: id.account)
            var denial = denial(decision, arn, request, detail: "the bus does not exist")
            denial.capture = authorization.capture(
                decision, of: entry, onMissing: arn, of: id.account, revision: snapshot.revision)
            return .failure(Refused(denial: denial))
        }
        let missing = "Event bus \(id.name) does not exist."
        guard !snapshot.isLocal(id.account) else { return .failure(Refused(.resourceNotFound, missing, .bus)) }
        let hint = " Account \(id.account) has no event buses here: name the bus of the other account by its ARN."
        return .failure(Refused(.resourceNotFound, missing + hint, .bus))
    }

    private func identify(_ reference: [UInt8], _ request: Request) -> Result<EventBusID, Refused> {
        let snapshot = request.snapshot
        if reference.isEmpty { return .success(EventBusID(account: request.caller.account, name: .default)) }
        guard reference.starts(with: "arn:".utf8) else {
            guard let name = EventBusName(parsing: reference) else {
                return .failure(Refused(argument: "a name has 1 to 256 of the characters /.-_A-Za-z0-9.", .bus))
            }
            return .success(EventBusID(account: request.caller.account, name: name))
        }
        guard reference.count <= ARN.maximumBytes, let arn = ARN(parsing: String(decoding: reference, as: UTF8.self)),
            arn.service == "events", arn.resource.hasPrefix("event-bus/"),
            let account = AccountID(parsing: arn.account),
            let name = EventBusName(parsing: String(arn.resource.dropFirst("event-bus/".count)))
        else { return .failure(Refused(argument: "Provided Arn is not in correct format.", .bus)) }
        guard arn.region == snapshot.region, arn.partition == snapshot.partition else {
            let reason =
                "the bus is in `\(arn.partition)` `\(arn.region)`, this gateway serves `\(snapshot.partition)` "
                + "`\(snapshot.region)`; send it to a gateway there."
            return .failure(Refused(argument: reason, .region))
        }
        return .success(EventBusID(account: account, name: name))
    }

    /// Sources that begin with `aws.` belong to AWS services and to partner sources. Source: FEDERATION 3.
    private func bindingDenial(_ entry: Entry, _ request: Request) -> Denial? {
        let source = entry.source
        guard source.first == UInt8(ascii: "a"), source.starts(with: "aws.".utf8) else { return nil }
        let isPartner = entry.source.starts(with: "aws.partner/".utf8)
        return Denial(
            code: .notAuthorizedForSource,
            message: isPartner
                ? "Not authorized for the source: partner sources are written with PutPartnerEvents by their creator."
                : "Not authorized for the source: sources that begin with aws. are reserved for services.",
            side: .binding, detail: "\(request.caller.principal.arn) claimed `\(entry.source.prefix(256).text)`")
    }
}
