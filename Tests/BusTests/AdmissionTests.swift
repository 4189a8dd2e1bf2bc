import AccessPolicy
import Bus
import Domain
import Registry
import TestKit
import Testing

/// What became of one entry.
private enum Verdict: Equatable {
    case permitted(String)
    case denied(ErrorCode, String, Denial.Side)

    init(_ verdict: Admission.Verdict) {
        switch verdict {
        case .permit(let permit): self = .permitted(permit.bus.arn)
        case .denial(let denial): self = .denied(denial.code, denial.message, denial.side)
        }
    }
}

/// Asks one `Admission` about entries of one caller, in one request.
private func decide(
    _ entries: [(Entry, String)], as principal: Principal = Scene.publisher, _ snapshot: Snapshot
) -> [Verdict] {
    let admission = Admission()
    admission.begin(CallerFacts(Callers.caller(principal), snapshot), snapshot, now: SettableClock.start)
    return entries.map { entry, bus in
        Verdict(
            admission.decide(entry, busReference: Array(bus.utf8), decisionID: UniqueID(high: 1, low: 2)))
    }
}

private func decide(_ entry: Entry, _ bus: String, as principal: Principal = Scene.publisher, _ snapshot: Snapshot)
    -> Verdict
{
    decide([(entry, bus)], as: principal, snapshot)[0]
}

private let silentPolicy =
    #"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::777777777777:root"},"Action":"events:PutEvents","#
    + #""Resource":"\#(Scene.arn("orders"))"}"#

@Test("an entry without a bus goes to the default bus of the caller's account")
func defaultBus() throws {
    let snapshot = try Scene.snapshotWithOrders([])
    #expect(decide(Entry(), "", snapshot) == .permitted(Scene.arn("default", of: Scene.sender)))
    #expect(decide(Entry(), "default", snapshot) == .permitted(Scene.arn("default", of: Scene.sender)))
}

@Test("another account's bus takes an entry when both sides allow it")
func crossAccount() throws {
    let both = try Scene.snapshotWithOrders([Scene.admitsSender()])
    #expect(decide(Entry(), Scene.arn("orders"), both) == .permitted(Scene.arn("orders")))
    let start = "User: \(Scene.publisher) is not authorized to perform: events:PutEvents on resource: "
    let busOnly = try Scene.snapshotWithOrders([Scene.admitsSender()], publisher: [])
    #expect(
        decide(Entry(), Scene.arn("orders"), busOnly)
            == .denied(
                .accessDenied,
                start + "\(Scene.arn("orders")) because no identity-based policy allows the events:PutEvents action",
                .policy))
    let senderOnly = try Scene.snapshotWithOrders([])
    #expect(
        decide(Entry(), Scene.arn("orders"), senderOnly)
            == .denied(
                .accessDenied,
                start + "\(Scene.arn("orders")) because no resource-based policy allows the events:PutEvents action",
                .policy))
}

@Test("a foreign account's own side is not asked here")
func foreignAccount() throws {
    let statement =
        #"{"Effect":"Allow","Principal":{"AWS":"\#(Scene.stranger)"},"Action":"events:PutEvents","#
        + #""Resource":"\#(Scene.arn("orders"))"}"#
    let snapshot = try Scene.snapshotWithOrders([statement])
    #expect(decide(Entry(), Scene.arn("orders"), as: Scene.stranger, snapshot) == .permitted(Scene.arn("orders")))
    #expect(
        decide(Entry(), "orders", as: Scene.stranger, snapshot)
            == .denied(
                .resourceNotFound,
                "Event bus orders does not exist. Account 999988887777 has no event buses here: name the bus of the other "
                    + "account by its ARN.", .bus))
}

@Test(
    "a bus that does not exist reads like one whose policy is silent, whatever the entry",
    arguments: [
        Entry(), Entry(source: "com.acme.denied"), Entry(source: "aws.ec2"), Entry(source: "aws.partner/acme/orders"),
        Entry(source: String(repeating: "x", count: 10_000)),
    ])
func noOracle(_ entry: Entry) throws {
    let denied =
        #"{"Effect":"Deny","Action":"events:PutEvents","Resource":"*","#
        + #""Condition":{"StringEquals":{"events:source":"com.acme.denied"}}}"#
    for statements in [[silentPolicy], []] {
        let snapshot = try Scene.snapshotWithOrders(statements, publisher: [Scene.everything, denied])
        // One request of two entries each: what the first was answered must not show in the second.
        for first in [entry, Entry(source: "com.acme.denied"), Entry()] {
            let there = decide([(first, Scene.arn("orders")), (entry, Scene.arn("orders"))], snapshot)
            let absent = decide([(first, Scene.arn("ordirs")), (entry, Scene.arn("ordirs"))], snapshot)
            for (one, other) in zip(there, absent) {
                guard case .denied(let code, let message, let side) = one else {
                    Issue.record("a silent policy admitted an entry")
                    return
                }
                #expect(other == .denied(code, message.replacing("/orders", with: "/ordirs"), side))
            }
        }
    }
}

