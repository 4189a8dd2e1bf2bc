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

        var text: String { "\(account)/\(partner)" }
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
    package internal(set) var sources: [PartnerEventSourceName: PartnerEventSource] = [:]
    package internal(set) var authorizations: [PartnerAuthorization.Key: PartnerAuthorization] = [:]
    /// The accounts of partners that the configuration does not name.
    package internal(set) var registered: [PartnerName: AccountID] = [:]

    package init() {}

    /// Takes up a stored record of one of the three kinds.
    mutating func load(_ record: ControlRecord) throws(ControlStoreError) {
        switch record.kind {
        case .partnerEventSource:
            let source = try PartnerEventSource(record: record)
            sources[source.name] = source
        case .partnerAuthorization:
            let parts = record.key.split(separator: "/", maxSplits: 1)
            guard parts.count == 2, let account = AccountID(parsing: String(parts[0])),
                let partner = PartnerName(parsing: String(parts[1])),
                let expiry = try Self.node(record)["expiresAt"]?.int64
            else { throw .unreadable(reason: "partner authorization `\(record.key)`") }
            let key = PartnerAuthorization.Key(account: account, partner: partner)
            authorizations[key] = PartnerAuthorization(key: key, expiresAt: Timestamp(milliseconds: expiry))
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
        sources[source.name] = source
        return .put(source.record)
    }

    /// Forgets a source.
    mutating func remove(_ name: PartnerEventSourceName) -> ControlChange {
        sources[name] = nil
        return .remove(kind: .partnerEventSource, key: name.description)
    }

    /// Takes away what time has ended: sources nobody waits for, consents. One whose bus stands, or that the operator
    /// suspended, is kept as deleted.
    mutating func settle(at now: Timestamp, isBusThere: (EventBusID) -> Bool) -> [ControlChange] {
        var changes: [ControlChange] = []
        for source in sources.values {
            let state = source.state(at: now)
            guard case .deleted = state else { continue }
            if source.suspension == nil, !isBusThere(source.busID) {
                changes.append(remove(source.name))
            } else if state != source.storedState {
                changes.append(put(source.changing { $0.storedState = state }))
            }
        }
        for authorization in authorizations.values where !authorization.stands(at: now) {
            authorizations[authorization.key] = nil
            changes.append(.remove(kind: .partnerAuthorization, key: authorization.key.text))
        }
        return changes
    }
}
