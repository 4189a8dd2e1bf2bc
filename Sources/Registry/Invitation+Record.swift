import Cryptography
import Domain
import JSON

/// How an invitation is stored. The secret of its token is not: the gateway makes it again from the terms.
extension Invitation {
    var record: ControlRecord {
        var members: [JSONNode.Member] = [
            .init(key: "terms", value: .string(String(decoding: terms.bytes, as: UTF8.self))),
            .init(key: "state", value: .string(stateName)),
        ]
        switch state {
        case .invited, .bound: break
        case .joined(_, let at, let event):
            members.append(.init(key: "at", value: .integer(at.milliseconds)))
            members.append(.init(key: "event", value: .string(event)))
        case .ended(_, let at, _): members.append(.init(key: "at", value: .integer(at.milliseconds)))
        }
        if let membership { members.append(.init(key: "membership", value: Self.node(membership))) }
        return ControlRecord(kind: .invitation, key: terms.id, value: JSONNode.object(members).bytes())
    }

    private static func node(_ membership: Membership) -> JSONNode {
        .object([
            .init(key: "key", value: .string(membership.key.hexadecimal)),
            .init(key: "boundAt", value: .integer(membership.boundAt.milliseconds)),
            .init(key: "trustBundle", value: .string(String(decoding: membership.trustBundle, as: UTF8.self))),
            .init(key: "madeBus", value: .bool(membership.made.bus)),
            .init(key: "madeName", value: .bool(membership.made.name)),
            .init(
                key: "certificates",
                value: .array(
                    membership.certificates.map {
                        .object([
                            .init(key: "serial", value: .string($0.serial)),
                            .init(key: "fingerprint", value: .string($0.fingerprint.hexadecimal)),
                            .init(key: "notAfter", value: .integer($0.notAfter.milliseconds)),
                            .init(key: "pem", value: .string(String(decoding: $0.pem, as: UTF8.self))),
                        ])
                    })),
        ])
    }

    init(record: ControlRecord) throws(ControlStoreError) {
        let node: JSONNode
        do throws(JSONError) { node = try JSONNode(parsing: record.value) } catch {
            throw .unreadable(reason: "invitation `\(record.key)`: \(error)")
        }
        let at = node["at"]?.int64.map { Timestamp(milliseconds: $0) }
        guard let text = node["terms"]?.string, let terms = InvitationTerms(parsing: Array(text.utf8)),
            terms.id == record.key, let name = node["state"]?.string,
            let state = Self.state(name, node["membership"].flatMap(Self.membership), at, node["event"]?.string),
            (node["membership"] == nil) == (Invitation(terms: terms, state: state).membership == nil)
        else { throw .unreadable(reason: "invitation `\(record.key)`") }
        self.init(terms: terms, state: state)
    }

    private static func state(
        _ name: String, _ membership: Membership?, _ at: Timestamp?, _ event: String?
    ) -> State? {
        switch (name, membership, at, event) {
        case ("invited", nil, _, _): .invited
        case ("bound", let membership?, _, _): .bound(membership)
        case ("joined", let membership?, let at?, let event?): .joined(membership, at: at, event: event)
        case (let name, let membership, let at?, _): Ending(rawValue: name).map { .ended($0, at: at, membership) }
        default: nil
        }
    }

    private static func membership(_ node: JSONNode) -> Membership? {
        guard let key = node["key"]?.string.flatMap({ Digest(hexadecimal: $0.utf8) }),
            let boundAt = node["boundAt"]?.int64, let bundle = node["trustBundle"]?.string,
            let madeBus = node["madeBus"]?.bool, let madeName = node["madeName"]?.bool,
            let nodes = node["certificates"]?.array
        else { return nil }
        let certificates = nodes.compactMap { node -> IssuedCertificate? in
            guard let serial = node["serial"]?.string, let pem = node["pem"]?.string,
                let fingerprint = node["fingerprint"]?.string.flatMap({ Digest(hexadecimal: $0.utf8) }),
                let notAfter = node["notAfter"]?.int64
            else { return nil }
            return IssuedCertificate(
                serial: serial, fingerprint: fingerprint, notAfter: Timestamp(milliseconds: notAfter),
                pem: Array(pem.utf8))
        }
        guard certificates.count == nodes.count else { return nil }
        return Membership(
            key: key, boundAt: Timestamp(milliseconds: boundAt), certificates: certificates,
            trustBundle: Array(bundle.utf8), made: Made(bus: madeBus, name: madeName))
    }
}
