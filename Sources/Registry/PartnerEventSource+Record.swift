import Domain
import JSON

/// How a source is stored: a JSON object under its name.
extension PartnerEventSource {
    var record: ControlRecord {
        var members: [JSONNode.Member] = [
            .init(key: "partnerAccount", value: .string("\(partnerAccount)")),
            .init(key: "account", value: .string("\(account)")),
            .init(key: "createdAt", value: .integer(createdAt.milliseconds)),
            .init(key: "state", value: .string(storedState.name)),
        ]
        switch storedState {
        case .pending(let expiresAt):
            members.append(.init(key: "expiresAt", value: .integer(expiresAt.milliseconds)))
        case .active: break
        case .deleted(let moment, let end):
            members.append(.init(key: "deletedAt", value: .integer(moment.milliseconds)))
            members.append(.init(key: "end", value: .string(end.rawValue)))
        }
        if let detailTypes {
            members.append(.init(key: "detailTypes", value: .array(detailTypes.map { .string($0) })))
        }
        if let suspension { members.append(.init(key: "suspension", value: suspension.node)) }
        return ControlRecord(
            kind: .partnerEventSource, key: name.description, value: JSONNode.object(members).bytes())
    }

    init(record: ControlRecord) throws(ControlStoreError) {
        let unreadable = ControlStoreError.unreadable(reason: "partner event source `\(record.key)`")
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: record.value) } catch {
            throw .unreadable(reason: "partner event source `\(record.key)`: \(error)")
        }
        guard let name = PartnerEventSourceName(parsing: record.key),
            let partnerAccount = node["partnerAccount"]?.string.flatMap(AccountID.init(parsing:)),
            let account = node["account"]?.string.flatMap(AccountID.init(parsing:)),
            let created = node["createdAt"]?.int64, let state = State(node)
        else { throw unreadable }
        self.name = name
        self.partnerAccount = partnerAccount
        self.account = account
        createdAt = Timestamp(milliseconds: created)
        storedState = state
        if let list = node["detailTypes"] {
            guard let texts = list.array?.map(\.string), texts.allSatisfy({ $0 != nil }) else { throw unreadable }
            detailTypes = texts.compactMap { $0 }
        } else {
            detailTypes = nil
        }
        if let stored = node["suspension"] {
            guard let suspension = Suspension(stored) else { throw unreadable }
            self.suspension = suspension
        }
    }
}

extension PartnerEventSource.State {
    fileprivate init?(_ node: JSONNode) {
        switch node["state"]?.string {
        case "PENDING":
            guard let moment = node["expiresAt"]?.int64 else { return nil }
            self = .pending(expiresAt: Timestamp(milliseconds: moment))
        case "ACTIVE": self = .active
        case "DELETED":
            guard let moment = node["deletedAt"]?.int64,
                let end = node["end"]?.string.flatMap(PartnerEventSource.End.init(rawValue:))
            else { return nil }
            self = .deleted(at: Timestamp(milliseconds: moment), end)
        default: return nil
        }
    }
}

extension PartnerEventSource.Suspension {
    fileprivate var node: JSONNode {
        var members: [JSONNode.Member] = [
            .init(key: "holds", value: .bool(holds)), .init(key: "since", value: .integer(since.milliseconds)),
        ]
        if let heldFrom { members.append(.init(key: "heldFrom", value: .integer(Int64(heldFrom.value)))) }
        return .object(members)
    }

    fileprivate init?(_ node: JSONNode) {
        guard let holds = node["holds"]?.bool, let since = node["since"]?.int64 else { return nil }
        self.holds = holds
        self.since = Timestamp(milliseconds: since)
        guard let stored = node["heldFrom"] else { return }
        guard let first = stored.uint64, first >= 1, first <= Sequence.maximum else { return nil }
        heldFrom = Sequence(first)
    }
}
