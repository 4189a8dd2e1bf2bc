package import Domain
package import Identity
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
}

/// Decides whether an entry of a caller may stand on a bus: binding and region first, then the bus, then policies.
///
/// Pure: the same snapshot, caller and entry give the same answer. One value serves the entries of one request.
package struct Admission {
    package enum Verdict {
        case permit(Permit)
        case denial(Denial)
    }

    private let snapshot: Snapshot
    private let caller: Caller
    private let now: Timestamp
    private var lastReference: [UInt8] = []
    private var lastBus: Result<EventBus, Refused>?

    private struct Refused: Error {
        let denial: Denial
    }

    package init(snapshot: Snapshot, caller: Caller, now: Timestamp) {
        self.snapshot = snapshot
        self.caller = caller
        self.now = now
    }

    /// Decides one entry. `busReference` is `EventBusName` as sent: a name in the caller's account, an ARN, or empty.
    package mutating func decide(_ entry: Entry, busReference: [UInt8], decisionID: UniqueID) -> Verdict {
        let bus: EventBus
        switch resolve(busReference) {
        case .success(let found): bus = found
        case .failure(let refused): return .denial(refused.denial)
        }
        if let denial = bindingDenial(entry) { return .denial(denial) }
        let request = PutEventsAuthorization(caller: caller, bus: bus, entry: entry, now: now)
        if let refusal = snapshot.refusal(of: request) {
            return .denial(
                Denial(code: .accessDenied, message: refusal.message, side: .policy, detail: refusal.detail))
        }
        return .permit(Permit(afterDecision: decisionID, bus: bus, revision: snapshot.revision))
    }

    /// The bus a reference names; entries of one request mostly name the same, so the last answer is kept.
    private mutating func resolve(_ reference: [UInt8]) -> Result<EventBus, Refused> {
        if let lastBus, reference == lastReference { return lastBus }
        let found = find(reference)
        lastReference = reference
        lastBus = found
        return found
    }

    private func find(_ reference: [UInt8]) -> Result<EventBus, Refused> {
        func refuse(_ code: ErrorCode, _ message: String, _ side: Denial.Side, detail: String? = nil) -> Refused {
            Refused(denial: Denial(code: code, message: message, side: side, detail: detail))
        }
        let id: EventBusID
        if reference.isEmpty {
            id = EventBusID(account: caller.account, name: .default)
        } else if reference.starts(with: "arn:".utf8) {
            guard let arn = ARN(parsing: String(decoding: reference, as: UTF8.self)), arn.service == "events",
                arn.resource.hasPrefix("event-bus/"), let account = AccountID(parsing: arn.account),
                let name = EventBusName(parsing: String(arn.resource.dropFirst("event-bus/".count)))
            else {
                return .failure(
                    refuse(
                        .invalidArgument,
                        "Parameter EventBusName is not valid. Reason: Provided Arn is not in correct format.", .bus))
            }
            guard arn.region == snapshot.region, arn.partition == snapshot.partition else {
                return .failure(
                    refuse(
                        .invalidArgument,
                        "Parameter EventBusName is not valid. Reason: the bus is in `\(arn.partition)` `\(arn.region)`, this gateway serves `\(snapshot.partition)` `\(snapshot.region)`; send it to a gateway there.",
                        .region))
            }
            id = EventBusID(account: account, name: name)
        } else {
            guard let name = EventBusName(parsing: reference) else {
                return .failure(
                    refuse(
                        .invalidArgument,
                        "Parameter EventBusName is not valid. Reason: a name has 1 to 256 of the characters /.-_A-Za-z0-9.",
                        .bus))
            }
            id = EventBusID(account: caller.account, name: name)
        }
        if let bus = snapshot.bus(id), snapshot.isLocal(id.account) { return .success(bus) }
        guard id.account == caller.account else {
            // INVARIANT: the words of a missing bus of another account are those of one whose policy is silent.
            return .failure(
                refuse(
                    .accessDenied, snapshot.silenceMessage(caller: caller, bus: id), .policy, detail: "the bus does not exist"))
        }
        return .failure(refuse(.resourceNotFound, "Event bus \(id.name) does not exist.", .bus))
    }

    /// Sources that begin with `aws.` belong to AWS services and to partner sources. Source: FEDERATION 3.
    private func bindingDenial(_ entry: Entry) -> Denial? {
        guard entry.source.starts(with: "aws.".utf8) else { return nil }
        let isPartner = entry.source.starts(with: "aws.partner/".utf8)
        return Denial(
            code: .notAuthorizedForSource,
            message: isPartner
                ? "Not authorized for the source: partner sources are written with PutPartnerEvents by the account that created them."
                : "Not authorized for the source: sources that begin with aws. are reserved for services.",
            side: .binding, detail: "\(caller.principal.arn) claimed `\(entry.source.prefix(256).text)`")
    }
}
