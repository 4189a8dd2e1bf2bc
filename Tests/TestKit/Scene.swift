package import AccessPolicy
package import Domain
package import JSON
package import Registry

/// Two local accounts, one foreign one, and their principals: where the tests of the control plane take place.
package enum Scene {
    package static let region = "eu-central-1"
    package static let partition = "aws"
    /// The listener that callers come in by.
    package static let listener = "vpce-test"
    /// A local account that sends.
    package static let sender = AccountID(unchecked: 111_122_223_333)
    /// A local account that owns the bus.
    package static let owner = AccountID(unchecked: 444_455_556_666)
    /// An account whose buses live elsewhere.
    package static let foreign = AccountID(unchecked: 999_988_887_777)

    package static let publisher = Principal(.role, path: "publisher", account: sender)
    package static let administrator = Principal(.role, path: "administrator", account: owner)
    /// A principal without any policy.
    package static let nobody = Principal(.user, path: "nobody", account: owner)
    package static let stranger = Principal(.role, path: "stranger", account: foreign)

    package static let everything = #"{"Effect":"Allow","Action":"*","Resource":"*"}"#

    package static func bus(_ name: String, of account: AccountID = owner) -> EventBusID {
        guard let name = EventBusName(parsing: name) else { preconditionFailure("`\(name)` is no bus name") }
        return EventBusID(account: account, name: name)
    }

    package static func arn(_ name: String, of account: AccountID = owner) -> String {
        bus(name, of: account).arn(partition: partition, region: region)
    }

    /// A compiled policy of these statements.
    package static func policy(_ statements: [String], _ kind: PolicyKind) throws -> CompiledPolicy {
        CompiledPolicy(
            try PolicyDocument(
                parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#, kind: kind))
    }

    /// A bus policy of these statements, as JSON.
    package static func document(_ statements: String...) throws -> JSONNode {
        try JSONNode(parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#)
    }

    /// `Allow events:PutEvents` on a bus to the sender's account.
    package static func admitsSender(_ name: String = "orders") -> String {
        #"{"Sid":"sender","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"#
            + #""Action":"events:PutEvents","Resource":"\#(arn(name))"}"#
    }

    package static func declaration(
        publisher: [String] = [everything], seeds: [Declaration.Seed] = [],
        endpoints: [String: Declaration.Endpoint] = [listener: .init(vpc: nil, policy: nil)],
        region: String = Scene.region, isOwnerLocal: Bool = true, quotas: Declaration.Quotas = .init(),
        partners: [PartnerName: AccountID] = [:], consentRequired: Set<AccountID> = [],
        senderQuotas: SenderQuotas = SenderQuotas(), members: [Declaration.Member] = []
    ) throws -> Declaration {
        func member(_ principal: Principal, _ statements: [String]) throws -> Declaration.Member {
            let identity = statements.isEmpty ? [] : [try policy(statements, .identity)]
            return .init(principal: principal, policies: PrincipalPolicies(identity: identity))
        }
        let accounts = [
            Declaration.Account(
                id: sender, isLocal: true, principals: [try member(self.publisher, publisher)]),
            Declaration.Account(
                id: owner, isLocal: isOwnerLocal,
                principals: [try member(administrator, [everything]), try member(nobody, [])] + members),
            Declaration.Account(id: foreign, isLocal: false, principals: [try member(stranger, [everything])]),
        ]
        return Declaration(
            partition: partition, region: region, accounts: accounts, trustDomains: [], seeds: seeds,
            endpoints: endpoints, quotas: quotas, partners: partners, consentRequired: consentRequired,
            senderQuotas: senderQuotas)
    }

    /// The first snapshot of a declaration, its seeds and default buses adopted.
    package static func snapshot(_ declaration: Declaration, _ records: [ControlRecord] = []) throws -> Snapshot {
        try Snapshot.loading(records, declaration: declaration).adopting(declaration, at: SettableClock.start).snapshot
    }

    /// The snapshot of the usual declaration with a bus `orders` of the owner, its policy of these statements.
    package static func snapshotWithOrders(
        _ statements: [String], publisher: [String] = [everything],
        endpoints: [String: Declaration.Endpoint] = [listener: .init(vpc: nil, policy: nil)]
    ) throws -> Snapshot {
        let node =
            statements.isEmpty
            ? nil
            : try JSONNode(
                parsing: #"{"Version":"2012-10-17","Statement":[\#(statements.joined(separator: ","))]}"#)
        let seed = Declaration.Seed(id: bus("orders"), description: nil, policy: node, tags: [])
        return try snapshot(try declaration(publisher: publisher, seeds: [seed], endpoints: endpoints))
    }
}
