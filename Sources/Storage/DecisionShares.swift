import Domain
import Registry

/// Who holds how much of the queue of decisions, so that nobody takes it from the others.
///
/// Half of the queue is anybody's. Past that there is room only for whoever holds less than a share of the whole: a
/// sixteenth for a principal, an eighth for an account, whose principals may be many.
struct DecisionShares {
    /// What waits, of everybody or of one sender.
    struct Holding {
        var count = 0
        var bytes = 0
    }

    /// One principal's part of the whole. Source: as many as fit into the half that is not anybody's, twice.
    static let principalPart = 16
    /// One account's part of the whole: four others are needed to fill what one left.
    static let accountPart = 8

    private let limit: Holding
    private(set) var whole = Holding()
    private var principals: [String: Holding] = [:]
    private var accounts: [AccountID: Holding] = [:]

    /// `count` drafts of `bytes` together at most.
    init(count: Int, bytes: Int) { limit = Holding(count: count, bytes: bytes) }

    /// Senders of whom something waits.
    var senders: Int { principals.count }

    /// Notes that `draft` waits; `false`, and nothing noted, when there is no room for it.
    mutating func add(_ draft: DecisionDraft) -> Bool {
        guard whole.takes(draft, limit, part: 1) else { return false }
        if !whole.takes(draft, limit, part: 2) {
            let principal = principals[draft.sender.principal] ?? Holding()
            let account = accounts[draft.sender.account] ?? Holding()
            guard principal.isShare(with: draft, of: limit, part: Self.principalPart),
                account.isShare(with: draft, of: limit, part: Self.accountPart)
            else { return false }
        }
        whole.add(draft)
        principals[draft.sender.principal, default: Holding()].add(draft)
        accounts[draft.sender.account, default: Holding()].add(draft)
        return true
    }

    /// Notes that `drafts` wait no more. Those of one sender that follow each other are taken off together.
    mutating func remove(_ drafts: [DecisionDraft]) {
        var run = (sender: DecisionDraft.Sender?.none, holding: Holding())
        for draft in drafts {
            if draft.sender != run.sender {
                remove(run.holding, of: run.sender)
                run = (draft.sender, Holding())
            }
            run.holding.add(draft)
        }
        remove(run.holding, of: run.sender)
    }

    private mutating func remove(_ holding: Holding, of sender: DecisionDraft.Sender?) {
        guard let sender else { return }
        whole.remove(holding)
        Self.remove(holding, of: sender.principal, from: &principals)
        Self.remove(holding, of: sender.account, from: &accounts)
    }

    private static func remove<Name>(_ holding: Holding, of name: Name, from holdings: inout [Name: Holding]) {
        guard var rest = holdings[name] else { return }
        rest.remove(holding)
        holdings[name] = rest.count > 0 ? rest : nil
    }
}

extension DecisionShares.Holding {
    /// Whether `draft` fits beside this into one of `part` equal parts of `limit`.
    fileprivate func takes(_ draft: DecisionDraft, _ limit: Self, part: Int) -> Bool {
        count < limit.count / part && bytes + draft.weight <= limit.bytes / part
    }

    /// The same for a sender's share, which the first draft fits however small the share is.
    fileprivate func isShare(with draft: DecisionDraft, of limit: Self, part: Int) -> Bool {
        count == 0 || takes(draft, limit, part: part)
    }

    fileprivate mutating func add(_ draft: DecisionDraft) {
        count += 1
        bytes += draft.weight
    }

    fileprivate mutating func remove(_ other: Self) {
        count -= other.count
        bytes -= other.bytes
    }
}
