package import Domain

/// A decision record to be: it waits for the archive's thread, which makes and keeps it.
package struct DecisionDraft: Sendable {
    /// On whose account a draft waits.
    package struct Sender: Hashable, Sendable {
        /// `Caller.accountable`: the principal, or the role behind a session.
        package let principal: String
        package let account: AccountID

        package init(principal: String, account: AccountID) {
            self.principal = principal
            self.account = account
        }
    }

    package let id: UniqueID
    package let time: Timestamp
    package let sender: Sender
    /// The ARN that was asked for, or `*`.
    package let resource: String
    /// About how many bytes it holds while it waits.
    package let weight: Int
    /// Writes the record. Called once, on the archive's thread; takes tens of microseconds.
    package let make: @Sendable () -> [UInt8]

    package init(
        id: UniqueID, time: Timestamp, sender: Sender, resource: String, weight: Int,
        make: @escaping @Sendable () -> [UInt8]
    ) {
        self.id = id
        self.time = time
        self.sender = sender
        self.resource = resource
        self.weight = weight
        self.make = make
    }
}

/// Where decision records are kept, as the gateway reaches it.
package struct DecisionArchive: Sendable {
    /// What a look-up found.
    package enum Finding: Equatable, Sendable {
        case record([UInt8])
        case absent
        /// There is a row, and it is not as it was stored.
        case damaged
        /// The archive cannot be read; why.
        case unreadable(String)
    }

    /// Some records in the order they were kept.
    package struct Page: Sendable {
        package let findings: [(id: UniqueID, finding: Finding)]
        /// Where the next page begins; `nil` after the last record.
        package let next: Int64?

        package init(findings: [(id: UniqueID, finding: Finding)], next: Int64?) {
            self.findings = findings
            self.next = next
        }
    }

    /// What a reader of many records wants: those of `since` and later, about `resource` alone unless it is `nil`.
    package struct Query: Sendable {
        package let since: Timestamp
        package let resource: String?
        /// Where the page begins: 0, or the last page's `next`.
        package var from: Int64 = 0

        package init(since: Timestamp, resource: String?) {
            self.since = since
            self.resource = resource
        }
    }

    /// Takes a record to be; `false` when too many wait, of all or of its sender, or the disk takes none. Never blocks.
    package let keep: @Sendable (DecisionDraft) -> Bool
    /// The record of a decision, also of one that was kept a moment ago. Blocks for a commit at most.
    package let find: @Sendable (UniqueID) -> Finding
    /// At most 256 records. Blocks for a read.
    package let page: @Sendable (Query) -> Page

    package init(
        keep: @escaping @Sendable (DecisionDraft) -> Bool, find: @escaping @Sendable (UniqueID) -> Finding,
        page: @escaping @Sendable (Query) -> Page
    ) {
        self.keep = keep
        self.find = find
        self.page = page
    }
}
