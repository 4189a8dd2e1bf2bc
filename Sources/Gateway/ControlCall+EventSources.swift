import Domain
import Identity
import JSON
import Registry

/// What a customer does with the sources that partners made for it: describe, list, activate, deactivate.
///
/// Source: docs.aws.amazon.com/eventbridge/latest/APIReference/API_DescribeEventSource.html and its neighbours
extension ControlCall {
    /// One page of a list by name.
    struct Page {
        let limit: Int
        /// The last name of the page before.
        let after: PartnerEventSourceName?
    }

    func describeEventSource() throws(Fault) -> Outcome {
        let name = try parameters.eventSourceName("Name")
        try authorizeEventSource(name)
        let source = try carry { () throws(ControlFault) in try snapshot.eventSource(name, of: caller.account) }
        return Outcome(answer: Self.answer { writeEventSource(source, to: &$0) })
    }

    func listEventSources() throws(Fault) -> Outcome {
        let prefix = try parameters.string("NamePrefix", maximum: PartnerEventSourceName.maximumBytes)
        if let prefix, EventBusName(parsing: prefix) == nil {
            throw Parameters.pattern("NamePrefix", prefix, #"[/\.\-_A-Za-z0-9]+"#)
        }
        let page = try page()
        try authorizeEverywhere()
        let sources = snapshot.partners.sources.values.filter { source in
            source.account == caller.account && source.name.description.hasPrefix(prefix ?? "")
        }
        return Outcome(answer: list(sources, page, "EventSources") { writeEventSource($0, to: &$1) })
    }

    func activateEventSource() throws(Fault) -> Outcome {
        let name = try parameters.eventSourceName("Name")
        try authorizeEventSource(name)
        let transition = try carry { () throws(ControlFault) in
            try snapshot.activatingEventSource(name, account: caller.account, at: now)
        }
        return Outcome(transition: transition, answer: Self.empty)
    }

    func deactivateEventSource() throws(Fault) -> Outcome {
        let name = try parameters.eventSourceName("Name")
        try authorizeEventSource(name)
        let transition = try carry { () throws(ControlFault) in
            try snapshot.deactivatingEventSource(name, account: caller.account, at: now)
        }
        return Outcome(transition: transition, answer: Self.empty)
    }

    private func authorizeEventSource(_ name: PartnerEventSourceName) throws(Fault) {
        try authorize(on: facts(arn(of: name), of: caller.account), policy: nil)
    }

    private func writeEventSource(_ source: PartnerEventSource, to writer: inout JSONWriter) {
        writer.member("Arn", arn(of: source.name))
        writer.member("Name", source.name.description)
        writer.member("CreatedBy", "\(source.name.partner)")
        writeTimes(source, to: &writer)
    }

    func writeTimes(_ source: PartnerEventSource, to writer: inout JSONWriter) {
        writer.member("CreationTime", Double(source.createdAt.milliseconds) / 1000)
        if let expiry = source.expiresAt(at: now) {
            writer.member("ExpirationTime", Double(expiry.milliseconds) / 1000)
        }
        writer.member("State", source.state(at: now).name)
    }

    /// Why a partner bus receives nothing, for `DescribeEventBus`: members AWS does not have, which its SDKs pass over.
    func writeEventSource(of bus: EventBus, to writer: inout JSONWriter) {
        guard bus.id.name.isPartner else { return }
        let source = snapshot.partnerEventSource(of: bus.id)
        writer.key("EventSource")
        writer.object { writer in
            writer.member("Name", "\(bus.id.name)")
            writer.member("State", source?.state(at: now).name ?? "DELETED")
            if let reason = silence(source) { writer.member("Reason", reason) }
        }
    }

    private func silence(_ source: PartnerEventSource?) -> String? {
        guard let source else { return "the source is bound to another account by now" }
        switch source.state(at: now) {
        case .deleted(let moment, let end): return end.reason(at: moment)
        case .pending(let expiresAt):
            return "it is PENDING and expires at \(expiresAt.iso8601); call ActivateEventSource to receive its events"
        case .active:
            guard let suspension = source.suspension else { return nil }
            return "the operator of this gateway suspended it at \(suspension.since.iso8601); its events are "
                + (suspension.holds ? "held" : "refused")
        }
    }

    func arn(of name: PartnerEventSourceName) -> String {
        name.arn(partition: snapshot.partition, region: snapshot.region)
    }

    func page() throws(Fault) -> Page {
        let limit = try parameters.integer("Limit", in: 1...100) ?? 100
        guard let token = try parameters.string("NextToken", maximum: 2048) else {
            return Page(limit: limit, after: nil)
        }
        guard let name = PartnerEventSourceName(parsing: token) else {
            throw Fault(
                .validation,
                "Parameter NextToken is not valid. Reason: it is not one that \(operation.rawValue) gave.")
        }
        return Page(limit: limit, after: name)
    }

    /// The page of `sources`, by name.
    func list(
        _ sources: [PartnerEventSource], _ page: Page, _ member: StaticString,
        _ write: (PartnerEventSource, inout JSONWriter) -> Void
    ) -> [UInt8] {
        let rest = sources.filter { source in page.after.map { source.name > $0 } ?? true }
            .sorted { $0.name < $1.name }
        let shown = rest.prefix(page.limit)
        return Self.answer { writer in
            writer.key(member)
            writer.array { writer in
                for source in shown { writer.object { write(source, &$0) } }
            }
            if shown.count < rest.count, let last = shown.last { writer.member("NextToken", last.name.description) }
        }
    }
}
