package import Domain

/// The event buses of all accounts, and how many each account has.
package struct EventBuses: Sendable {
    private var table = SegmentedTable<EventBusID, EventBus>()
    private var counts = SegmentedTable<AccountID, Int>()

    package var count: Int { table.count }

    /// All of them, in no order.
    package var values: some Swift.Sequence<EventBus> { table.values }

    /// How many buses an account has. Cost: one look-up.
    package func count(of account: AccountID) -> Int { counts[account] ?? 0 }

    package internal(set) subscript(id: EventBusID) -> EventBus? {
        get { table[id] }
        set {
            let before = table.count
            table[id] = newValue
            if table.count != before { counts[id.account] = count(of: id.account) + table.count - before }
        }
    }

    /// The same buses where their accounts stand in `organizations`. Cost: grows with all of them.
    func standing(in organizations: Organizations) -> EventBuses {
        var next = self
        for bus in values {
            let placement = organizations.placement(of: bus.id.account)
            if bus.placement !== placement { next[bus.id] = bus.standing(placement) }
        }
        return next
    }
}