@Test("a missing bus of the caller's own account is said to be missing, without a decision id")
func ownMissingBus() throws {
    let snapshot = try Scene.snapshotWithOrders([])
    let admission = Admission()
    admission.begin(CallerFacts(Callers.caller(Scene.publisher), snapshot), snapshot, now: SettableClock.start)
    let id = UniqueID(high: 1, low: 2)
    for reference in ["nope", Scene.arn("nope", of: Scene.sender)] {
        let verdict = admission.decide(Entry(), busReference: Array(reference.utf8), decisionID: id)
        #expect(Verdict(verdict) == .denied(.resourceNotFound, "Event bus nope does not exist.", .bus))
        if case .denial(let denial) = verdict { #expect(denial.message(to: id) == "Event bus nope does not exist.") }
    }
    guard
        case .denial(let denial) = admission.decide(
            Entry(), busReference: Array(Scene.arn("nope").utf8), decisionID: id)
    else {
        Issue.record("a missing bus admitted an entry")
        return
    }
    #expect(denial.message(to: id).hasSuffix(" (decision id: \(id))"))
}

@Test("a bus of another region or partition is refused with both names")
func elsewhere() throws {
    let snapshot = try Scene.snapshotWithOrders([])
    for (partition, region) in [("aws", "us-east-1"), ("aws-cn", "eu-central-1")] {
        let arn = "arn:\(partition):events:\(region):444455556666:event-bus/orders"
        #expect(
            decide(Entry(), arn, snapshot)
                == .denied(
                    .invalidArgument,
                    "Parameter EventBusName is not valid. Reason: the bus is in `\(partition)` `\(region)`, this "
                        + "gateway serves `aws` `eu-central-1`; send it to a gateway there.", .region))
    }
}

@Test(
    "what is neither a name nor the ARN of a bus is refused",
    arguments: [
        "arn:aws:events:eu-central-1:444455556666:rule/orders",
        "arn:aws:sqs:eu-central-1:444455556666:event-bus/orders",
        "arn:aws:events:eu-central-1:44445555666:event-bus/orders",
        "arn:aws:events:eu-central-1:444455556666:event-bus/",
        "arn:", "a b", "orders\n", "ordérs", String(repeating: "x", count: 257),
        "arn:aws:events:eu-central-1:444455556666:event-bus/" + String(repeating: "x", count: 257),
        "arn:aws:events:eu-central-1:444455556666:event-bus/" + String(repeating: "x", count: 100_000),
    ])
func malformedReferences(_ reference: String) throws {
    let snapshot = try Scene.snapshotWithOrders([])
    guard case .denied(.invalidArgument, let message, .bus) = decide(Entry(), reference, snapshot) else {
        Issue.record("`\(reference.prefix(100))` was not refused as an argument")
        return
    }
    #expect(message.hasPrefix("Parameter EventBusName is not valid. Reason: "))
    #expect(message.utf8.count < 200)
}

@Test("sources of AWS and of partners are nobody's here, whatever the policies say")
func reservedSources() throws {
    let snapshot = try Scene.snapshotWithOrders([Scene.admitsSender()])
    for bus in ["", Scene.arn("orders")] {
        #expect(
            decide(Entry(source: "aws.ec2"), bus, snapshot)
                == .denied(
                    .notAuthorizedForSource,
                    "Not authorized for the source: sources that begin with aws. are reserved for services.", .binding))
        #expect(
            decide(Entry(source: "aws.partner/acme.com/orders"), bus, snapshot)
                == .denied(
                    .notAuthorizedForSource,
                    "Not authorized for the source: partner sources are written with PutPartnerEvents by their creator.",
                    .binding))
        guard case .permitted = decide(Entry(source: "awsome.orders"), bus, snapshot) else {
            Issue.record("a source that only begins like aws. was refused")
            return
        }
    }
}

@Test("an explicit deny of the bus wins over its allow")
func explicitDeny() throws {
    let deny =
        #"{"Effect":"Deny","Principal":"*","Action":"events:PutEvents","Resource":"\#(Scene.arn("orders"))","#
        + #""Condition":{"StringEquals":{"events:detail-type":"Secret"}}}"#
    let snapshot = try Scene.snapshotWithOrders([Scene.admitsSender(), deny])
    #expect(
        decide([(Entry(detailType: "Secret"), Scene.arn("orders")), (Entry(), Scene.arn("orders"))], snapshot)
            == [
                .denied(
                    .accessDenied,
                    "User: \(Scene.publisher) is not authorized to perform: events:PutEvents on resource: "
                        + "\(Scene.arn("orders")) with an explicit deny in a resource-based policy", .policy),
                .permitted(Scene.arn("orders")),
            ])
}

