package import Domain
import JSON

/// A customer's consent: the partner may create sources for the account until `expiresAt`.
package struct PartnerAuthorization: Equatable, Sendable {
    /// Seconds a consent lasts when nobody says otherwise: 7 days. Source: FEDERATION 4.
    package static let defaultSeconds: Int64 = 7 * 86_400
    /// The longest that may be asked for: a year.
    package static let maximumSeconds: Int64 = 366 * 86_400

    /// Whose consent, for whom.
    package struct Key: Hashable, Sendable {
        package let account: AccountID
        package let partner: PartnerName

        package init(account: AccountID, partner: PartnerName) {
            self.account = account
            self.partner = partner
        }

        /// `ACCOUNT/PARTNER`.
        package var text: String { "\(account)/\(partner)" }
    }

    package let key: Key
    package let expiresAt: Timestamp

    /// The last moment is the one before `expiresAt`.
    package func stands(at now: Timestamp) -> Bool { now < expiresAt }

    var record: ControlRecord {
        let node = JSONNode.object([.init(key: "expiresAt", value: .integer(expiresAt.milliseconds))])
        return ControlRecord(kind: .partnerAuthorization, key: key.text, value: node.bytes())
    }
}

/// The partners that came by themselves, their sources, and the consents of customers.
package struct Partners: Sendable {
    /// By name: a look-up costs the same with ten and with ten thousand.
    package private(set) var sources = SegmentedTable<PartnerEventSourceName, PartnerEventSource>()
    package private(set) var authorizations: [PartnerAuthorization.Key: PartnerAuthorization] = [:]
    /// The accounts of partners that the configuration does not name.
    package internal(set) var registered: [PartnerName: AccountID] = [:]
    /// By partner account: the sources that are there, by what is stored.
    private var counts = SegmentedTable<AccountID, Int>()
    /// Sources that keep events back.
    private(set) var holding: Set<PartnerEventSourceName> = []
    /// Before this, time ends nothing. After a start everything is looked at once.
    private var nextEnd = Timestamp(milliseconds: .min)
    /// Deleted sources that were put since they were last settled.
    private var unsettled: [PartnerEventSourceName] = []

    package init() {}

    /// Takes up a stored record of one of the three kinds.
    mutating func load(_ record: ControlRecord) throws(ControlStoreError) {
        switch record.kind {
        case .partnerEventSource:
            keep(try PartnerEventSource(record: record))
        case .partnerAuthorization:
            let parts = record.key.split(separator: "/", maxSplits: 1)
            guard parts.count == 2, let account = AccountID(parsing: String(parts[0])),
                let partner = PartnerName(parsing: String(parts[1])),
                let expiry = try Self.node(record)["expiresAt"]?.int64
            else { throw .unreadable(reason: "partner authorization `\(record.key)`") }
            let key = PartnerAuthorization.Key(account: account, partner: partner)
            _ = put(PartnerAuthorization(key: key, expiresAt: Timestamp(milliseconds: expiry)))
        default:
            guard record.kind == .partner, let name = PartnerName(parsing: record.key),
                let account = try Self.node(record)["account"]?.string.flatMap(AccountID.init(parsing:))
            else { throw .unreadable(reason: "partner `\(record.key)`") }
            registered[name] = account
        }
    }

    private static func node(_ record: ControlRecord) throws(ControlStoreError) -> JSONNode {
        do throws(JSONError) { return try JSONNode(parsing: record.value) } catch {
            throw .unreadable(reason: "\(record.kind.rawValue) `\(record.key)`: \(error)")
        }
    }

    static func record(_ name: PartnerName, of account: AccountID) -> ControlRecord {
        let node = JSONNode.object([.init(key: "account", value: .string("\(account)"))])
        return ControlRecord(kind: .partner, key: name.description, value: node.bytes())
    }

    /// Puts a source in place of the one with its name.
    mutating func put(_ source: PartnerEventSource) -> ControlChange {
        keep(source)
        if case .deleted = source.storedState { unsettled.append(source.name) }
        return .put(source.record)
    }

    private mutating func keep(_ source: PartnerEventSource) {
        count(sources[source.name], -1)
        count(source, 1)
        sources[source.name] = source
        if source.suspension?.heldFrom != nil { holding.insert(source.name) } else { holding.remove(source.name) }
        if case .pending(let expiresAt) = source.storedState { nextEnd = min(nextEnd, expiresAt) }
    }

    /// Deleted sources do not count, but those whose suspension is remembered do.
    private mutating func count(_ source: PartnerEventSource?, _ step: Int) {
        guard let source else { return }
        if case .deleted = source.storedState, source.suspension == nil { return }
        counts[source.partnerAccount] = (counts[source.partnerAccount] ?? 0) + step
    }

    /// How many sources of a partner's account count against its quota. Cost: one look-up while time has ended nothing.
    func count(of partnerAccount: AccountID, at now: Timestamp, isBusThere: (EventBusID) -> Bool) -> Int {
        guard now >= nextEnd else { return counts[partnerAccount] ?? 0 }
        var settled = self
        _ = settled.settle(at: now, isBusThere: isBusThere)
        return settled.counts[partnerAccount] ?? 0
    }

    /// Puts a consent in place of an earlier one.
    mutating func put(_ authorization: PartnerAuthorization) -> ControlChange {
        authorizations[authorization.key] = authorization
        nextEnd = min(nextEnd, authorization.expiresAt)
        return .put(authorization.record)
    }

    /// Forgets a consent.
    mutating func remove(_ key: PartnerAuthorization.Key) -> ControlChange {
        authorizations[key] = nil
        return .remove(kind: .partnerAuthorization, key: key.text)
    }

    /// Forgets a source.
    mutating func remove(_ name: PartnerEventSourceName) -> ControlChange {
        count(sources[name], -1)
        holding.remove(name)
        sources[name] = nil
        return .remove(kind: .partnerEventSource, key: name.description)
    }

    /// Takes away what time has ended: sources nobody waits for, consents. One whose bus stands, or that the operator
    /// suspended, is kept as deleted. Cost: grows with what was deleted since the last time, and with everything only
    /// where time has ended something.
    mutating func settle(at now: Timestamp, isBusThere: (EventBusID) -> Bool) -> [ControlChange] {
        let deleted = unsettled
        unsettled = []
        guard now >= nextEnd else {
            return deleted.compactMap { sources[$0] }.flatMap { settle($0, at: now, isBusThere) }
        }
        nextEnd = Timestamp(milliseconds: .max)
        var changes: [ControlChange] = []
        for source in Array(sources.values) {
            changes += settle(source, at: now, isBusThere)
            if case .pending(let expiresAt) = source.state(at: now) { nextEnd = min(nextEnd, expiresAt) }
        }
        for authorization in authorizations.values {
            if authorization.stands(at: now) {
                nextEnd = min(nextEnd, authorization.expiresAt)
            } else {
                changes.append(remove(authorization.key))
            }
        }
        return changes
    }

    private mutating func settle(
        _ source: PartnerEventSource, at now: Timestamp, _ isBusThere: (EventBusID) -> Bool
    ) -> [ControlChange] {
        let state = source.state(at: now)
        guard case .deleted = state else { return [] }
        if source.suspension == nil, !isBusThere(source.busID) { return [remove(source.name)] }
        guard state != source.storedState else { return [] }
        let ended = source.changing { $0.storedState = state }
        keep(ended)
        return [.put(ended.record)]
    }
}
