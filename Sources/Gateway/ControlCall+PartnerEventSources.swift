import AccessPolicy
import Domain
import Identity
import JSON
import Registry

/// What a partner does with its sources: create, describe, list, delete.
///
/// Source: docs.aws.amazon.com/eventbridge/latest/APIReference/API_CreatePartnerEventSource.html and its neighbours
extension ControlCall {
    func createPartnerEventSource() throws(Fault) -> Outcome {
        let name = try parameters.eventSourceName("Name")
        let account = try parameters.accountID("Account")
        try authorizePartner(name)
        let transition = try carry { () throws(ControlFault) in
            try snapshot.addingPartnerEventSource(name, partnerAccount: caller.account, account: account, at: now)
        }
        let answer = Self.answer { $0.member("EventSourceArn", arn(of: name)) }
        return Outcome(transition: transition, answer: answer)
    }

    func describePartnerEventSource() throws(Fault) -> Outcome {
        let source = try ownSource("Name")
        if case .deleted(let moment, let end) = source.state(at: now) {
            throw Fault(
                .resourceNotFound, "Partner event source \(source.name) is DELETED: \(end.reason(at: moment)).")
        }
        return Outcome(answer: Self.answer { writePartnerSource(source, to: &$0) })
    }

    func deletePartnerEventSource() throws(Fault) -> Outcome {
        let name = try parameters.eventSourceName("Name")
        let account = try parameters.accountID("Account")
        try authorizePartner(name)
        let transition = try carry { () throws(ControlFault) in
            try snapshot.removingPartnerEventSource(name, partnerAccount: caller.account, account: account, at: now)
        }
        return Outcome(transition: transition, answer: Self.empty)
    }

    func listPartnerEventSources() throws(Fault) -> Outcome {
        let prefix = try parameters.required("NamePrefix", maximum: PartnerEventSourceName.maximumBytes)
        guard let partner = Self.partner(ofPrefix: prefix) else {
            throw Parameters.pattern("NamePrefix", prefix, #"aws\.partner/[\.\-_A-Za-z0-9]+/[/\.\-_A-Za-z0-9]*"#)
        }
        let page = try page()
        try carry { () throws(ControlFault) in try snapshot.requirePartner(partner, is: caller.account) }
        try authorizeBinding(on: "*")
        let sources = snapshot.partners.sources.values.filter { source in
            guard source.partnerAccount == caller.account, source.name.description.hasPrefix(prefix) else {
                return false
            }
            if case .deleted = source.state(at: now) { return false }
            return true
        }
        return Outcome(answer: list(sources, page, "PartnerEventSources") { writePartnerSource($0, to: &$1) })
    }

    func listPartnerEventSourceAccounts() throws(Fault) -> Outcome {
        // A source has one account, so every page is the first.
        let page = try page()
        let source = try ownSource("EventSourceName")
        let answer = list([source], page, "PartnerEventSourceAccounts") { source, writer in
            writer.member("Account", "\(source.account)")
            writeTimes(source, to: &writer)
        }
        return Outcome(answer: answer)
    }

    /// The caller's own source that a parameter names.
    private func ownSource(_ parameter: String) throws(Fault) -> PartnerEventSource {
        let name = try parameters.eventSourceName(parameter)
        try authorizePartner(name)
        guard let source = snapshot.partnerEventSource(named: name), source.partnerAccount == caller.account else {
            throw Fault(ControlFault.noSuchSource(name))
        }
        return source
    }

    private func authorizePartner(_ name: PartnerEventSourceName) throws(Fault) {
        // INVARIANT: whose the name is comes before anything that depends on whether the source exists.
        try carry { () throws(ControlFault) in try snapshot.requirePartner(name.partner, is: caller.account) }
        try authorizeBinding(on: arn(of: name))
    }

    /// Asks the policies about a partner: a local one needs an identity policy, a foreign one's own side is decided
    /// elsewhere.
    private func authorizeBinding(on arn: String) throws(Fault) {
        try authorize(
            on: facts(arn, of: caller.account), policy: snapshot.isLocal(caller.account) ? nil : .partnerBinding)
    }

    private func writePartnerSource(_ source: PartnerEventSource, to writer: inout JSONWriter) {
        writer.member("Arn", arn(of: source.name))
        writer.member("Name", source.name.description)
    }

    /// `acme.example` of `aws.partner/acme.example/sh`.
    private static func partner(ofPrefix prefix: String) -> PartnerName? {
        let parts = prefix.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "aws.partner",
            parts[2].isEmpty || EventBusName(parsing: String(parts[2])) != nil
        else { return nil }
        return PartnerName(parsing: String(parts[1]))
    }
}