@Test("each entry of a request is decided by its own source, detail type and bus")
func severalBuses() throws {
    let statement =
        #"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"events:PutEvents","#
        + #""Resource":"\#(Scene.arn("orders"))","Condition":{"StringLike":{"events:source":"com.acme.*"},"#
        + #""StringEquals":{"events:detail-type":["OrderPlaced","OrderPaid"]}}}"#
    let snapshot = try Scene.snapshotWithOrders([statement])
    let verdicts = decide(
        [
            (Entry(), Scene.arn("orders")), (Entry(), ""), (Entry(source: "com.other"), Scene.arn("orders")),
            (Entry(detailType: "OrderPaid"), Scene.arn("orders")),
            (Entry(detailType: "Orderpaid"), Scene.arn("orders")),
            (Entry(), "missing"), (Entry(), Scene.arn("orders")),
        ], snapshot)
    let isPermitted = verdicts.map { if case .permitted = $0 { true } else { false } }
    #expect(isPermitted == [true, true, false, true, false, false, true])
    #expect(verdicts[1] == .permitted(Scene.arn("default", of: Scene.sender)))
}

@Test("an entry like one that was allowed is allowed; one that only adds up to the same bytes is not")
func likeTheOneBefore() throws {
    let statement =
        #"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"events:PutEvents","#
        + #""Resource":"\#(Scene.arn("orders"))","Condition":{"StringEquals":{"events:source":"com.acme"}}}"#
    let snapshot = try Scene.snapshotWithOrders([statement])
    let orders = Scene.arn("orders")
    let verdicts = decide(
        [
            (Entry(source: "com.acme", detailType: "Paid"), orders),
            (Entry(source: "com.acme", detailType: "Paid", detail: #"{"a":1}"#), orders),
            (Entry(source: "com.acmeP", detailType: "aid"), orders),
            (Entry(source: "com.acm", detailType: "ePaid"), orders),
            (Entry(source: "com.acme", detailType: "Paid"), Scene.arn("missing")),
            (Entry(source: "com.acme", detailType: "Paid"), orders),
            (Entry(source: "aws.acme", detailType: "Paid"), orders),
        ], snapshot)
    let isPermitted = verdicts.map { if case .permitted = $0 { true } else { false } }
    #expect(isPermitted == [true, true, false, false, false, true, false])
}

@Test("what one request was allowed says nothing about the next caller")
func likeTheOneOfAnother() throws {
    let snapshot = try Scene.snapshotWithOrders([Scene.admitsSender()])
    let admission = Admission()
    let verdicts = [Scene.publisher, Scene.stranger, Scene.publisher].map { principal in
        admission.begin(CallerFacts(Callers.caller(principal), snapshot), snapshot, now: SettableClock.start)
        let verdict = admission.decide(
            Entry(), busReference: Array(Scene.arn("orders").utf8), decisionID: UniqueID(high: 0, low: 1))
        return if case .permit = verdict { true } else { false }
    }
    #expect(verdicts == [true, false, true])
}

@Test("the bus kept from a request before is not another caller's")
func keptBus() throws {
    let snapshot = try Scene.snapshotWithOrders([])
    let admission = Admission()
    for principal in [Scene.publisher, Scene.administrator, Scene.publisher] {
        admission.begin(CallerFacts(Callers.caller(principal), snapshot), snapshot, now: SettableClock.start)
        #expect(
            Verdict(admission.decide(Entry(), busReference: [], decisionID: UniqueID(high: 0, low: 1)))
                == .permitted(Scene.arn("default", of: principal.account)))
    }
}

@Test("a bus of an account that is no longer local takes nothing")
func accountGone() throws {
    let first = try Scene.snapshotWithOrders([Scene.admitsSender()])
    let next = try first.adopting(try Scene.declaration(isOwnerLocal: false), at: SettableClock.start).snapshot
    guard case .denied(.accessDenied, _, .policy) = decide(Entry(), Scene.arn("orders"), next) else {
        Issue.record("a bus that is not served took an entry")
        return
    }
}

@Test("a listener's endpoint policy is one more layer; a listener that is not declared lets nothing pass")
func endpointPolicies() throws {
    let policy = try Scene.policy(
        [#"{"Effect":"Allow","Principal":"*","Action":"events:PutEvents","Resource":"\#(Scene.arn("orders"))"}"#],
        .endpoint)
    let limited = try Scene.snapshotWithOrders(
        [Scene.admitsSender()], endpoints: [Scene.listener: .init(vpc: nil, policy: policy)])
    #expect(decide(Entry(), Scene.arn("orders"), limited) == .permitted(Scene.arn("orders")))
    guard case .denied(.accessDenied, let message, _) = decide(Entry(), "", limited) else {
        Issue.record("the endpoint policy was not asked")
        return
    }
    #expect(message.contains("VPC endpoint policy"))
    let undeclared = try Scene.snapshotWithOrders([Scene.admitsSender()], endpoints: [:])
    guard case .denied(.accessDenied, _, .policy) = decide(Entry(), Scene.arn("orders"), undeclared) else {
        Issue.record("a listener that is not declared let an entry pass")
        return
    }
}
