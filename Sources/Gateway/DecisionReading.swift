import AccessPolicy
import Domain
import Identity
import Registry

/// `GET /decisions/ID`: a recorded decision for an account that it concerns.
///
/// The sender's account reads facts about its own side, the owner of the resource everything. For anybody else there is
/// no such decision. Source: POLICY 4
struct DecisionReading {
    let id: UniqueID
    let caller: Caller
    let snapshot: Snapshot
    let now: Timestamp
    let archive: DecisionArchive

    static let action = "isthmus:DescribeDecision"

    func perform() throws(Fault) -> [UInt8] {
        let bytes: [UInt8]
        switch archive.find(id) {
        case .record(let found): bytes = found
        case .absent: throw missing
        // INVARIANT: whether there is something to be damaged is nobody's business who may not read it.
        case .damaged, .unreadable: throw missing
        }
        let record: DecisionRecord
        do throws(DecisionRecordError) { record = try DecisionRecord(parsing: bytes) } catch { throw missing }
        guard let view = view(of: record) else { throw missing }
        return record.answer(for: view)
    }

    /// The words of an id that does not exist, whoever asks and whatever there is.
    private var missing: Fault {
        Fault(
            .resourceNotFound,
            "there is no decision \(id) that this caller may read: ask from the sender's or the owner's account",
            status: 404)
    }

    /// What the caller may read of a record; `nil` for nothing.
    private func view(of record: DecisionRecord) -> DecisionView? {
        let decision = decide(on: record.question)
        guard decision.effect != .explicitDeny else { return nil }
        if record.question.resourceAccount == caller.account, snapshot.isLocal(caller.account), decision.isAllowed {
            return .owner
        }
        guard record.caller.account == caller.account.description else { return nil }
        // Its own decisions are everybody's to read; those of others in the account are as its policies say, where
        // those are kept here.
        let isItself = record.caller.principal == caller.principal.arn
        return isItself || decision.isAllowed || !snapshot.isLocal(caller.account) ? .sender : nil
    }

    /// Whether the caller's own side allows `isthmus:DescribeDecision` on the resource. The resource's policy has no
    /// say.
    private func decide(on question: DecisionQuestion) -> Decision {
        let account = question.resourceAccount ?? caller.account
        let placement = snapshot.organizations.placement(of: account)
        let resource = ResourceFacts(
            arn: question.resource, account: caller.account, organization: placement.fact(at: now))
        return Authorization().decide(
            CallerFacts(caller, snapshot), action: Self.action, resource: resource, policy: nil, tags: .none, now: now)
    }
}
