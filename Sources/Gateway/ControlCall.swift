import AccessPolicy
import Domain
import Identity
import JSON
import Registry

/// One call of the control plane with all it depends on: who, when, and the snapshot it starts from.
///
/// An operation is a pure function of the call: it returns its answer and, when it changes something, the transition to
/// commit before the answer is given.
struct ControlCall {
    struct Outcome {
        var transition: Transition?
        /// Writes the members of the answer's object.
        var answer: [UInt8]
    }

    let operation: Operation
    let parameters: Parameters
    let caller: Caller
    let snapshot: Snapshot
    let now: Timestamp
    let decisionID: UniqueID
    let decisions: DecisionRecorder
    /// The call's `User-Agent` field.
    var userAgent: [UInt8]?

    func perform() throws(Fault) -> Outcome {
        switch operation {
        case .putEvents, .putPartnerEvents:
            throw Fault(.internalFailure, "\(operation.rawValue) is not an operation of the control plane")
        case .createEventBus: try createEventBus()
        case .describeEventBus: try describeEventBus()
        case .updateEventBus: try updateEventBus()
        case .deleteEventBus: try deleteEventBus()
        case .listEventBuses: try listEventBuses()
        case .putPermission: try putPermission()
        case .removePermission: try removePermission()
        case .tagResource: try tagResource()
        case .untagResource: try untagResource()
        case .listTagsForResource: try listTagsForResource()
        case .createPartnerEventSource: try createPartnerEventSource()
        case .describePartnerEventSource: try describePartnerEventSource()
        case .deletePartnerEventSource: try deletePartnerEventSource()
        case .listPartnerEventSources: try listPartnerEventSources()
        case .listPartnerEventSourceAccounts: try listPartnerEventSourceAccounts()
        case .describeEventSource: try describeEventSource()
        case .listEventSources: try listEventSources()
        case .activateEventSource: try activateEventSource()
        case .deactivateEventSource: try deactivateEventSource()
        }
    }

    /// An answer with members written by `body`.
    static func answer(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var bytes: [UInt8] = []
        JSONWriter.append(to: &bytes) { writer in writer.object { body(&$0) } }
        return bytes
    }

    /// An answer that is an empty object, as most operations that change something give.
    static let empty: [UInt8] = Array("{}".utf8)

    func carry<Value>(_ plan: () throws(ControlFault) -> Value) throws(Fault) -> Value {
        do throws(ControlFault) { return try plan() } catch { throw Fault(error) }
    }

    /// The bus a parameter names, by name in the caller's account or by ARN.
    func busID(_ parameter: String, default name: EventBusName? = nil) throws(Fault) -> EventBusID {
        if !parameters.has(parameter), let name { return EventBusID(account: caller.account, name: name) }
        let text = try parameters.required(parameter, maximum: ARN.maximumBytes)
        guard text.hasPrefix("arn:") else {
            return EventBusID(account: caller.account, name: try parameters.busName(parameter))
        }
        return try busID(arn: text, parameter: parameter)
    }

    func busID(arn text: String, parameter: String) throws(Fault) -> EventBusID {
        guard let arn = ARN(parsing: text), arn.service == "events", let account = AccountID(parsing: arn.account),
            arn.resource.hasPrefix("event-bus/"),
            let name = EventBusName(parsing: String(arn.resource.dropFirst("event-bus/".count)))
        else {
            throw Fault(
                .validation, "Parameter \(parameter) is not valid. Reason: Provided Arn is not in correct format.")
        }
        guard arn.partition == snapshot.partition, arn.region == snapshot.region else {
            throw Fault(
                .validation,
                "Parameter \(parameter) is not valid. Reason: this gateway serves `\(snapshot.partition)` "
                    + "`\(snapshot.region)`, the Arn names `\(arn.partition)` `\(arn.region)`."
            )
        }
        return EventBusID(account: account, name: name)
    }

    /// Refuses the call unless the policies allow it on that bus (or on a bus that does not exist yet).
    func authorize(_ id: EventBusID, tags: TagFacts = .none) throws(Fault) {
        let bus = snapshot.bus(id)
        let arn = id.arn(partition: snapshot.partition, region: snapshot.region)
        try authorize(
            on: bus?.resource(at: now) ?? facts(arn, of: id.account), policy: bus?.policy, tags: tags,
            exists: bus != nil)
    }

    /// Refuses the call unless the policies allow it where the action has no resource.
    func authorizeEverywhere() throws(Fault) {
        try authorize(on: facts("*", of: caller.account), policy: nil, tags: .none, exists: true)
    }

    /// What policies read of a resource that has none, or does not exist.
    func facts(_ arn: String, of account: AccountID) -> ResourceFacts {
        let organization = snapshot.organizations.placement(of: account).fact(at: now)
        return ResourceFacts(arn: arn, account: account, organization: organization)
    }

    /// Refuses the call unless the policies allow it on that resource.
    ///
    /// - Parameter exists: whether the resource is there.
    func authorize(
        on resource: ResourceFacts, policy: CompiledPolicy?, tags: TagFacts = .none, exists: Bool = true
    ) throws(Fault) {
        let authorization = Authorization()
        let decision = authorization.decide(
            CallerFacts(caller, snapshot), action: operation.action, resource: resource, policy: policy,
            tags: tags, now: now, userAgent: userAgent.map { $0[...] })
        if decision.isAllowed, !decisions.wantsAllow { return }
        let capture = authorization.capture(
            decision, onCallTo: resource, policy: policy, exists: exists, revision: snapshot.revision)
        let message = decision.message(
            user: caller.principal.arn, action: operation.action, resource: resource.arn)
        let answer = DecisionRecord.Answer(code: ErrorCode.accessDenied.rawValue, message: message)
        let isKept = decisions.keep(
            capture, decision.isAllowed ? nil : answer, id: decisionID, requestID: decisionID, entry: nil,
            caller: caller)
        if decision.isAllowed { return }
        guard isKept else { throw DecisionRecorder.unrecorded }
        throw Fault(.accessDenied, "\(message) (decision id: \(decisionID))")
    }
}
